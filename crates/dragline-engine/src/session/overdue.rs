//! Ends the calls whose deadline passes before a lane has taken them, whatever becomes of the lanes.

use std::future::poll_fn;
use std::sync::Arc;

use super::call::Call;
use super::hub::Hub;

/// Watches the deadlines of those who wait, for ever. The thread of the lanes may be busy or gone, so that a crawl does
/// this on another.
///
/// # Cancel safety
/// Dropping it leaves those who wait to the next that watches them.
pub(super) async fn watch(hub: Arc<Hub>) {
    let mut asleep_until = None;
    loop {
        let next = poll_fn(|cx| hub.poll_overdue(asleep_until, hub.clock.now(), cx));
        let overdue = match asleep_until {
            None => next.await,
            Some(at) => match tokio::time::timeout(at - hub.clock.now(), next).await {
                Ok(overdue) => overdue,
                Err(_) => {
                    asleep_until = None;
                    continue;
                }
            },
        };
        overdue.expired.iter().for_each(Call::expire);
        asleep_until = overdue.wake_at;
    }
}
