//! Owns a worker's child from its start until it was waited for, so that nobody ever kills a stranger by its id.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use super::serve::MARKER;
use super::worker::WorkerOptions;

/// Ends one call of a worker from any thread: the next call after it was made.
///
/// That call ends with [`WorkerError::Killed`](super::WorkerError::Killed), at once if it has begun, before it begins
/// if not. When it has ended, nothing happens: a killer that comes late never hits a later call.
#[derive(Clone)]
pub struct Killer {
    life: Life,
    call: u64,
}

/// What a worker and its killers share.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    child: Option<Started>,
    /// The call that runs, or the last that did.
    begun: u64,
    /// The last call that ended.
    ended: u64,
    /// The last call that was killed.
    killed: u64,
}

/// A child that was not waited for yet, so that its id is its own.
struct Started {
    child: Child,
    stream: Arc<UnixStream>,
}

impl Killer {
    /// Kills the worker's process when it runs this call, and keeps the call from beginning when it has not begun.
    pub fn kill(&self) {
        let mut state = self.life.lock();
        if self.call <= state.ended {
            return;
        }
        state.killed = self.call;
        if state.begun == self.call
            && let Some(started) = &state.child
        {
            started.kill();
        }
    }
}

impl Life {
    /// Returns a killer of the next call.
    pub(crate) fn killer(&self) -> Killer {
        Killer { life: self.clone(), call: self.lock().begun + 1 }
    }

    /// Begins the next call; says whether it was killed before.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.lock();
        state.begun += 1;
        state.killed == state.begun
    }

    /// Ends the call that runs; says whether it was killed.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.lock();
        state.ended = state.begun;
        state.killed == state.begun
    }

    /// Starts a child; returns the end of the line to it, which does not block.
    ///
    /// # Errors
    /// When the system does not start it, or cannot limit its memory; then nothing runs.
    pub(crate) fn start(&self, program: &Path, options: &WorkerOptions) -> io::Result<Arc<UnixStream>> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(program);
        command
            .args(&options.args)
            .arg(MARKER)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?))
            // A terminal's ^C is for the parent to answer, and what the child starts can be killed with it.
            .process_group(0);
        let started = Started { child: command.spawn()?, stream: Arc::new(ours) };
        // The command holds the child's end, which would keep the line open after the child's death.
        drop(command);
        let limited = options.memory_bytes_max.map_or(Ok(()), |bytes| limit_memory(&started.child, bytes));
        if let Err(error) = limited {
            started.wait();
            return Err(error);
        }
        let mut state = self.lock();
        if state.killed == state.begun {
            started.kill();
        }
        let stream = Arc::clone(&started.stream);
        state.child = Some(started);
        Ok(stream)
    }

    /// Kills the child with all it started, and waits for it; returns how it ended, by its own doing if that was earlier.
    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        let started = self.lock().child.take();
        // Nobody else can kill it now, and a killer must not wait for its end.
        started.and_then(Started::wait)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Started {
    fn kill(&self) {
        // It fails when all are gone. A line that one of them holds still open ends here all the same.
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).ok();
        self.stream.shutdown(Shutdown::Both).ok();
    }

    fn wait(mut self) -> Option<ExitStatus> {
        self.kill();
        self.child.wait().ok()
    }
}

/// Bounds the memory that a child may write to and share with nobody; beyond it an allocation fails, which aborts a
/// Rust program.
#[cfg(target_os = "linux")]
fn limit_memory(child: &Child, bytes_max: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

    let inherited = getrlimit(Resource::Data).maximum;
    let most = Some(inherited.map_or(bytes_max, |inherited| inherited.min(bytes_max)));
    prlimit(Some(Pid::from_child(child)), Resource::Data, Rlimit { current: most, maximum: most })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_: &Child, _: u64) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "the memory of a process is limited on Linux only"))
}

impl fmt::Debug for Killer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Killer").field("call", &self.call).finish_non_exhaustive()
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let child = self.lock().child.as_ref().map(|started| started.child.id());
        f.debug_struct("Life").field("child", &child).finish_non_exhaustive()
    }
}
