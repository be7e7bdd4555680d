//! Measures what a handle costs: submit to result by runtime, memory of an outstanding handle, waiting for sets.
//!
//! Usage: `taskset -c 1 cargo bench --bench session [CALLS]`. Fetches are answered by a scripted transport at once, so that
//! what is left is ours: line, lane, follower, host table, metrics, wake-ups. The rival harness measures the same with a
//! server (`cargo bench --bench peers`).

use std::time::{Duration, Instant};

use dragline::fetch::{ScriptedAnswer, ScriptedTransport};
use dragline::session::{Fetch, FetchSet, Session, SessionBuilder, wait_any};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const URL: &str = "http://bench.invalid/";
/// Thrown away at the start of each measurement.
const WARM_UP: usize = 500;

fn main() {
    let calls = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    println!("{:34} {:>9} {:>9} {:>9}   us from start to result", "", "p50", "p90", "p99");
    for in_flight in [1, 8, 64] {
        let local = |builder: SessionBuilder| builder.on_this_arbiter();
        show(&format!("in runtime, own arbiter, {in_flight}"), in_runtime(calls, in_flight, local));
        show(
            &format!("in runtime, its thread, {in_flight}"),
            in_runtime(calls, in_flight, |builder| builder),
        );
        show(&format!("blocking thread, {in_flight}"), blocking(calls, in_flight));
    }
    memory();
    sets();
}

fn builder() -> SessionBuilder {
    let transport = ScriptedTransport::new(|_| ScriptedAnswer::new(200, &[], ""));
    Session::builder().transport(transport).workers(64)
}

/// Awaits so many at a time, each started when an earlier one has its result.
fn in_runtime(
    calls: usize,
    in_flight: usize,
    place: impl FnOnce(SessionBuilder) -> SessionBuilder,
) -> Vec<Duration> {
    dragline::actix::System::new().block_on(async move {
        let session = place(builder()).build().expect("the parts are right");
        let tasks: Vec<_> = (0..in_flight)
            .map(|_| {
                let session = session.clone();
                dragline::actix::spawn(async move {
                    let mut took = Vec::new();
                    for _ in 0..WARM_UP + calls / in_flight {
                        let begun = Instant::now();
                        session.get(URL).start().await.expect("it is answered");
                        took.push(begun.elapsed());
                    }
                    took.split_off(WARM_UP)
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.expect("no task panics"));
        }
        all
    })
}

/// Keeps so many outstanding from one thread and takes their results in order.
fn blocking(calls: usize, in_flight: usize) -> Vec<Duration> {
    let session = builder().build().expect("the parts are right");
    let mut outstanding = std::collections::VecDeque::new();
    let mut took = Vec::new();
    for _ in 0..WARM_UP + calls {
        outstanding.push_back((Instant::now(), session.get(URL).start()));
        if outstanding.len() == in_flight {
            let (begun, fetch) = outstanding.pop_front().expect("one is outstanding");
            fetch.result().expect("it is answered");
            took.push(begun.elapsed());
        }
    }
    took.split_off(WARM_UP)
}

/// Prints what a started fetch that waits for its lane takes, its URL included.
fn memory() {
    let never = ScriptedTransport::new(|_| ScriptedAnswer::never());
    let session = Session::builder().transport(never).workers(1).build().expect("the parts are right");
    let count = 100_000;
    let mut held: Vec<Fetch> = Vec::with_capacity(count);
    let before = resident_bytes();
    held.extend((0..count).map(|number| session.get(format!("{URL}item/{number}")).start()));
    let bytes = (resident_bytes() - before) / count;
    println!("{:34} {bytes:9} bytes of resident memory, of {count}", "outstanding handle");
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4_096
}

/// Prints what one wait costs over sets of fetches that have ended, each taken out when it is found.
fn sets() {
    for count in [10, 1_000, 100_000] {
        let session = builder().build().expect("the parts are right");
        let mut set: FetchSet = (0..count).map(|_| session.get(URL).start()).collect();
        dragline::session::wait_all(&mut set).expect("this thread may block");
        let begun = Instant::now();
        let mut found = 0;
        while let Some(any) = wait_any(&mut set).expect("this thread may block") {
            let dragline::session::Any::Fetch(key, _) = any else { continue };
            drop(set.remove(key));
            found += 1;
        }
        assert_eq!(found, count);
        let each = begun.elapsed().as_secs_f64() * 1e9 / f64::from(count);
        println!("{:34} {each:9.0} ns each, with the handle dropped", format!("wait_any over {count}"));
    }
}

fn show(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: f64| {
        let place = ((took.len() - 1) as f64 * share) as usize;
        took.get(place).copied().unwrap_or_default().as_secs_f64() * 1e6
    };
    println!("{what:34} {:9.1} {:9.1} {:9.1}", at(0.5), at(0.9), at(0.99));
}
