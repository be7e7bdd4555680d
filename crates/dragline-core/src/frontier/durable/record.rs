//! Spells what changes in a frontier: one record for each change that must survive.
//!
//! Leases are no records: what was leased or fetched when the process died waits again.

use super::body::{self, Body};
use super::host::{ClockImage, RobotsImage};
use super::journal::Journal;
use super::wire::{Malformed, Pen, Reader, Strand};
use crate::disposition::{Disposition, SkipReason};
use crate::frontier::seen;
use crate::frontier::state::UrlRecord;
use crate::frontier::types::OfferSource;
use crate::time::Wall;
use crate::url::{CanonicalUrl, Fingerprint, HostKey, Scheme};

const NEW: u8 = 1;
const SKIP: u8 = 2;
const DEPTH: u8 = 3;
const ADOPT: u8 = 4;
const RETURN: u8 = 5;
const END: u8 = 6;
const HOST: u8 = 7;
const ROBOTS: u8 = 8;
const JOINED: u8 = 9;
const RENEW: u8 = 10;

/// Stands beside the code of a disposition: the URL was leased at least once.
const WAS_LEASED: u8 = 0x80;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::frontier) enum Record {
    /// A URL was discovered and waits.
    New { source: OfferSource, body: Body },
    /// A URL was discovered and skipped at once.
    Skip { fingerprint: Fingerprint, reason: SkipReason, source: OfferSource },
    /// A shorter way to a URL that waits was found.
    Depth { fingerprint: Fingerprint, depth: u8 },
    /// A URL that waits got the standing of a seed.
    Adopt { fingerprint: Fingerprint, seed: CanonicalUrl },
    /// A URL that was leased from a host of this part of a snapshot waits again, perhaps at another host.
    Return { from: u8, chunk: u64, not_before: Wall, body: Body },
    /// A URL ended.
    End { fingerprint: Fingerprint, disposition: Disposition, was_leased: bool, host_shard: u8, chunk: u64 },
    /// A host's clock has learned.
    Host { host: HostKey, clock: ClockImage },
    /// An origin's robots.txt is known, or given up.
    Robots { host: HostKey, scheme: Scheme, robots: RobotsImage },
    /// The host of a seed's redirect target joined the scope.
    Joined { seed: CanonicalUrl, target: CanonicalUrl },
    /// A URL that had ended waits again, in a new generation.
    Renew { body: Body },
}

impl Record {
    /// Reads one record.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            NEW => Self::New { source: read_source(reader)?, body: Body::read(reader)? },
            SKIP => {
                let fingerprint = Fingerprint(reader.word()?);
                let Some(Disposition::Skipped(reason)) = seen::disposition_of(reader.byte()?) else {
                    return Err(Malformed);
                };
                Self::Skip { fingerprint, reason, source: read_source(reader)? }
            }
            DEPTH => Self::Depth { fingerprint: Fingerprint(reader.word()?), depth: reader.byte()? },
            ADOPT => {
                Self::Adopt { fingerprint: Fingerprint(reader.word()?), seed: reader.url(Strand::Other)? }
            }
            RETURN => {
                let (from, chunk, not_before) = (reader.byte()?, reader.number()?, reader.wall()?);
                Self::Return { from, chunk, not_before, body: Body::read(reader)? }
            }
            END => {
                let fingerprint = Fingerprint(reader.word()?);
                let code = reader.byte()?;
                let disposition = seen::disposition_of(code & !WAS_LEASED).ok_or(Malformed)?;
                let (was_leased, host_shard) = (code & WAS_LEASED != 0, reader.byte()?);
                Self::End { fingerprint, disposition, was_leased, host_shard, chunk: reader.number()? }
            }
            HOST => Self::Host { host: read_host(reader)?, clock: ClockImage::read(reader)? },
            ROBOTS => {
                let (host, scheme) = (read_host(reader)?, read_scheme(reader)?);
                Self::Robots { host, scheme, robots: RobotsImage::read(reader)? }
            }
            JOINED => Self::Joined { seed: reader.url(Strand::Other)?, target: reader.url(Strand::Other)? },
            RENEW => Self::Renew { body: Body::read(reader)? },
            _ => return Err(Malformed),
        })
    }
}

impl Journal {
    pub(in crate::frontier) fn note_new(&mut self, source: OfferSource, record: &UrlRecord) {
        self.note(|pen| {
            pen.byte(NEW);
            pen.byte(source as u8);
            body::write(pen, record, 0);
        });
    }

    pub(in crate::frontier) fn note_skip(
        &mut self,
        fingerprint: Fingerprint,
        reason: SkipReason,
        source: OfferSource,
    ) {
        self.note(|pen| {
            pen.byte(SKIP);
            pen.word(fingerprint.0);
            pen.byte(seen::code_of(Disposition::Skipped(reason)));
            pen.byte(source as u8);
        });
    }

    pub(in crate::frontier) fn note_depth(&mut self, fingerprint: Fingerprint, depth: u8) {
        self.note(|pen| {
            pen.byte(DEPTH);
            pen.word(fingerprint.0);
            pen.byte(depth);
        });
    }

    pub(in crate::frontier) fn note_adopted(&mut self, fingerprint: Fingerprint, seed: &CanonicalUrl) {
        self.note(|pen| {
            pen.byte(ADOPT);
            pen.word(fingerprint.0);
            pen.text(Strand::Other, seed.as_str());
        });
    }

    pub(in crate::frontier) fn note_return(&mut self, record: &UrlRecord, from: u8, not_before: Wall) {
        self.note(|pen| {
            pen.byte(RETURN);
            pen.byte(from);
            pen.number(record.chunk);
            pen.wall(not_before);
            body::write(pen, record, record.attempts);
        });
    }

    pub(in crate::frontier) fn note_end(
        &mut self,
        record: &UrlRecord,
        disposition: Disposition,
        host_shard: u8,
    ) {
        self.note(|pen| {
            pen.byte(END);
            pen.word(record.fingerprint.0);
            pen.byte(seen::code_of(disposition) | if record.was_leased { WAS_LEASED } else { 0 });
            pen.byte(host_shard);
            pen.number(record.chunk);
        });
    }

    pub(in crate::frontier) fn note_host(&mut self, host: &HostKey, clock: &ClockImage) {
        self.note(|pen| {
            pen.byte(HOST);
            write_host(pen, host);
            clock.write(pen);
        });
    }

    pub(in crate::frontier) fn note_robots(&mut self, host: &HostKey, scheme: Scheme, robots: &RobotsImage) {
        self.note(|pen| {
            pen.byte(ROBOTS);
            write_host(pen, host);
            pen.byte(scheme as u8);
            robots.write(pen);
        });
    }

    pub(in crate::frontier) fn note_joined(&mut self, seed: &CanonicalUrl, target: &CanonicalUrl) {
        self.note(|pen| {
            pen.byte(JOINED);
            pen.text(Strand::Other, seed.as_str());
            pen.text(Strand::Other, target.as_str());
        });
    }

    pub(in crate::frontier) fn note_renewed(&mut self, record: &UrlRecord) {
        self.note(|pen| {
            pen.byte(RENEW);
            body::write(pen, record, 0);
        });
    }
}

/// Writes host and port.
pub(super) fn write_host(pen: &mut Pen, host: &HostKey) {
    pen.text(Strand::Other, &host.host);
    pen.number(host.port.into());
}

/// Reads host and port.
pub(super) fn read_host(reader: &mut Reader<'_>) -> Result<HostKey, Malformed> {
    let host = reader.shared(Strand::Other)?;
    let port = u16::try_from(reader.number()?).map_err(|_| Malformed)?;
    Ok(HostKey { host, port })
}

/// Reads a scheme.
pub(super) fn read_scheme(reader: &mut Reader<'_>) -> Result<Scheme, Malformed> {
    match reader.byte()? {
        code if code == Scheme::Http as u8 => Ok(Scheme::Http),
        code if code == Scheme::Https as u8 => Ok(Scheme::Https),
        _ => Err(Malformed),
    }
}

fn read_source(reader: &mut Reader<'_>) -> Result<OfferSource, Malformed> {
    OfferSource::ALL.get(usize::from(reader.byte()?)).copied().ok_or(Malformed)
}
