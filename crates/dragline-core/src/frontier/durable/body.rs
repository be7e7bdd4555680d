//! Spells a URL that waits, with everything a lease of it will tell.

use std::sync::Arc;

use super::wire::{Malformed, Pen, Reader, Strand};
use crate::frontier::state::UrlRecord;
use crate::url::{CanonicalUrl, Fingerprint, Fingerprinter};

const SEED_IS_ITSELF: u8 = 1;
const SEED: u8 = 1 << 1;
const LABEL: u8 = 1 << 2;
const DATA: u8 = 1 << 3;
const REFERRER: u8 = 1 << 4;
const CHAIN: u8 = 1 << 5;
const ATTEMPTS: u8 = 1 << 6;
const REVISIT: u8 = 1 << 7;

/// What is known of a URL that was fetched in an earlier generation, to ask only for what has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revisit {
    /// Counts how often the URL began anew, from 1.
    pub generation: u32,
    /// The `ETag` of the last visit, as it came.
    pub etag: Option<Box<str>>,
    /// The `Last-Modified` of the last visit, as it came.
    pub last_modified: Option<Box<str>>,
    /// The digest of the body at the last visit.
    pub digest: Option<u128>,
    /// The interval that passed before this visit fell due, in seconds.
    pub interval_secs: u64,
}

impl Revisit {
    /// Returns the fields that ask for the page only if it has changed; none when the last visit gave nothing to ask by.
    ///
    /// # Source
    /// RFC 9110 sections 13.1.2 and 13.1.3; who knows both sends both.
    pub fn conditions(&self) -> Vec<(Box<str>, Box<str>)> {
        let field = |name: &str, value: &Option<Box<str>>| Some((name.into(), value.clone()?));
        let by_tag = field("If-None-Match", &self.etag);
        by_tag.into_iter().chain(field("If-Modified-Since", &self.last_modified)).collect()
    }
}

/// A URL that waits, apart from its place in the frontier.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::frontier) struct Body {
    pub(in crate::frontier) url: CanonicalUrl,
    pub(in crate::frontier) depth: u32,
    /// Attempts made.
    pub(in crate::frontier) attempts: u32,
    pub(in crate::frontier) seed: Option<CanonicalUrl>,
    pub(in crate::frontier) label: Option<Arc<str>>,
    pub(in crate::frontier) data: Option<Arc<str>>,
    pub(in crate::frontier) referrer: Option<CanonicalUrl>,
    pub(in crate::frontier) chain: Vec<CanonicalUrl>,
    pub(in crate::frontier) revisit: Option<Arc<Revisit>>,
}

/// Writes a URL that waits; `attempts` are those made.
pub(super) fn write(pen: &mut Pen, record: &UrlRecord, attempts: u32) {
    let is_itself = record.seed.as_ref().is_some_and(|seed| *seed == record.url);
    let flag = |there: bool, bit: u8| if there { bit } else { 0 };
    pen.byte(
        flag(is_itself, SEED_IS_ITSELF)
            | flag(record.seed.is_some() && !is_itself, SEED)
            | flag(record.label.is_some(), LABEL)
            | flag(record.data.is_some(), DATA)
            | flag(record.referrer.is_some(), REFERRER)
            | flag(!record.chain.is_empty(), CHAIN)
            | flag(attempts > 0, ATTEMPTS)
            | flag(record.revisit.is_some(), REVISIT),
    );
    pen.text(Strand::Url, record.url.as_str());
    pen.number(record.depth.into());
    if let Some(seed) = record.seed.as_ref().filter(|_| !is_itself) {
        pen.text(Strand::Other, seed.as_str());
    }
    if let Some(label) = &record.label {
        pen.text(Strand::Note, label);
    }
    if let Some(data) = &record.data {
        pen.text(Strand::Note, data);
    }
    if let Some(referrer) = &record.referrer {
        pen.text(Strand::Referrer, referrer.as_str());
    }
    if !record.chain.is_empty() {
        pen.count(record.chain.len());
        record.chain.iter().for_each(|url| pen.text(Strand::Other, url.as_str()));
    }
    if attempts > 0 {
        pen.number(attempts.into());
    }
    if let Some(revisit) = &record.revisit {
        write_revisit(pen, revisit);
    }
}

fn write_revisit(pen: &mut Pen, revisit: &Revisit) {
    pen.number(revisit.generation.into());
    pen.option(revisit.etag.as_deref(), |pen, text| pen.raw(text.as_bytes()));
    pen.option(revisit.last_modified.as_deref(), |pen, text| pen.raw(text.as_bytes()));
    pen.option(revisit.digest, |pen, digest| pen.bytes.extend_from_slice(&digest.to_le_bytes()));
    pen.number(revisit.interval_secs);
}

impl Body {
    /// Reads what [`write`] wrote.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.byte()?;
        let has = |bit: u8| flags & bit != 0;
        let url = reader.url(Strand::Url)?;
        let depth = reader.small()?;
        let seed = if has(SEED_IS_ITSELF) {
            Some(url.clone())
        } else {
            has(SEED).then(|| reader.url(Strand::Other)).transpose()?
        };
        let label = has(LABEL).then(|| reader.shared(Strand::Note)).transpose()?;
        let data = has(DATA).then(|| reader.shared(Strand::Note)).transpose()?;
        let referrer = has(REFERRER).then(|| reader.url(Strand::Referrer)).transpose()?;
        let mut chain = Vec::new();
        if has(CHAIN) {
            for _ in 0..reader.count()? {
                chain.push(reader.url(Strand::Other)?);
            }
        }
        let attempts = if has(ATTEMPTS) { reader.small()? } else { 0 };
        let revisit = has(REVISIT).then(|| read_revisit(reader).map(Arc::new)).transpose()?;
        Ok(Self { url, depth, attempts, seed, label, data, referrer, chain, revisit })
    }
}

/// Passes over what [`write`] wrote and returns the fingerprint of the URL, for a fraction of what reading costs.
pub(super) fn skim(reader: &mut Reader<'_>, fingerprinter: Fingerprinter) -> Result<Fingerprint, Malformed> {
    let flags = reader.byte()?;
    let has = |bit: u8| flags & bit != 0;
    let fingerprint = fingerprinter.of_canonical(reader.text(Strand::Url)?);
    reader.number()?;
    if has(SEED) && !has(SEED_IS_ITSELF) {
        reader.text(Strand::Other)?;
    }
    for _ in 0..u8::from(has(LABEL)) + u8::from(has(DATA)) {
        reader.text(Strand::Note)?;
    }
    if has(REFERRER) {
        reader.text(Strand::Referrer)?;
    }
    if has(CHAIN) {
        for _ in 0..reader.count()? {
            reader.text(Strand::Other)?;
        }
    }
    if has(ATTEMPTS) {
        reader.number()?;
    }
    if has(REVISIT) {
        read_revisit(reader)?;
    }
    Ok(fingerprint)
}

fn read_revisit(reader: &mut Reader<'_>) -> Result<Revisit, Malformed> {
    Ok(Revisit {
        generation: reader.small()?,
        etag: reader.option(read_text)?,
        last_modified: reader.option(read_text)?,
        digest: reader.option(read_digest)?,
        interval_secs: reader.number()?,
    })
}

/// Reads a text that stands by itself.
pub(super) fn read_text(reader: &mut Reader<'_>) -> Result<Box<str>, Malformed> {
    std::str::from_utf8(reader.raw()?).map(Box::from).map_err(|_| Malformed)
}

/// Reads the digest of a body.
pub(super) fn read_digest(reader: &mut Reader<'_>) -> Result<u128, Malformed> {
    Ok(u128::from(reader.word()?) | u128::from(reader.word()?) << 64)
}
