//! Writes a shelf file, a chunk at a time.

use std::path::Path;
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::choose::ChunkFile;
use crate::error::LogError;
use crate::file::{BlockWriter, FileKind, Header};
use crate::log::{Block, BlockFile, Place};

/// A shelf file that is being written. It is nothing until it is finished and a snapshot that names it is named: one that
/// is left behind is removed by the next start.
#[derive(Debug)]
pub(crate) struct ShelfWriter {
    run: RunId,
    number: u32,
    file: BlockWriter,
}

impl ShelfWriter {
    /// Begins a file under a number that none has.
    ///
    /// # Errors
    /// When there is such a file, or it cannot be created.
    pub(crate) fn create(disk: Arc<dyn Disk>, dir: &Path, run: RunId, number: u32) -> Result<Self, LogError> {
        let shelf = BlockFile::Shelf(number);
        let header = Header { kind: FileKind::Shelf, run, number: number.into(), first: 0, epoch: 0 };
        let file = BlockWriter::create(disk, dir.to_owned(), shelf.path(dir), header)?;
        Ok(Self { run, number, file })
    }

    /// Returns how long the file will be.
    pub(crate) fn len(&self) -> u64 {
        self.file.at()
    }

    /// Adds a chunk, in the block that it stands in elsewhere; returns its place here.
    ///
    /// # Errors
    /// When it cannot be written: [`ShelfWriter::abandon`] the file.
    pub(crate) fn put(&mut self, block: &Block) -> Result<Place, LogError> {
        let header = block.header(self.run)?;
        let place = Place::of(BlockFile::Shelf(self.number), self.file.at(), header);
        self.file.put(header, &block.payload)?;
        Ok(place)
    }

    /// Makes the file durable. Until a snapshot that names it is named, it is no more than before.
    ///
    /// # Errors
    /// When it cannot be written or synced: [`ShelfWriter::abandon`] it.
    pub(crate) fn finish(&mut self) -> Result<ChunkFile, LogError> {
        self.file.finish()?;
        Ok(ChunkFile { file: BlockFile::Shelf(self.number), bytes: self.file.at() })
    }

    /// Gives the file up and removes it.
    ///
    /// # Errors
    /// When it cannot be removed; then the next start does it.
    pub(crate) fn abandon(self) -> Result<(), LogError> {
        self.file.abandon()
    }
}
