//! Has callbacks run in worker processes, good ones and bad ones, while the fetches stay here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dragline_engine::process::{Functions, Input, WorkerOptions};
use dragline_engine::session::{ErrorKind, Executor, ResponseHead, Session};
use dragline_testkit::{EchoServer, wait_until};

use super::echo;

const SOON: Duration = Duration::from_secs(20);

pub(super) fn add_functions(functions: Functions) -> Functions {
    functions
        .function("summary", |input: &Input<'_>| {
            let head: ResponseHead = input.head()?;
            let kind = head.header("content-type").unwrap_or_default().to_owned();
            Ok::<_, serde_json::Error>((std::process::id(), head.status, kind, input.body().len()))
        })
        .function("spin", |_: &Input<'_>| -> Result<(), String> {
            loop {
                std::thread::park();
            }
        })
}

pub(super) fn options() -> WorkerOptions {
    let args = ["process::worker_entry", "--exact", "--nocapture"].map(Into::into).into();
    WorkerOptions { args, ..WorkerOptions::default() }
}

fn session(workers: usize, options: WorkerOptions) -> (EchoServer, Session) {
    let (server, builder) = echo();
    let executor = Executor::processes(workers, options).build().expect("it goes well");
    (server, builder.workers(4).executor(&executor).build().expect("it goes well"))
}

#[test]
fn a_function_runs_in_another_process_and_its_value_stays_with_the_response() {
    let (server, session) = session(1, options());
    for path in ["/a", "/?status=404"] {
        let fetch =
            session.get(path).data(path).on_done_in_process::<(u32, u16, String, usize)>("summary").start();
        let response = fetch.result().unwrap();
        let (pid, status, kind, length) = response.value();
        assert_ne!(*pid, std::process::id());
        assert_eq!((*status, *length), (response.status(), response.body().len()));
        assert!(kind.starts_with("text/plain"), "{kind}");
    }
    // A closure runs here, on the same executor.
    let here = session.get("/").on_done(|_| std::process::id()).start();
    assert_eq!((*here.result().unwrap().value(), server.asked()), (std::process::id(), 3));
}

#[test]
fn what_goes_wrong_in_a_process_is_the_result_and_the_next_call_is_well() {
    let quick = WorkerOptions {
        call_timeout: Duration::from_secs(2),
        memory_bytes_max: Some(400 << 20),
        ..options()
    };
    let (_server, session) = session(1, quick);
    let check = |function: &str, kind: ErrorKind, words: &str| {
        let error = session.get("/").on_done_in_process::<()>(function).start().result().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(function) && text.contains("processes.rs:"), "{text}");
        let fetch = session.get("/").on_done_in_process::<(u32, u16, String, usize)>("summary").start();
        fetch.result().unwrap();
    };
    check("fails", ErrorKind::CallbackFailed, "no title in it");
    check("panics", ErrorKind::CallbackPanicked, "as the test wants");
    check("aborts", ErrorKind::WorkerFailed, "died");
    check("spin", ErrorKind::CallbackTimedOut, "2s");
    check("absent", ErrorKind::WorkerFailed, "summary");
    check("size", ErrorKind::ValueMismatch, "something else");
}

#[test]
fn a_program_that_is_no_worker_is_told_so() {
    for (program, args) in [("/bin/echo", vec!["junk".into()]), ("/bin/no-such-program", Vec::new())] {
        let options = WorkerOptions { program: Some(program.into()), args, ..WorkerOptions::default() };
        let (_server, session) = session(1, options);
        let error = session.get("/").on_done_in_process::<()>("summary").start().result().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WorkerFailed);
        assert!(error.to_string().contains(program), "{error}");
    }
}

#[test]
fn cancelling_ends_the_process_that_works_on_it() {
    let (server, session) = session(1, options());
    let ends = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ends);
    session
        .hooks()
        .append_post("count", move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    let stuck = session.get("/").on_done_in_process::<()>("spin").start();
    assert!(wait_until(SOON, || server.asked() == 1));
    assert!(!stuck.wait(Duration::from_millis(50)).unwrap());
    assert!(stuck.cancel());
    assert!(stuck.result().unwrap_err().is_cancelled());
    // The one worker is free again, long before the call's own limit.
    let fetch = session.get("/").on_done_in_process::<(u32, u16, String, usize)>("summary").start();
    fetch.result().unwrap();
    assert!(wait_until(SOON, || ends.load(Ordering::SeqCst) == 2));
}
