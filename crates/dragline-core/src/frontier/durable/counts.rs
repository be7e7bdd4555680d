//! Spells the counts of a frontier, for the commit that they were true at.

use super::body::read_text;
use super::wire::{Malformed, Pen, Reader};
use crate::disposition::LinkRefusal;
use crate::frontier::counts::Counts;
use crate::frontier::types::OfferSource;

/// Writes what cannot be counted again from the URLs, and what can, so that it can be compared.
pub(super) fn write(counts: &Counts) -> Vec<u8> {
    let mut pen = Pen::default();
    pen.number(counts.discovered);
    pen.number(counts.pending);
    counts.added.iter().for_each(|count| pen.number(*count));
    pen.number(counts.duplicates);
    counts.refused.iter().for_each(|count| pen.number(*count));
    pen.number(counts.stale);
    // What is in flight now for the first time would be leased for the first time again.
    pen.number(counts.urls_leased.saturating_sub(counts.first_in_flight));
    pen.count(counts.robots_unreachable.len());
    for (origin, message) in &counts.robots_unreachable {
        pen.raw(origin.as_bytes());
        pen.raw(message.as_bytes());
    }
    pen.take()
}

/// Reads what [`write`] wrote; how often URLs ended, and how, is left to be counted.
pub(super) fn read(bytes: &[u8]) -> Result<Counts, Malformed> {
    let reader = &mut Reader::new(bytes);
    let mut counts = Counts { discovered: reader.number()?, pending: reader.number()?, ..Counts::default() };
    for at in 0..OfferSource::ALL.len() {
        counts.added[at] = reader.number()?;
    }
    counts.duplicates = reader.number()?;
    for at in 0..LinkRefusal::ALL.len() {
        counts.refused[at] = reader.number()?;
    }
    counts.stale = reader.number()?;
    counts.urls_leased = reader.number()?;
    for _ in 0..reader.count()? {
        counts.robots_unreachable.push((read_text(reader)?.into(), read_text(reader)?.into()));
    }
    if reader.is_done() { Ok(counts) } else { Err(Malformed) }
}
