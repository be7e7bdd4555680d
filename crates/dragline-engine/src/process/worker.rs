//! Calls functions in a worker process, and replaces the process when it fails.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::error::{Part, WorkerError};
use super::frame::{ANSWER_BYTES_MAX, BODY_BYTES_MAX, Frame, HEAD_BYTES_MAX, Header, Kind};
use super::life::{Killer, Life};
use super::line::{Broken, Line};

/// How long a dropped worker lets its process end by itself.
const GRACE: Duration = Duration::from_millis(250);

/// How worker processes are started, and what each call may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerOptions {
    /// The program; `None` for the one that runs.
    pub program: Option<PathBuf>,
    /// Its arguments; one more is added at their end, by which it knows what it is.
    pub args: Vec<OsString>,
    /// How much memory a process may allocate: `RLIMIT_DATA`, which counts code's data and stacks of threads too.
    pub memory_bytes_max: Option<u64>,
    /// How long an answer may be, in bytes of JSON; at most [`ANSWER_BYTES_MAX`].
    pub answer_bytes_max: usize,
    /// How long a call may take, from sending it until its answer has come.
    pub call_timeout: Duration,
    /// How long a process may take from its start to its hello.
    pub start_timeout: Duration,
}

/// One worker process at a time, started by the first call and again by the call after its end.
#[derive(Debug)]
pub struct ProcessWorker {
    options: WorkerOptions,
    life: Life,
    running: Option<Running>,
    starts: u64,
    calls: u64,
}

/// A child that said hello.
#[derive(Debug)]
struct Running {
    line: Line,
    functions: Vec<String>,
}

impl Default for WorkerOptions {
    /// This program, no limit of memory, answers of 16 MiB, 30 s for a call and 10 s for a start.
    fn default() -> Self {
        Self {
            program: None,
            args: Vec::new(),
            memory_bytes_max: None,
            answer_bytes_max: 16 << 20,
            call_timeout: Duration::from_secs(30),
            start_timeout: Duration::from_secs(10),
        }
    }
}

impl ProcessWorker {
    /// Makes a worker; nothing is started yet.
    pub fn new(options: WorkerOptions) -> Self {
        let answer_bytes_max = options.answer_bytes_max.min(ANSWER_BYTES_MAX);
        let options = WorkerOptions { answer_bytes_max, ..options };
        Self { options, life: Life::default(), running: None, starts: 0, calls: 0 }
    }

    /// Runs a function in the process, and returns its value. The head is JSON, which only the function reads.
    ///
    /// Blocks the thread until the answer has come: as long as the two timeouts together at most.
    ///
    /// # Errors
    /// Each says what became of the process; the next call starts one when none is left.
    pub fn call(&mut self, function: &str, head_json: &[u8], body: &[u8]) -> Result<Value, WorkerError> {
        let killed_early = self.life.begin();
        let called =
            if killed_early { Err(WorkerError::Killed) } else { self.try_call(function, head_json, body) };
        let killed = self.life.end();
        if killed && !killed_early {
            self.running = None;
            self.life.reap();
        }
        if killed { Err(WorkerError::Killed) } else { called }
    }

    /// Returns a handle that can end the next call from another thread.
    pub fn killer(&self) -> Killer {
        self.life.killer()
    }

    /// Returns how many processes were started so far: all but the first replaced another.
    pub const fn starts(&self) -> u64 {
        self.starts
    }

    /// Keeps the process only when it gave an answer that was due.
    fn try_call(&mut self, function: &str, head: &[u8], body: &[u8]) -> Result<Value, WorkerError> {
        let sizes = [(Part::Head, head.len(), HEAD_BYTES_MAX), (Part::Body, body.len(), BODY_BYTES_MAX)];
        for (part, bytes, bytes_max) in sizes {
            if bytes > bytes_max {
                return Err(WorkerError::TooLarge { part, bytes_max });
            }
        }
        let idle = self.running.take().filter(|running| running.line.is_idle());
        let mut running = idle.map_or_else(|| self.start(), Ok)?;
        if !running.functions.iter().any(|known| known == function) {
            let (function, known) = (function.to_owned(), running.functions.clone());
            self.running = Some(running);
            return Err(WorkerError::UnknownFunction { function, known });
        }
        match self.ask(&mut running.line, function, head, body) {
            Ok(answer) => {
                self.running = Some(running);
                self.read(&answer)
            }
            Err(Broken::Junk(saw)) => Err(self.not_a_worker(saw)),
            Err(Broken::TimedOut) => {
                self.life.reap();
                Err(WorkerError::TimedOut(self.options.call_timeout))
            }
            Err(Broken::Ended) => {
                let memory_bytes_max = self.options.memory_bytes_max;
                Err(WorkerError::Died { status: self.life.reap(), memory_bytes_max })
            }
        }
    }

    fn ask(&mut self, line: &mut Line, function: &str, head: &[u8], body: &[u8]) -> Result<Frame, Broken> {
        self.calls += 1;
        let header = Header {
            kind: Kind::Call,
            id: self.calls,
            name_bytes: function.len(),
            head_bytes: head.len(),
            body_bytes: body.len(),
            answer_bytes_max: self.options.answer_bytes_max,
        };
        let start = [&header.encode(), function.as_bytes(), head].concat();
        let answer = line.exchange([&start, body], self.options.call_timeout)?;
        let due = answer.header.id == self.calls && answer.header.kind != Kind::Hello;
        if due { Ok(answer) } else { Err(Broken::Junk("it gave an answer that was not due".into())) }
    }

    fn read(&self, answer: &Frame) -> Result<Value, WorkerError> {
        let text = || String::from_utf8_lossy(answer.head()).into_owned();
        match answer.header.kind {
            Kind::Panicked => Err(WorkerError::Panicked(text())),
            Kind::TooLarge => {
                let bytes_max = self.options.answer_bytes_max;
                Err(WorkerError::TooLarge { part: Part::Answer, bytes_max })
            }
            // Deeper than our reader goes, or not what it says it is.
            Kind::Value => serde_json::from_slice(answer.head())
                .map_err(|error| WorkerError::Failed(format!("its value cannot be read: {error}"))),
            Kind::Failed | Kind::Hello | Kind::Call => Err(WorkerError::Failed(text())),
        }
    }

    /// Starts a process, and waits for its hello.
    fn start(&mut self) -> Result<Running, WorkerError> {
        // One that was forgotten between calls has not been waited for.
        self.life.reap();
        let program = self.options.program.clone().map_or_else(std::env::current_exe, Ok);
        let program = program.map_err(|error| self.cannot_start(error))?;
        let stream = self.life.start(&program, &self.options).map_err(|error| self.cannot_start(error))?;
        self.starts += 1;
        let mut line = Line::new(stream, self.options.answer_bytes_max);
        match line.exchange([&[], &[]], self.options.start_timeout) {
            Ok(hello) => match serde_json::from_slice(hello.head()) {
                Ok(functions) if hello.header.kind == Kind::Hello => Ok(Running { line, functions }),
                _ => Err(self.not_a_worker("it began with something else than a hello".into())),
            },
            Err(Broken::Junk(saw)) => Err(self.not_a_worker(saw)),
            Err(Broken::TimedOut) => {
                let limit = self.options.start_timeout;
                Err(self.not_a_worker(format!("it said nothing within {limit:?}")))
            }
            Err(Broken::Ended) => {
                let died = WorkerError::Died {
                    status: self.life.reap(),
                    memory_bytes_max: self.options.memory_bytes_max,
                };
                Err(self.not_a_worker(format!("before its hello {died}")))
            }
        }
    }

    fn not_a_worker(&self, saw: String) -> WorkerError {
        self.life.reap();
        WorkerError::NotAWorker { program: self.program(), saw }
    }

    fn cannot_start(&self, error: io::Error) -> WorkerError {
        WorkerError::CannotStart { program: self.program(), error }
    }

    /// Returns what is shown as the program.
    fn program(&self) -> PathBuf {
        let own = || std::env::current_exe().unwrap_or_else(|_| "this program".into());
        self.options.program.clone().unwrap_or_else(own)
    }
}

impl Drop for ProcessWorker {
    /// Lets an idle process end by itself for a quarter of a second, then kills it, and waits for it.
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            running.line.hang_up(GRACE);
        }
        self.life.reap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_and_killers_go_to_any_thread_and_no_answer_may_be_larger_than_frames_are() {
        fn goes_anywhere<T: Send>(_: &T) {}
        let options = WorkerOptions { answer_bytes_max: usize::MAX, ..WorkerOptions::default() };
        let worker = ProcessWorker::new(options);
        goes_anywhere(&worker);
        goes_anywhere(&worker.killer());
        assert_eq!((worker.options.answer_bytes_max, worker.starts()), (ANSWER_BYTES_MAX, 0));
    }
}
