//! Spells how a URL ended: what `export` and `explain` tell, and what the next visit compares with.

use std::sync::Arc;

use super::body::{Revisit, read_digest, read_text};
use super::wire::{Malformed, Pen, Reader, Strand};
use crate::decision::Decision;
use crate::disposition::{Disposition, SkipReason};
use crate::frontier::offer::NewUrl;
use crate::frontier::seen;
use crate::frontier::state::UrlRecord;
use crate::frontier::types::Visit;
use crate::outcome::Outcome;
use crate::recrawl::Change;
use crate::time::Wall;
use crate::url::CanonicalUrl;

/// How one URL ended, once. The last entry of a URL tells how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The spelling that was fetched, or would have been.
    pub url: CanonicalUrl,
    /// How it ended.
    pub disposition: Disposition,
    /// When the frontier took note of that.
    pub at: Wall,
    /// Counts how often the URL began anew, from 0.
    pub generation: u32,
    /// Links from the nearest seed.
    pub depth: u32,
    /// Attempts made.
    pub attempts: u32,
    /// The page that named it.
    pub referrer: Option<CanonicalUrl>,
    /// The label under which it was offered.
    pub label: Option<Arc<str>>,
    /// The rule that skipped it, when it was skipped at once.
    pub rule: Option<Box<str>>,
    /// What its last fetch brought, when there was one.
    pub visit: Option<Visit>,
    /// The interval that had passed before this visit fell due, in seconds; 0 for the first.
    pub interval_secs: u64,
    /// The digest of the visit before.
    pub digest_before: Option<u128>,
}

/// Describes the end of a URL that waited or was leased.
pub(super) fn of_end(
    record: &UrlRecord,
    disposition: Disposition,
    visit: Option<&Visit>,
    at: Wall,
) -> Vec<u8> {
    let mut pen = Pen::default();
    pen.byte(seen::code_of(disposition));
    pen.wall(at);
    pen.text(Strand::Url, record.url.as_str());
    pen.number(record.depth.into());
    pen.number(record.attempts.into());
    pen.option(record.referrer.as_ref(), |pen, url| pen.text(Strand::Url, url.as_str()));
    pen.option(record.label.as_deref(), |pen, label| pen.text(Strand::Note, label));
    pen.byte(0);
    pen.option(visit, |pen, visit| write_visit(pen, visit, at));
    pen.option(record.revisit.as_deref(), |pen, revisit| {
        pen.number(revisit.generation.into());
        pen.number(revisit.interval_secs);
        pen.option(revisit.digest, write_digest);
    });
    pen.take()
}

/// Describes a URL that was skipped when it was discovered.
pub(super) fn of_skip(new: &NewUrl, decision: &Decision<SkipReason>, at: Wall) -> Vec<u8> {
    let mut pen = Pen::default();
    pen.byte(seen::code_of(Disposition::Skipped(decision.verdict)));
    pen.wall(at);
    pen.text(Strand::Url, new.url.as_str());
    pen.number(new.depth.into());
    pen.number(0);
    pen.option(new.referrer.as_ref(), |pen, url| pen.text(Strand::Url, url.as_str()));
    pen.option(new.label.as_deref(), |pen, label| pen.text(Strand::Note, label));
    pen.option(Some(decision.rule), |pen, rule| pen.raw(rule.as_bytes()));
    pen.byte(0);
    pen.byte(0);
    pen.take()
}

/// Writes a visit; it ended shortly before the frontier took note of it.
fn write_visit(pen: &mut Pen, visit: &Visit, noted: Wall) {
    pen.number(u64::try_from(noted.since(visit.at).as_micros()).unwrap_or(u64::MAX));
    pen.byte(visit.outcome as u8);
    pen.number(visit.status.map_or(0, u64::from));
    pen.number(visit.body_bytes);
    pen.option(visit.etag.as_deref(), |pen, text| pen.raw(text.as_bytes()));
    pen.option(visit.last_modified.as_deref(), |pen, text| pen.raw(text.as_bytes()));
    pen.option(visit.digest, write_digest);
}

fn write_digest(pen: &mut Pen, digest: u128) {
    pen.bytes.extend_from_slice(&digest.to_le_bytes());
}

fn read_visit(reader: &mut Reader<'_>, noted: Wall) -> Result<Visit, Malformed> {
    let before = i64::try_from(reader.number()?).map_err(|_| Malformed)?;
    let at = Wall::from_micros(noted.as_micros().saturating_sub(before));
    let outcome = Outcome::ALL.get(usize::from(reader.byte()?)).copied().ok_or(Malformed)?;
    let status = u16::try_from(reader.number()?).map_err(|_| Malformed)?;
    Ok(Visit {
        at,
        outcome,
        status: (status > 0).then_some(status),
        body_bytes: reader.number()?,
        etag: reader.option(read_text)?,
        last_modified: reader.option(read_text)?,
        digest: reader.option(read_digest)?,
    })
}

impl Past {
    /// Compares its visit with the one before, as far as they say something about the content.
    pub fn change(&self) -> Option<Change> {
        let visit = self.visit.as_ref()?;
        let before =
            Revisit { generation: self.generation, digest: self.digest_before, ..Revisit::default() };
        Change::of(self.disposition, visit.status, visit.digest, (self.generation > 0).then_some(&before))
    }

    /// Reads an entry of the history.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let reader = &mut Reader::new(bytes);
        let disposition = seen::disposition_of(reader.byte()?).ok_or(Malformed)?;
        let at = reader.wall()?;
        let url = reader.url(Strand::Url)?;
        let (depth, attempts) = (reader.small()?, reader.small()?);
        let referrer = reader.option(|reader| reader.url(Strand::Url))?;
        let label = reader.option(|reader| reader.shared(Strand::Note))?;
        let rule = reader.option(read_text)?;
        let visit = reader.option(|reader| read_visit(reader, at))?;
        let before =
            reader.option(|reader| Ok((reader.small()?, reader.number()?, reader.option(read_digest)?)))?;
        let (generation, interval_secs, digest_before) = before.unwrap_or_default();
        Ok(Self {
            url,
            disposition,
            at,
            generation,
            depth,
            attempts,
            referrer,
            label,
            rule,
            visit,
            interval_secs,
            digest_before,
        })
    }
}
