//! Runs what a caller wants done with a response in the background, and turns its panics into errors.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dragline_telemetry::labels::CallbackResult;
use serde::de::DeserializeOwned;

use super::call::{Call, Value};
use super::error::ErrorKind;
use super::in_process;
use super::response::{Ended, Response};
use crate::words::{panic_message, with_causes};

/// Why a callback has no value.
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
}

/// What is done with a fetch that ended, once.
pub(super) struct Callback {
    /// Whether it runs for a fetch without a response too.
    pub(super) always: bool,
    run: Run,
}

type Closure = Box<dyn FnOnce(&Arc<Call>) -> Result<Option<Value>, String> + Send>;

enum Run {
    /// On a thread of the executor.
    Closure(Closure),
    /// In a worker process of the executor; the second turns its JSON into the value.
    Function(Box<str>, fn(serde_json::Value) -> Result<Value, String>),
}

impl Callback {
    /// Calls `callback` with the response and keeps what it returns.
    pub(super) fn on_done<D, V>(callback: impl FnOnce(&Response<(), D>) -> V + Send + 'static) -> Self
    where
        D: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let run = move |call: &Arc<Call>| Ok(Some(Arc::new(callback(&Response::of(call))) as Value));
        Self { always: false, run: Run::Closure(Box::new(run)) }
    }

    /// As [`Callback::on_done`], for a callback that may fail.
    pub(super) fn try_on_done<D, V, E>(
        callback: impl FnOnce(&Response<(), D>) -> Result<V, E> + Send + 'static,
    ) -> Self
    where
        D: Send + Sync + 'static,
        V: Send + Sync + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let run = move |call: &Arc<Call>| callback(&Response::of(call)).map_err(told).map(kept);
        Self { always: false, run: Run::Closure(Box::new(run)) }
    }

    /// Calls `callback` however the fetch ended.
    pub(super) fn on_end<D, V, E>(callback: impl FnOnce(&Ended<D>) -> Result<V, E> + Send + 'static) -> Self
    where
        D: Send + Sync + 'static,
        V: Send + Sync + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let run = move |call: &Arc<Call>| callback(&Ended::of(call)).map_err(told).map(kept);
        Self { always: true, run: Run::Closure(Box::new(run)) }
    }

    /// Has a worker process call the function of that name.
    pub(super) fn in_process<V: DeserializeOwned + Send + Sync + 'static>(function: &str) -> Self {
        Self { always: false, run: Run::Function(function.into(), read::<V>) }
    }

    /// Runs it on the calling thread, which is one of the call's executor.
    pub(super) fn run(self, call: &Arc<Call>) -> Result<Option<Value>, Fault> {
        let clock = &call.hub.clock;
        let began = clock.now();
        let ran = match self.run {
            Run::Closure(run) => match catch_unwind(AssertUnwindSafe(|| run(call))) {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(message)) => Err(Fault { kind: ErrorKind::CallbackFailed, message }),
                Err(panic) => {
                    let message = format!("the callback panicked: {}", panic_message(&*panic));
                    Err(Fault { kind: ErrorKind::CallbackPanicked, message })
                }
            },
            Run::Function(name, into) => in_process::call(call, &name).and_then(|json| {
                let mismatch = |error| Fault {
                    kind: ErrorKind::ValueMismatch,
                    message: format!("the worker's function \"{name}\" answered something else: {error}"),
                };
                into(json).map(Some).map_err(mismatch)
            }),
        };
        let result = match &ran {
            Ok(_) => CallbackResult::Ok,
            Err(fault) => fault.kind.callback_result(),
        };
        let took = clock.now() - began;
        let was_given_up = call.state().has_ended();
        if let Some(telemetry) = call.hub.telemetry().filter(|_| !was_given_up) {
            telemetry.callback_ended(result, took);
        }
        tracing::debug!(
            target: "dragline::session",
            url = %call.hub.log_urls().show(&call.url),
            thread = std::thread::current().name(),
            result = result.name(),
            ?took,
            "callback ended"
        );
        ran
    }
}

/// Reads what a worker process answered.
fn read<V: DeserializeOwned + Send + Sync + 'static>(json: serde_json::Value) -> Result<Value, String> {
    let value: V = serde_json::from_value(json).map_err(|error| error.to_string())?;
    Ok(Arc::new(value))
}

fn kept<V: Send + Sync + 'static>(value: V) -> Option<Value> {
    Some(Arc::new(value))
}

fn told(error: impl Into<Box<dyn Error + Send + Sync>>) -> String {
    with_causes(&*error.into())
}
