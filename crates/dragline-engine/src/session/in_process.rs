//! Calls functions in the worker process of an executor's thread, with the response of a fetch.

use std::cell::RefCell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::callback::Fault;
use super::error::ErrorKind;
use crate::follow::Followed;
use crate::process::{ProcessWorker, WorkerError, WorkerOptions};
use crate::words::with_causes;

thread_local! {
    /// The worker of this thread, when its executor has some.
    static WORKER: RefCell<Option<ProcessWorker>> = const { RefCell::new(None) };
}

/// What a function in a worker process is told of a response, as the head of its input; the body is the decoded one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHead {
    /// What was fetched last.
    pub url: String,
    /// The status.
    pub status: u16,
    /// The fields in the order received; what is no UTF-8 in a value is replaced.
    pub headers: Vec<(String, String)>,
    /// The URLs whose redirects led there, oldest first.
    pub redirects: Vec<String>,
}

impl ResponseHead {
    fn of(followed: &Followed) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = followed.response.headers.iter();
        Self {
            url: followed.url.as_str().to_owned(),
            status: followed.response.status.unwrap_or_default(),
            headers: headers.map(|(name, value)| (text(name), text(value))).collect(),
            redirects: followed.chain.iter().map(|url| url.as_str().to_owned()).collect(),
        }
    }

    /// Returns the first value of a field; names are compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Gives the calling thread a worker process, which is started by its first call and ended with what is returned.
pub(super) fn equip(options: WorkerOptions) -> Equipment {
    WORKER.set(Some(ProcessWorker::new(options)));
    Equipment
}

/// Ends the worker process of a thread before the thread's own values go, which its end still needs.
pub(super) struct Equipment;

impl Drop for Equipment {
    fn drop(&mut self) {
        drop(WORKER.take());
    }
}

/// Has the thread's worker process call a function with the response of a call.
///
/// # Errors
/// When the executor has no processes, or the function or its process failed.
pub(super) fn call(call: &Arc<Call>, function: &str) -> Result<serde_json::Value, Fault> {
    let fault = |kind, message| Fault { kind, message };
    let Some(Ok(followed)) = call.answer() else {
        return Err(fault(ErrorKind::WorkerFailed, "there is no response to work on".to_owned()));
    };
    let head = serde_json::to_vec(&ResponseHead::of(followed));
    let head = head.map_err(|error| fault(ErrorKind::WorkerFailed, error.to_string()))?;
    // Taken out, so that what is called never finds it borrowed.
    let Some(mut worker) = WORKER.take() else {
        let message = format!(
            "the session's executor has no worker processes to call \"{function}\" in: give it Executor::processes"
        );
        return Err(fault(ErrorKind::WorkerFailed, message));
    };
    call.note_killer(Some(worker.killer()));
    let answer = worker.call(function, &head, &followed.response.body);
    call.note_killer(None);
    WORKER.set(Some(worker));
    answer.map_err(|error| {
        let kind = match error {
            WorkerError::Failed(_) => ErrorKind::CallbackFailed,
            WorkerError::Panicked(_) => ErrorKind::CallbackPanicked,
            WorkerError::TimedOut(_) => ErrorKind::CallbackTimedOut,
            _ => ErrorKind::WorkerFailed,
        };
        fault(kind, format!("function \"{function}\": {}", with_causes(&error)))
    })
}
