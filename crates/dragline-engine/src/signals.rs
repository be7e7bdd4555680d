//! Hears the signals that ask a crawl to end, and outlives the one that is sent at a limit of file sizes.

use std::io;

use rustix::process::Signal as SystemSignal;
use tokio::signal::unix::{SignalKind, signal};

use crate::control::{Control, Signal};
use crate::messages::Interrupt;
use crate::post::Post;

/// Lets this process outlive SIGXFSZ: a write beyond a limit of file sizes (`ulimit -f`) then fails, and says which file,
/// where it would have killed the process. Holds for the rest of the process's life.
///
/// [`CrawlBuilder::handle_signals`](crate::CrawlBuilder::handle_signals) does it when the crawl starts; call it before
/// a state folder is opened.
///
/// # Errors
/// When the system refuses.
///
/// # Panics
/// When called outside a tokio runtime, such as that of an actix system.
pub fn outlive_file_size_limits() -> io::Result<()> {
    // Once somebody listened, the signal has a handler for good, although nobody listens any more.
    signal(SignalKind::from_raw(SystemSignal::XFSZ.as_raw())).map(drop)
}

/// Turns SIGINT and SIGTERM into messages, for as long as the crawl runs.
pub(crate) async fn listen_for_signals(control: Post<Control>) {
    let listeners =
        signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::warn!(target: "dragline::actor", %error, "signals cannot be heard: stopping will not be graceful");
            return;
        }
    };
    loop {
        let arrived = tokio::select! {
            biased;
            Some(()) = interrupt.recv() => Signal::Interrupt,
            Some(()) = terminate.recv() => Signal::Terminate,
            else => return,
        };
        control.send(Interrupt(arrived));
    }
}
