//! Gives sealed files their final names, compressed if they shall be, so that a kill at any moment can be made up for.

use std::path::{Path, PathBuf};

use dragline_core::frontier::{Epoch, RunId};

use super::compress::{Compression, compress};
use super::life::Life;
use super::position::{OpenAt, SealedAt};
use super::shape::Shape;
use crate::error::SinkError;

/// A file that a mark calls sealed.
#[derive(Debug)]
pub(super) struct Sealed {
    at: SealedAt,
    /// The epoch whose mark called it so first.
    epoch: Epoch,
    /// Whether it has its final name, which may not be durable yet.
    named: bool,
}

impl Sealed {
    /// Seals a file that was synced.
    pub(super) const fn new(at: OpenAt, compress: Option<Compression>, epoch: Epoch) -> Self {
        let OpenAt { number, bytes, rows, since_micros: _ } = at;
        Self { at: SealedAt { number, compress, bytes, rows }, epoch, named: false }
    }

    /// Takes up a file that a durable mark calls sealed.
    pub(super) const fn found(at: SealedAt, named: bool) -> Self {
        Self { at, epoch: Epoch(0), named }
    }

    pub(super) const fn at(&self) -> SealedAt {
        self.at
    }

    fn open_path(&self, shape: &Shape, run: RunId) -> PathBuf {
        shape.names.open(self.at.number, run)
    }

    /// Gives it its final name. Nobody's file is replaced.
    fn name(&mut self, shape: &Shape, run: RunId) -> Result<(), SinkError> {
        if self.named {
            return Ok(());
        }
        let finished = shape.names.finished(self.at.number, self.at.compress);
        if shape.shelf.len_if_there(&finished)?.is_some() {
            return Err(SinkError::InTheWay { path: finished });
        }
        let open = self.open_path(shape, run);
        match self.at.compress {
            None => shape.shelf.rename(&open, &finished)?,
            Some(how) => {
                let part = shape.names.compressing(self.at.number, how, run);
                self.compress(shape, how, &open, &part)?;
                shape.shelf.rename(&part, &finished)?;
            }
        }
        self.named = true;
        Ok(())
    }

    fn compress(&self, shape: &Shape, how: Compression, open: &Path, part: &Path) -> Result<(), SinkError> {
        // A try whose rename had no space has left it.
        shape.shelf.remove_if_there(part)?;
        let done = compress(&shape.shelf, how, open, self.at.bytes, part);
        if done.is_err() {
            // It may be what took the last space. When it cannot be removed either, the next try or rewind does it.
            drop(shape.shelf.remove_if_there(part));
        }
        done
    }
}

impl Life {
    /// Publishes what was sealed by this epoch: renamed, the folder synced, and only then forgotten.
    pub(super) fn publish(&mut self, shape: &Shape, epoch: Epoch) -> Result<(), SinkError> {
        let due = self.sealed.iter().take_while(|sealed| sealed.epoch <= epoch).count();
        if due == 0 {
            return Ok(());
        }
        let (run, dir) = (self.run, shape.names.dir());
        self.sealed.iter_mut().take(due).try_for_each(|sealed| sealed.name(shape, run))?;
        shape.shelf.sync_dir(dir)?;
        // The plain file of a compressed one stands until nothing can take the other away any more.
        let mut removed = false;
        for sealed in self.sealed.iter().take(due) {
            removed |= shape.shelf.remove_if_there(&sealed.open_path(shape, run))?;
        }
        if removed {
            shape.shelf.sync_dir(dir)?;
        }
        self.sealed.drain(..due);
        Ok(())
    }
}
