//! Writes a file of blocks from its header to its end, in large pieces.

use std::path::PathBuf;
use std::sync::Arc;

use dragline_disk::Disk;

use super::block::BlockHeader;
use super::header::Header;
use super::pieces::PIECE_BYTES;
use super::tail::Tail;
use crate::error::LogError;

/// A file that is nothing until it is finished and somebody names it.
#[derive(Debug)]
pub(crate) struct BlockWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    tail: Tail,
    /// What is not yet written: at most a piece, but for a large payload.
    piece: Vec<u8>,
    /// Set by a failed write: any part of it may be in the file.
    is_torn: bool,
}

impl BlockWriter {
    /// Begins a file in a folder.
    ///
    /// # Errors
    /// When there is such a file, or it cannot be created.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        path: PathBuf,
        header: Header,
    ) -> Result<Self, LogError> {
        let tail = Tail::create(&*disk, path)?;
        Ok(Self { disk, dir, tail, piece: header.encode().to_vec(), is_torn: false })
    }

    /// Returns where in the file the next block goes.
    pub(crate) fn at(&self) -> u64 {
        self.tail.len() + self.piece.len() as u64
    }

    /// Adds a block.
    ///
    /// # Errors
    /// When it cannot be written, now or in an earlier call: [`BlockWriter::abandon`] the file.
    pub(crate) fn put(&mut self, header: BlockHeader, payload: &[u8]) -> Result<(), LogError> {
        self.is_whole()?;
        self.piece.extend_from_slice(&header.encode());
        self.piece.extend_from_slice(payload);
        if self.piece.len() >= PIECE_BYTES { self.write_out() } else { Ok(()) }
    }

    /// Makes the file and its name durable.
    ///
    /// # Errors
    /// When something of it cannot be written or synced, or could not in an earlier call.
    pub(crate) fn finish(&mut self) -> Result<(), LogError> {
        self.is_whole()?;
        self.write_out()?;
        self.tail.sync()?;
        self.disk.sync_dir(&self.dir).map_err(|source| LogError::sync(&self.dir, source))
    }

    /// Gives the file up and removes it.
    ///
    /// # Errors
    /// When it cannot be removed; then the next start does it.
    pub(crate) fn abandon(self) -> Result<(), LogError> {
        let path = self.tail.path();
        self.disk.remove(path).map_err(|source| LogError::from_io(path, "remove", source))
    }

    fn is_whole(&self) -> Result<(), LogError> {
        if self.is_torn { Err(LogError::Poisoned { path: self.tail.path().to_owned() }) } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<(), LogError> {
        let written = self.tail.append(&self.piece);
        self.is_torn |= written.is_err();
        self.piece.clear();
        written
    }
}
