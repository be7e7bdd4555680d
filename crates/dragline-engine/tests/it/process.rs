//! Runs functions in real worker processes, which are this test binary again: values, failures, deaths, limits, ends.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use dragline_engine::process::{
    BODY_BYTES_MAX, Functions, HEAD_BYTES_MAX, Input, Part, ProcessWorker, WorkerError, WorkerOptions,
};
use dragline_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// How long a thing that must happen may take on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// How long a call may hang: long enough for the function to begin on a busy machine.
const HANG: Duration = Duration::from_secs(1);

/// Is what worker processes run: as a test of its own it returns at once.
#[test]
fn worker_entry() {
    functions().serve_if_asked();
}

fn functions() -> Functions {
    crate::session::add_functions(Functions::new())
        .function("mirror", |input: &Input<'_>| {
            let body = String::from_utf8_lossy(input.body()).into_owned();
            input.head::<Value>().map(|head| json!({ "head": head, "body": body }))
        })
        .function("size", |input: &Input<'_>| Ok::<_, String>(input.body().len()))
        .function("pid", |_: &Input<'_>| Ok::<_, String>(std::process::id()))
        .function("fails", |_: &Input<'_>| Err::<(), _>("no title in it"))
        .function("panics", |_: &Input<'_>| -> Result<(), String> { panic!("as the test wants") })
        .function("aborts", |_: &Input<'_>| -> Result<(), String> { std::process::abort() })
        .function("prints", prints)
        .function("allocates", |input: &Input<'_>| {
            input.head().map(|bytes| vec![1_u8; bytes].iter().map(|byte| usize::from(*byte)).sum::<usize>())
        })
        .function("hangs", hangs)
        .function("starts_another", |input: &Input<'_>| -> Result<(), String> {
            let child = std::process::Command::new("sleep").arg("600").spawn();
            note_pid(input, child.map_err(|error| error.to_string())?.id());
            hang()
        })
        .function("calls_another", |input: &Input<'_>| {
            let head = input.head::<Value>().unwrap_or_default().to_string();
            worker().call("hangs", head.as_bytes(), b"")
        })
}

#[expect(clippy::print_stdout, reason = "what is tried is that it harms nothing")]
fn prints(_: &Input<'_>) -> std::io::Result<String> {
    println!("\u{d7}DWP this is for people");
    std::io::read_to_string(std::io::stdin())
}

fn hangs(input: &Input<'_>) -> Result<(), String> {
    note_pid(input, std::process::id());
    hang()
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

/// Writes an id into the file that the head names.
fn note_pid(input: &Input<'_>, pid: u32) {
    let file: &Path = input.head().expect("the head names a file");
    fs::write(file, format!("{pid}\n")).expect("the file can be written");
}

/// Waits until a function has noted an id.
fn noted_pid(file: &Path) -> u64 {
    let read = || fs::read_to_string(file).unwrap_or_default();
    assert!(wait_until(SOON, || read().ends_with('\n')), "the function runs");
    read().trim().parse().expect("it is a number")
}

/// Starts this binary as a worker process through a shell, which keeps what the test harness prints from the log.
fn options() -> WorkerOptions {
    let own = std::env::current_exe().expect("it runs");
    let mut options = shell("exec \"$@\" >/dev/null 2>&1");
    options.args.extend(["sh".into(), own.into()]);
    options.args.extend(["process::worker_entry", "--exact", "--nocapture"].map(Into::into));
    options
}

fn shell(script: &str) -> WorkerOptions {
    WorkerOptions {
        program: Some("/bin/sh".into()),
        args: ["-c", script].map(Into::into).into(),
        call_timeout: SOON,
        start_timeout: SOON,
        ..WorkerOptions::default()
    }
}

fn worker() -> ProcessWorker {
    ProcessWorker::new(options())
}

fn pid(worker: &mut ProcessWorker) -> u64 {
    worker.call("pid", b"", b"").expect("it has one").as_u64().expect("it is a number")
}

/// Whether a process is gone, or only waits to be waited for, with all its threads gone.
fn has_ended(pid: u64) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    threads <= 1 && stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']))
}

#[test]
fn a_function_gets_head_and_body_and_its_value_comes_back() {
    let mut worker = worker();
    assert_eq!(worker.starts(), 0, "nothing is started before the first call");
    let value = worker.call("mirror", br#"{"url":"http://a/"}"#, b"<p>").unwrap();
    assert_eq!(value, json!({"head": {"url": "http://a/"}, "body": "<p>"}));
    assert_eq!(worker.call("size", b"", b"").unwrap(), json!(0));
    assert_eq!(worker.starts(), 1);
}

#[test]
fn failures_and_panics_are_texts_and_the_process_goes_on() {
    let mut worker = worker();
    let before = pid(&mut worker);
    let check = |worker: &mut ProcessWorker, function: &str, expected: &str| {
        let error = worker.call(function, b"{", b"").unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(&mut worker, "fails", "the function failed: no title in it");
    check(&mut worker, "panics", "the function panicked: as the test wants");
    check(&mut worker, "mirror", "the function failed: EOF while parsing an object at line 1 column 1");
    let error = worker.call("titel", b"", b"").unwrap_err();
    let names: Vec<_> = functions().names().map(str::to_owned).collect();
    assert!(
        matches!(&error, WorkerError::UnknownFunction { function, known } if function == "titel" && *known == names),
        "{error}"
    );
    assert_eq!((pid(&mut worker), worker.starts()), (before, 1));
}

#[test]
fn what_a_function_prints_is_no_answer_and_its_stdin_is_empty() {
    // This one is this program itself, as it is by default; the harness prints before the hello.
    let mut options = WorkerOptions { program: None, ..options() };
    options.args = ["process::worker_entry", "--exact", "--nocapture"].map(Into::into).into();
    let mut worker = ProcessWorker::new(options);
    assert_eq!(worker.call("prints", b"", b"").unwrap(), json!(""));
    assert_eq!(worker.call("size", b"", b"12").unwrap(), json!(2));
    assert_eq!(worker.starts(), 1);
}

#[test]
fn large_bodies_go_both_ways_up_to_their_bounds() {
    let mut worker = worker();
    let body = vec![b'x'; 20_000_000];
    assert_eq!(worker.call("size", b"", &body).unwrap(), json!(20_000_000));
    let error = worker.call("mirror", b"1", &body).unwrap_err();
    assert_eq!(error.to_string(), "the answer of the call is larger than 16777216 bytes");
    let check = |worker: &mut ProcessWorker, head: usize, body: usize, expected: (Part, usize)| {
        let error = worker.call("size", &vec![b' '; head], &vec![0; body]).unwrap_err();
        assert!(
            matches!(error, WorkerError::TooLarge { part, bytes_max } if (part, bytes_max) == expected),
            "{error}"
        );
    };
    check(&mut worker, HEAD_BYTES_MAX + 1, 0, (Part::Head, HEAD_BYTES_MAX));
    check(&mut worker, 0, BODY_BYTES_MAX + 1, (Part::Body, BODY_BYTES_MAX));
    assert_eq!((worker.call("size", b"", b"1").unwrap(), worker.starts()), (json!(1), 1));

    let mut worker = ProcessWorker::new(WorkerOptions { answer_bytes_max: usize::MAX, ..options() });
    let value = worker.call("mirror", b"1", &body).unwrap();
    assert_eq!(value["body"].as_str().unwrap().len(), body.len());
}

#[test]
fn a_function_that_hangs_is_killed_with_all_it_started_and_the_next_call_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = ProcessWorker::new(WorkerOptions { call_timeout: HANG, ..options() });
    for (function, starts) in [("hangs", 1), ("starts_another", 2)] {
        let file = folder.path().join(function);
        let error = worker.call(function, &serde_json::to_vec(&file).unwrap(), b"").unwrap_err();
        assert!(matches!(error, WorkerError::TimedOut(HANG)), "{error}");
        let pid = noted_pid(&file);
        assert!(wait_until(SOON, || has_ended(pid)), "{function}");
        assert_eq!(worker.starts(), starts);
        assert_eq!(worker.call("size", b"", b"1").unwrap(), json!(1));
    }
}

#[test]
fn a_process_that_dies_is_replaced_by_the_next_call() {
    let mut worker = worker();
    let error = worker.call("aborts", b"", &vec![b'x'; 1_000_000]).unwrap_err();
    let WorkerError::Died { status: Some(status), memory_bytes_max: None } = error else { panic!("{error}") };
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    let first = pid(&mut worker);
    assert_eq!(worker.starts(), 2);
    // One that dies between two calls costs no call.
    let target = Pid::from_raw(i32::try_from(first).unwrap()).unwrap();
    kill_process(target, Signal::KILL).unwrap();
    assert!(wait_until(SOON, || has_ended(first)));
    assert_ne!(pid(&mut worker), first);
    assert_eq!(worker.starts(), 3);
}

#[test]
fn a_process_that_wants_too_much_memory_dies_alone_and_the_limit_is_named() {
    let limit = 200 << 20;
    let mut worker = ProcessWorker::new(WorkerOptions { memory_bytes_max: Some(limit), ..options() });
    assert_eq!(worker.call("allocates", b"1000000", b"").unwrap(), json!(1_000_000));
    let error = worker.call("allocates", b"1073741824", b"").unwrap_err();
    assert!(error.to_string().contains("SIGABRT"), "{error}");
    assert!(error.to_string().ends_with("perhaps of its memory limit of 209715200 bytes"), "{error}");
    assert_eq!(worker.call("allocates", b"1000000", b"").unwrap(), json!(1_000_000));
    assert_eq!(worker.starts(), 2);
}

#[test]
fn programs_that_are_no_workers_are_told_from_workers() {
    let check = |options: WorkerOptions, expected: &str| {
        let mut worker = ProcessWorker::new(options);
        let error = worker.call("size", b"", b"").unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, WorkerError::NotAWorker { .. }));
        assert_eq!(worker.starts(), 1);
    };
    let program = |path: &str| WorkerOptions { program: Some(path.into()), args: Vec::new(), ..options() };
    let ended = |program, code| {
        let died = format!("before its hello the worker process died (exit status: {code})");
        format!("{program} is no worker process: {died}")
    };
    check(program("/bin/true"), &ended("/bin/true", 0));
    check(program("/bin/echo"), &ended("/bin/echo", 0));
    let said = |text: &str| format!("/bin/sh is no worker process: it said {text}");
    check(shell("echo hello >&0; exec sleep 600"), &said(r#""hello\n" (no frame)"#));
    check(shell("printf '%0100d' 1 >&0"), &said(&format!("\"{}\" and more (no frame)", "0".repeat(80))));
    let header = r#"printf '\327DWP\002H\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >&0"#;
    let shown = format!(r#""\xd7DWP\x02H{}" (version 2, where 1 is due)"#, r"\x00".repeat(22));
    check(shell(header), &said(&shown));
    let silent = WorkerOptions { start_timeout: Duration::from_millis(300), ..shell("exec cat >&0") };
    check(silent, "/bin/sh is no worker process: it said nothing within 300ms");
}

#[test]
fn a_program_that_is_not_there_cannot_be_started() {
    let options = WorkerOptions { program: Some("/none/such".into()), ..WorkerOptions::default() };
    let mut worker = ProcessWorker::new(options);
    let error = worker.call("size", b"", b"").unwrap_err();
    assert_eq!(error.to_string(), "cannot start the worker process /none/such");
    assert!(std::error::Error::source(&error).is_some(), "the system's word is its cause");
    assert_eq!(worker.starts(), 0);
}

#[test]
fn a_dropped_worker_leaves_no_process() {
    let mut worker = worker();
    let pid = pid(&mut worker);
    assert!(!has_ended(pid));
    drop(worker);
    assert!(wait_until(SOON, || !Path::new(&format!("/proc/{pid}")).exists()), "it was waited for");
}

#[test]
fn a_process_ends_with_its_parent_in_the_middle_of_a_function() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let head = serde_json::to_vec(&file).unwrap();
    let mut worker = worker();
    let killer = worker.killer();
    let orphan = std::thread::scope(|scope| {
        let call = scope.spawn(|| worker.call("calls_another", &head, b""));
        let orphan = noted_pid(&file);
        assert!(!has_ended(orphan));
        // The parent of the one that hangs has no time to do anything.
        killer.kill();
        assert!(matches!(call.join().unwrap(), Err(WorkerError::Killed)));
        orphan
    });
    assert!(wait_until(SOON, || has_ended(orphan)));
}

#[test]
fn a_killer_ends_its_own_call_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let head = serde_json::to_vec(&file).unwrap();
    let mut worker = worker();
    let late = worker.killer();
    let idle = pid(&mut worker);
    late.kill();
    assert_eq!(pid(&mut worker), idle, "it came too late");

    let early = worker.killer();
    early.kill();
    assert!(matches!(worker.call("pid", b"", b""), Err(WorkerError::Killed)));
    early.kill();
    assert_eq!((pid(&mut worker), worker.starts()), (idle, 1), "no process was hurt");

    let killer = worker.killer();
    let error = std::thread::scope(|scope| {
        let call = scope.spawn(|| worker.call("hangs", &head, b""));
        assert_eq!(noted_pid(&file), idle);
        killer.kill();
        call.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, WorkerError::Killed), "{error}");
    assert!(has_ended(idle));
    assert_ne!(pid(&mut worker), idle);
    assert_eq!(worker.starts(), 2);
}
