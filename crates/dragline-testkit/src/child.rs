//! Ends a child process when the test that started it is over, however it ends.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::wait::wait_until;

/// A child process that is killed, by its own id, and waited for on drop.
#[derive(Debug)]
pub struct ChildGuard(Child);

impl ChildGuard {
    /// Starts a program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Returns the child, for its pipes and its id.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits for it to end; `None` when `deadline` passes first.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn wait(&mut self, deadline: Duration) -> io::Result<Option<ExitStatus>> {
        let mut ended = Ok(None);
        wait_until(deadline, || {
            ended = self.0.try_wait();
            !matches!(ended, Ok(None))
        });
        ended
    }

    /// Kills it at once (on Unix: SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// When the system cannot kill or wait for it.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.0.kill()?;
        self.0.wait()
    }
}

impl From<Child> for ChildGuard {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // One that has ended is not killed again: its id may be somebody else's by now.
        if matches!(self.0.try_wait(), Ok(None)) {
            drop(self.kill());
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> ChildGuard {
        ChildGuard::start(Command::new("/bin/sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_child_that_ends_gives_its_status() {
        let status = shell("exit 3").wait(Duration::from_secs(20)).unwrap();
        assert_eq!(status.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn a_dropped_guard_leaves_no_process_behind() {
        let mut guard = shell("exec sleep 1000");
        assert!(guard.wait(Duration::ZERO).unwrap().is_none());
        let id = guard.child().id().to_string();
        drop(guard);
        let asked = Command::new("/bin/sh").args(["-c", "kill -0 $0 2>/dev/null", &id]).status().unwrap();
        assert!(!asked.success(), "process {id} is gone");
    }
}
