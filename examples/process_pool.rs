//! Works on responses in processes of their own, where a crash harms nobody else.
//!
//! `cargo run --example process_pool` needs no network: the pages are served on loopback.

use std::process;
use std::time::Duration;

use dragline::prelude::*;
use dragline::process::{Functions, Input, WorkerOptions};
use dragline::session::ResponseHead;
use dragline_testkit::TenPages;
use serde::{Deserialize, Serialize};

/// What the worker process answers. It comes over as JSON, so it is the same type on both sides.
#[derive(Debug, Serialize, Deserialize)]
struct Title {
    text: String,
    process: u32,
}

/// Runs in a worker process: it is given the response's head and its decoded body.
fn title(input: &Input<'_>) -> Result<Title, String> {
    let head: ResponseHead = input.head().map_err(|error| error.to_string())?;
    let html = String::from_utf8_lossy(input.body());
    let found = html.split("<title>").nth(1).and_then(|rest| rest.split('<').next());
    let text = found.ok_or_else(|| format!("{} has no title, its status is {}", head.url, head.status))?;
    Ok(Title { text: text.to_owned(), process: process::id() })
}

/// As a parser in C might do it one day.
fn crash(_: &Input<'_>) -> Result<(), String> {
    process::abort()
}

/// Allocates until somebody says stop: that is the memory limit.
fn devour(_: &Input<'_>) -> Result<usize, String> {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(vec![1; 16 << 20]);
    }
}

/// Never comes to an end: that is what the time limit is for.
fn ponder(_: &Input<'_>) -> Result<(), String> {
    loop {
        std::thread::park();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // First in `main`: in a worker process, which is this program again, it serves and never returns.
    Functions::new()
        .function("title", title)
        .function("crash", crash)
        .function("devour", devour)
        .function("ponder", ponder)
        .serve_if_asked();

    let site = TenPages::start()?;
    let limits = WorkerOptions {
        memory_bytes_max: Some(256 << 20),
        call_timeout: Duration::from_secs(2),
        ..WorkerOptions::default()
    };
    let session = Session::builder()
        .allow_network("127.0.0.0/8") // this example's own server
        .base_url(site.seed().as_str())
        .executor(&Executor::processes(2, limits).build()?)
        .build()?;
    println!("this is process {}", process::id());

    let titles: FetchSet<Title> = (1..=4)
        .map(|page| session.get(format!("/page/{page}")).on_done_in_process("title").start())
        .collect();
    for fetch in as_completed(titles) {
        let response = fetch.result()?;
        let Title { text, process } = response.value();
        println!("{}: \"{text}\", says process {process}", response.url().path());
    }

    // Whatever happens over there is a result here.
    let missing = session.get("/missing").on_done_in_process::<Title>("title").start();
    println!("\n{}", missing.result().map_or_else(|error| error.to_string(), |_| "found".into()));
    for function in ["crash", "devour", "ponder"] {
        let fetch = session.get("/").on_done_in_process::<()>(function).start();
        if let Err(error) = fetch.result() {
            println!("{:?}: {error}", error.kind());
        }
    }

    // A new process took the place of each that died.
    let again = session.get("/page/5").on_done_in_process::<Title>("title").start().result()?;
    println!("\n{:?}", again.value());
    Ok(())
}
