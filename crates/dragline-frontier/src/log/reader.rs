//! Reads single blocks back by their places, from segments and shelf files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use dragline_core::frontier::RunId;
use dragline_disk::{Disk, DiskFile, Open};

use super::place::{Block, BlockFile, Place};
use crate::error::LogError;
use crate::file::{BLOCK_HEADER_BYTES, BlockHeader, PAYLOAD_BYTES_MAX};

/// Files that are kept open for reading.
const OPEN_FILES_MAX: usize = 8;

/// Reads blocks by their places, from any thread; clones share what they keep open.
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    run: RunId,
    /// Those read last, at the end; at most [`OPEN_FILES_MAX`].
    open: Mutex<Vec<(BlockFile, Box<dyn DiskFile>)>>,
}

impl LogReader {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, run: RunId) -> Self {
        Self { shared: Arc::new(Shared { disk, dir, run, open: Mutex::new(Vec::new()) }) }
    }

    /// Reads the block that stands at a place returned by [`Log::append`](super::Log::append) or a replay.
    ///
    /// # Errors
    /// When the file was removed or cannot be read, or its bytes are no longer those that were written.
    pub fn read(&self, place: Place) -> Result<Block, LogError> {
        let path = place.file.path(&self.shared.dir);
        let damaged = |what| LogError::damaged(&path, place.offset, what);
        let len = usize::try_from(place.len).unwrap_or(usize::MAX);
        if len < BLOCK_HEADER_BYTES || len - BLOCK_HEADER_BYTES > PAYLOAD_BYTES_MAX as usize {
            return Err(damaged("no block has this length"));
        }
        let mut bytes = vec![0; len];
        let read = self.shared.read_at(place, &mut bytes);
        if read.map_err(|source| LogError::from_io(&path, "read", source))? < len {
            return Err(damaged("the file ends inside a block"));
        }
        let header = BlockHeader::decode(&bytes).ok_or(damaged("no block begins here"))?;
        let payload = bytes.split_off(BLOCK_HEADER_BYTES);
        if !header.holds(self.shared.run, &payload) {
            return Err(damaged("a block with a bad checksum"));
        }
        Ok(Block { kind: header.kind, first: header.first, count: header.count, payload })
    }

    /// Returns the path of the file of a place.
    pub(crate) fn path(&self, place: Place) -> PathBuf {
        place.file.path(&self.shared.dir)
    }

    /// Closes a file that was removed: as long as it is open its space is not free. Afterwards, because somebody may
    /// read of it until it is gone, and would open it again.
    pub(crate) fn close(&self, file: BlockFile) {
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(open, _)| *open != file);
    }
}

impl Shared {
    fn read_at(&self, place: Place, bytes: &mut [u8]) -> std::io::Result<usize> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match open.iter().position(|(file, _)| *file == place.file) {
            Some(at) => open.remove(at).1,
            None => self.disk.open(&place.file.path(&self.dir), Open::Read)?,
        };
        let read = file.read_at(place.offset, bytes);
        open.push((place.file, file));
        if open.len() > OPEN_FILES_MAX {
            open.remove(0);
        }
        read
    }
}
