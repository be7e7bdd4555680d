//! Ends a fetch when the limit of its phase or its deadline passes; one timer per fetch, armed again only when it fires.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};

use dragline_core::fetch::Phase;

use crate::clock;
use crate::transcript::{Passed, Scope, Transcript};

/// Runs the work of a fetch with its transcript as the current one.
///
/// # Errors
/// The limit that passed, and the phase in which.
///
/// # Cancel safety
/// Dropping the future drops the work.
pub(crate) async fn watched<F: Future>(
    transcript: &Rc<Transcript>,
    mut work: Pin<&mut F>,
) -> Result<F::Output, (Passed, Phase)> {
    let mut timer = pin!(tokio::time::sleep_until(transcript.due().unwrap_or_else(clock::now)));
    let mut received = 0;
    let mut is_first = true;
    std::future::poll_fn(move |cx| {
        // The clock is read once a poll: what one poll notes happened together. The first one follows the call.
        if !std::mem::take(&mut is_first) {
            transcript.now.set(clock::now());
        }
        {
            let _scope = Scope::enter(transcript);
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
        }
        if transcript.phase() == Phase::Body && received != transcript.received.get() {
            received = transcript.received.get();
            transcript.enter_phase(Phase::Body, transcript.now.get());
        }
        loop {
            // While the clocks stand still nothing can run out; whoever lets them run again wakes this task.
            let Some(due) = transcript.due() else { return Poll::Pending };
            if due < timer.deadline() {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            if let Some(passed) = transcript.passed(clock::now()) {
                return Poll::Ready(Err((passed, transcript.phase())));
            }
            if let Some(due) = transcript.due() {
                timer.as_mut().reset(due);
            }
        }
    })
    .await
}
