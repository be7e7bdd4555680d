//! Runs the lanes of a session on one arbiter, as many as are wanted.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use dragline_core::Outcome;
use dragline_core::auth::Keyring;
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::{FetchResponse, Phase};

use super::call::Call;
use super::error::SessionError;
use super::hub::Hub;
use crate::follow::{Followed, Follower};
use crate::spawn::Tasks;

/// What requests have that name none of their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) cookies: Option<Arc<CookieJar>>,
    pub(super) keyring: Option<Arc<Keyring>>,
}

/// Carries out what is started, until nothing more will be; lanes are tasks of the calling arbiter.
///
/// # Cancel safety
/// Dropping it ends its lanes; what they ran ends `crashed`.
pub(super) async fn serve(hub: Arc<Hub>, follower: Follower, standing: Standing) {
    let mut lanes = Tasks::default();
    let mut started = 0;
    loop {
        let errand = poll_fn(|cx| hub.poll_errand(started, cx)).await;
        for lane in errand.start.clone() {
            lanes.spawn(run_lane(Arc::clone(&hub), follower.clone(), standing.clone(), lane));
        }
        started = errand.start.end;
        if errand.is_over {
            return;
        }
    }
}

/// Runs one call after the other.
async fn run_lane(hub: Arc<Hub>, follower: Follower, standing: Standing, lane: usize) {
    while let Some(call) = hub.next(lane).await {
        let held = Held { hub: &hub, lane, call: &call, is_over: false };
        run(held, &follower, &standing).await;
    }
}

/// A call that a lane has taken: whatever becomes of the lane, the call ends.
struct Held<'a> {
    hub: &'a Hub,
    lane: usize,
    call: &'a Arc<Call>,
    is_over: bool,
}

impl Held<'_> {
    fn end(mut self, followed: Followed) {
        self.is_over = true;
        self.call.end_fetch(judge(self.call, followed));
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let message = "the thread that ran it ended before it";
            let response = FetchResponse::failed(Outcome::Crashed, Phase::Queue, message);
            let error = SessionError::fetch(&self.call.url, Outcome::Crashed, None, response.error.as_ref());
            self.call.end_fetch(Err(error.started_at(self.call.place)));
        }
        self.hub.free(self.lane, self.call);
    }
}

async fn run(mut held: Held<'_>, follower: &Follower, standing: &Standing) {
    let Some(order) = held.call.begin() else {
        held.is_over = true;
        return;
    };
    let call = held.call;
    let mut request = order.request;
    request.cookies = request.cookies.or_else(|| standing.cookies.clone());
    request.keyring = request.keyring.or_else(|| standing.keyring.clone());
    let mut fetching = pin!(follower.fetch_after(request, order.options, held.hub.clock.now() - order.began));
    let followed = poll_fn(|cx| {
        if call.poll_cancelled(cx).is_ready() {
            return Poll::Ready(None);
        }
        fetching.as_mut().poll(cx).map(Some)
    });
    match followed.await {
        Some(followed) => held.end(followed),
        None => held.is_over = true,
    }
}

/// Decides whether what came back is a response: one with a status is, whatever the status.
fn judge(call: &Call, followed: Followed) -> Result<Box<Followed>, SessionError> {
    let response = &followed.response;
    if response.outcome.has_response() {
        return Ok(Box::new(followed));
    }
    let error = SessionError::fetch(&call.url, response.outcome, response.status, response.error.as_ref());
    Err(error.started_at(call.place))
}
