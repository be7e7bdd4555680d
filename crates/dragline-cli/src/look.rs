//! Looks at a state folder for the commands that only read, whoever owns it.

use std::path::PathBuf;
use std::sync::Arc;

use dragline::config::{Origins, Plan};
use dragline::disk::{Disk, FileDisk};
use dragline::engine::Clock;
use dragline::frontier::history::{History, HistoryView};
use dragline::frontier::log::Log;
use dragline::frontier::{CommitBody, Inline, Inspected, LogError, Meta, OpenError, OpenOptions, inspect};

use crate::args::StateArgs;
use crate::config;
use crate::exit::{Exit, Fault};
use crate::state::{of_log, of_open};

/// A state folder that is looked at, with the configuration that is asked for now.
pub(crate) struct Look {
    pub(crate) plan: Plan,
    pub(crate) origins: Origins,
    pub(crate) dir: PathBuf,
    run: Option<Meta>,
    disk: Arc<dyn Disk>,
}

impl Look {
    /// Finds the run of the configuration's state folder, if it holds one.
    pub(crate) fn at(args: &StateArgs) -> Result<Self, Fault> {
        let (plan, origins) = config::of_state(args)?;
        let disk: Arc<dyn Disk> = Arc::new(FileDisk);
        let dir = plan.state_dir();
        let run = Meta::read(&*disk, &dir).map_err(of_log)?;
        Ok(Self { plan, origins, dir, run, disk })
    }

    /// Returns what is known of the run before it began.
    ///
    /// # Errors
    /// When the folder holds none.
    pub(crate) fn meta(&self) -> Result<&Meta, Fault> {
        self.run.as_ref().ok_or_else(|| {
            Fault::nothing_started(anyhow::anyhow!(
                "no crawl in {}: name the folder of its results (--out) or that of its state (--state)",
                self.dir.display()
            ))
        })
    }

    /// Whether the folder holds a run.
    pub(crate) const fn holds_run(&self) -> bool {
        self.run.is_some()
    }

    /// Returns what became of every URL until the last commit; `None` when there is none yet.
    pub(crate) fn history(&self) -> Result<Option<(CommitBody, HistoryView)>, Fault> {
        let run = self.meta()?.run;
        let found = Log::inspect(Arc::clone(&self.disk), &self.dir, run).map_err(of_log)?;
        let Some(commit) = found.commit else { return Ok(None) };
        let body =
            CommitBody::decode(&commit.body).ok_or(OpenError::Commit(commit.epoch)).map_err(of_open)?;
        let view = History::inspect(Arc::clone(&self.disk), &self.dir, run, body.history);
        Ok(Some((body, view)))
    }

    /// Returns a copy of the frontier as it was at its last commit; `None` when there is none yet. Takes as much memory as
    /// the crawl itself.
    pub(crate) fn frontier(&self) -> Result<Option<Inspected>, Fault> {
        let now = Clock::start().wall_start();
        let (meta, rules) = (self.meta()?, self.plan.rules.clone());
        let options = OpenOptions::new(rules, meta.run, meta.seed, now, Arc::new(Inline));
        inspect(&self.disk, &self.dir, &options).map_err(of_open)
    }

    /// Returns the bytes of the folder's files.
    pub(crate) fn bytes(&self) -> Result<u64, Fault> {
        let failed = |source| of_log(LogError::from_io(&self.dir, "read", source));
        let mut bytes = 0;
        for path in self.disk.list(&self.dir).map_err(failed)? {
            // One that its owner removed meanwhile counts for nothing.
            bytes += std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        }
        Ok(bytes)
    }
}

/// Says that an entry of the history cannot be read.
pub(crate) fn unreadable(look: &Look, number: u64) -> Fault {
    Fault::new(
        Exit::Storage,
        anyhow::anyhow!(
            "entry {number} of the history in {} cannot be read: use the version that wrote it",
            look.dir.display()
        ),
    )
}
