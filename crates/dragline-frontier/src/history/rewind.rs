//! Brings a history back to a mark.

use std::path::Path;
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::index::{INDEX_PART_SUFFIX, INDEX_SUFFIX, Row};
use super::mark::HistoryMark;
use super::segment::{HISTORY_PREFIX, SegmentReader, history_path};
use crate::error::LogError;
use crate::file::{Tail, numbered, numbered_with};

/// Rewinds to a mark, and returns the end of its segment with the fingerprints in it.
///
/// Cut short at any moment, it is simply called again.
///
/// # Errors
/// When something that was durable is gone, shorter or damaged: then nothing was changed. When the disk fails.
pub(super) fn rewind(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    run: RunId,
    mark: HistoryMark,
) -> Result<(Option<Tail>, Vec<Row>), LogError> {
    let segments = numbered(&**disk, dir, HISTORY_PREFIX)?;
    let rows =
        check(&**disk, dir, run, mark, &segments.iter().map(|(number, _)| *number).collect::<Vec<_>>())?;
    let remove = |path: &Path| disk.remove(path).map_err(|source| LogError::from_io(path, "remove", source));
    // The index of the mark's segment too: it is open again, and may come to hold other entries of the same length.
    let indexes = numbered_with(&**disk, dir, HISTORY_PREFIX, INDEX_SUFFIX)?;
    for (_, path) in indexes.iter().filter(|(number, _)| *number >= u64::from(mark.segment)) {
        remove(path)?;
    }
    for (_, path) in numbered_with(&**disk, dir, HISTORY_PREFIX, INDEX_PART_SUFFIX)? {
        remove(&path)?;
    }
    for (_, path) in segments.iter().rev().filter(|(number, _)| *number > u64::from(mark.segment)) {
        remove(path)?;
    }
    let tail = match mark.segment {
        0 => None,
        segment => Some(Tail::open(&**disk, history_path(dir, segment), mark.bytes)?),
    };
    disk.sync_dir(dir).map_err(|source| LogError::sync(dir, source))?;
    Ok((tail, rows))
}

/// Makes sure that everything up to the mark is there, and reads the fingerprints of its segment.
fn check(
    disk: &dyn Disk,
    dir: &Path,
    run: RunId,
    mark: HistoryMark,
    there: &[u64],
) -> Result<Vec<Row>, LogError> {
    for segment in 1..=mark.segment {
        if there.binary_search(&segment.into()).is_err() {
            return Err(LogError::Missing { path: history_path(dir, segment) });
        }
    }
    if mark.segment == 0 {
        return Ok(Vec::new());
    }
    let (rows, next) = SegmentReader::open(disk, dir, run, mark.segment, Some(mark.bytes))?.rows()?;
    if next != mark.next {
        let path = history_path(dir, mark.segment);
        return Err(LogError::damaged(&path, mark.bytes, "its entries are not those of the mark"));
    }
    Ok(rows)
}
