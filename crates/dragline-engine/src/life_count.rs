//! Counts the lives of a run in its state folder, where those count too that are killed before their first commit.

use std::path::PathBuf;
use std::sync::Arc;

use dragline_disk::Disk;
use dragline_frontier::{LogError, Meta};

/// The count of a run's lives, kept with what is known of the run.
#[derive(Debug)]
pub struct LifeCount {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    meta: Meta,
}

impl LifeCount {
    /// Keeps the count in a state folder, with what is known of the run that it holds.
    pub const fn new(disk: Arc<dyn Disk>, dir: PathBuf, meta: Meta) -> Self {
        Self { disk, dir, meta }
    }

    /// Returns how many lives were noted.
    pub(crate) const fn lives(&self) -> u32 {
        self.meta.lives
    }

    /// Notes that so many lives have begun, durable when it returns. Without space nothing is noted: no start is refused
    /// for a number.
    ///
    /// # Errors
    /// When the folder cannot be written for another reason.
    pub(crate) fn note(mut self, lives: u32) -> Result<(), LogError> {
        self.meta.lives = lives;
        match self.meta.write(&*self.disk, &self.dir) {
            Err(error) if error.may_retry() => {
                tracing::warn!(target: "dragline::frontier", %error, lives, "this life was not noted");
                Ok(())
            }
            written => written,
        }
    }
}
