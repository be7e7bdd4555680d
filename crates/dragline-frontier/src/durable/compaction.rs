//! Copies chunks out of sparse files while a snapshot is written, so that those files can go when it is named.

use std::collections::BTreeMap;

use crate::LogError;
use crate::log::{LogReader, Place};
use crate::shelf::{ChunkFile, ShelfWriter, Shelves};

/// Bytes of chunks that are copied with one commit: as many as any disk copies in a second.
///
/// A commit that writes more of its snapshot than that copies as much. Two commits at least make a snapshot, and the next
/// one is begun when the log has grown by as much as it was long: so over the time more can be copied than is logged, and
/// as each byte that is copied makes room for more than one, nothing that died stays for long.
pub(super) const COPIED_BYTES_MAX: u64 = 32 << 20;

/// Chunks on their way into new shelf files. What was copied counts when the snapshot does; whatever is left then is for
/// the next one.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// Chunks that are to be copied, with where they stand.
    todo: std::vec::IntoIter<(u64, Place)>,
    writer: Option<ShelfWriter>,
    /// Files that are full.
    written: Vec<ChunkFile>,
    /// Where the copies stand.
    pub(super) moved: BTreeMap<u64, Place>,
}

impl Compaction {
    pub(super) fn new(todo: Vec<(u64, Place)>) -> Self {
        Self { todo: todo.into_iter(), ..Self::default() }
    }

    /// Copies chunks until so many bytes were, into files that take no further chunk at `full_bytes`.
    ///
    /// # Errors
    /// When they cannot be written: [`Compaction::abandon`] it.
    pub(super) fn copy(
        &mut self,
        reader: &LogReader,
        shelves: &mut Shelves,
        full_bytes: u64,
        bytes_max: u64,
    ) -> Result<(), LogError> {
        let mut copied = 0;
        while copied < bytes_max
            && let Some((chunk, place)) = self.todo.next()
        {
            // What cannot be read stays where it is, and keeps its file: who takes it is told.
            let Ok(block) = reader.read(place) else { continue };
            if self.writer.is_none() {
                self.writer = Some(shelves.begin()?);
            }
            let Some(writer) = &mut self.writer else { break };
            self.moved.insert(chunk, writer.put(&block)?);
            copied += u64::from(place.len);
            if writer.len() >= full_bytes {
                self.finish()?;
            }
        }
        Ok(())
    }

    /// Makes everything that was copied durable.
    ///
    /// # Errors
    /// When it cannot be: [`Compaction::abandon`] it.
    pub(super) fn finish(&mut self) -> Result<(), LogError> {
        if let Some(writer) = &mut self.writer {
            self.written.push(writer.finish()?);
            self.writer = None;
        }
        Ok(())
    }

    /// Returns the files that are durable.
    pub(super) fn written(&self) -> &[ChunkFile] {
        &self.written
    }

    /// Gives everything up that was copied, and removes the files.
    ///
    /// # Errors
    /// When one cannot be removed; then the next start does it.
    pub(super) fn abandon(self, shelves: &Shelves) -> Result<(), LogError> {
        shelves.abandon(&self.written)?;
        self.writer.map_or(Ok(()), ShelfWriter::abandon)
    }
}
