//! Hears SIGINT and SIGTERM beside the crawl, to tell people what they do.

use std::io;

use actix_rt::signal::unix::{Signal, SignalKind, signal};

use crate::progress::Bar;

/// Both signals, from the moment they are listened to.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens; must be called within an actix system.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for either; one that came since this listens counts.
    pub(crate) async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let interrupted = self.interrupt.poll_recv(context).is_ready();
            if interrupted || self.terminate.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(());
            }
            std::task::Poll::Pending
        })
        .await;
    }

    /// Says at the first signal what goes on, and what a second does.
    pub(crate) async fn announce(mut self, bar: Bar) {
        self.next().await;
        bar.tell("finishing what is in flight; ^C again stops at once");
    }
}
