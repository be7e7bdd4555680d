//! Serves calls in a worker process until its parent is gone.
//!
//! One thread reads, the main thread runs functions: so the end of the input is seen in the middle of a function too.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};
use rustix::stdio::dup2_stdin;

use super::frame::{Frame, FrameReader};
use super::registry::Functions;
use crate::spawn;

/// The last argument of every worker process. An argument and no variable: what a function starts must not inherit it.
pub(crate) const MARKER: &str = "dragline-worker-process";

impl Functions {
    /// Serves and ends the process when it was started as a worker process; else returns at once.
    ///
    /// It is to be the first thing in `main`: what stands before it is done in each worker process too. Functions run
    /// on the calling thread. What they print goes to the parent's stderr, and their stdin is empty. The process ends at
    /// once when its parent is gone or has had enough of it: in the middle of a function, and with everything that the
    /// function started.
    pub fn serve_if_asked(self) {
        let Some(parent) = asked() else { return };
        // An error is told by the code: nobody has set up logs here, and the parent sees that there is no hello.
        let served = serve(&self, parent);
        std::process::exit(i32::from(served.is_err()))
    }
}

/// Returns the line to the parent when this is a worker process: it has the marker, and its stdin is a socket.
fn asked() -> Option<UnixStream> {
    if std::env::args_os().next_back()? != MARKER {
        return None;
    }
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let is_socket = stdin.metadata().ok()?.file_type().is_socket();
    is_socket.then(|| UnixStream::from(OwnedFd::from(stdin)))
}

fn serve(functions: &Functions, mut parent: UnixStream) -> io::Result<()> {
    // Whoever reads stdin or inherits it must not get at the line.
    let (empty, _) = io::pipe()?;
    dup2_stdin(&empty)?;
    parent.write_all(&functions.hello())?;
    let unanswered = Arc::new(AtomicUsize::new(0));
    // A parent waits for each answer, so that there is never a second call.
    let (sender, calls) = sync_channel(1);
    let (reader, counted) = (parent.try_clone()?, Arc::clone(&unanswered));
    spawn::thread_of_process("dragline-calls", move || {
        read_calls(reader, &sender, &counted);
        if counted.load(Ordering::Acquire) > 0 {
            end_at_once();
        }
    })?;
    for call in calls {
        parent.write_all(&functions.answer(&call))?;
        unanswered.fetch_sub(1, Ordering::AcqRel);
    }
    Ok(())
}

/// Reads until there is nothing more or nothing sensible.
fn read_calls(mut parent: UnixStream, calls: &SyncSender<Frame>, unanswered: &AtomicUsize) {
    let mut frames = FrameReader::of_parent();
    loop {
        match parent.read(frames.room()) {
            Ok(bytes) if bytes > 0 => match frames.came(bytes) {
                Ok(None) => {}
                Ok(Some(call)) => {
                    unanswered.fetch_add(1, Ordering::AcqRel);
                    if calls.send(call).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Ends without running anything more of this process: a function is in the middle of its work.
fn end_at_once() {
    let alone = getpgrp() == getpid();
    // Nothing can be done about an error, and the parent kills us too.
    if alone { kill_current_process_group(Signal::KILL) } else { kill_process(getpid(), Signal::KILL) }.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_nobody_asked_goes_on() {
        Functions::new().serve_if_asked();
    }
}
