//! Makes 27,000 API calls: so many at a time, at a rate if one is given, failed ones again, and no more in memory than
//! are under way.
//!
//! `cargo run --example api_27k -- --help` needs no network: the API is served on loopback by this very program, answers
//! after 50 ms and fails now and then.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use dragline::core::report::grouped;
use dragline::prelude::*;
use dragline_testkit::{Reply, Server, Site};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

const USAGE: &str = "usage: api_27k [--calls N] [--workers N] [--rate R] [--out FILE]
  --calls N    how many calls, 1 to 10000000; 27000 by default
  --workers N  how many at a time, 1 to 4000; 400 by default (each needs two file descriptors: `ulimit -n`)
  --rate R     calls a second at most, 0.01 to 1000, kept by a gap between two; no limit by default
  --out FILE   where the results go as JSON lines, - for standard output; a file in the temp folder by default";

/// How long the API takes.
const ANSWERS_AFTER: Duration = Duration::from_millis(50);

struct Options {
    calls: u32,
    workers: u32,
    rate: Option<f64>,
    out: PathBuf,
}

/// What the API answers.
#[derive(Serialize, Deserialize)]
struct Answer {
    square: u64,
}

/// One line of the results.
#[derive(Serialize)]
struct Record {
    call: u32,
    status: Option<u16>,
    attempts: Option<u32>,
    answer: Option<Answer>,
    error: Option<String>,
}

#[derive(Default)]
struct Counts {
    ok: u64,
    failed: u64,
    retried: u64,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the arguments; `None` when help is asked for.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let out = std::env::temp_dir().join("dragline-api-27k.jsonl");
    let mut options = Options { calls: 27_000, workers: 400, rate: None, out };
    while let Some(name) = arguments.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--calls" => options.calls = number(&name, &value()?, 1, 10_000_000)?,
            "--workers" => options.workers = number(&name, &value()?, 1, 4_000)?,
            "--rate" => options.rate = Some(number(&name, &value()?, 0.01, 1_000.0)?),
            "--out" => options.out = value()?.into(),
            _ => return Err(format!("there is no argument {name}")),
        }
    }
    Ok(Some(options))
}

fn number<N: FromStr + PartialOrd + std::fmt::Display>(
    name: &str,
    value: &str,
    least: N,
    most: N,
) -> Result<N, String> {
    let number = value.parse().ok().filter(|number| *number >= least && *number <= most);
    number.ok_or_else(|| format!("{name} is a number from {least} to {most}, not \"{value}\""))
}

/// Serves the API. One call in a hundred is refused the first time, one in 9,000 always.
fn serve() -> io::Result<Server> {
    let refused = Mutex::new(BTreeSet::new());
    let answer = move |path: &str| {
        let number: u64 = path.strip_prefix("/api/")?.parse().ok()?;
        if number % 9_000 == 4_242 {
            return Some(Reply::status(500));
        }
        if number % 100 == 7 && refused.lock().ok()?.insert(number) {
            return Some(Reply::status(503));
        }
        Some(Reply::ok("application/json", format!("{{\"square\":{}}}", number * number)))
    };
    Server::start(Site::new().fallback(answer).delay(ANSWERS_AFTER))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let server = serve()?;
    let out: Box<dyn Write> = if options.out.as_os_str() == "-" {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(&options.out).map_err(|error| format!("{}: {error}", options.out.display()))?)
    };
    let mut out = BufWriter::new(out);
    // As many again wait in line, so that no worker is idle while results are written.
    let window = options.workers * 2;
    let gap = options.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
    let session = Session::builder()
        .allow_network("127.0.0.0/8") // this example's own server
        .base_url(server.url("/").as_str())
        .workers(usize::try_from(options.workers)?)
        .gap(gap)
        .attempts(4) // after timeouts, broken connections and the statuses of the rules' `retry`, 503 among them
        .rules(|rules| rules.retry.base = Duration::from_millis(100))
        .deadline(Duration::from_secs(60) + gap * window) // it counts the time in line
        .build()?;
    let bar = ProgressBar::new(options.calls.into()); // drawn on stderr if that is a terminal, else not at all
    bar.set_style(ProgressStyle::with_template("{bar:40} {human_pos} of {human_len}, {eta} left")?);

    let began = Instant::now();
    let mut counts = Counts::default();
    let mut calls = (0..options.calls).map(|call| session.get(format!("/api/{call}")).data(call).start());
    let mut under_way =
        as_completed(calls.by_ref().take(usize::try_from(window)?).collect::<FetchSet<_, _>>());
    while let Some(fetch) = under_way.next() {
        if let Some(next) = calls.next() {
            under_way.push(next);
        }
        let record = record(*fetch.data(), fetch.result());
        serde_json::to_writer(&mut out, &record)?;
        out.write_all(b"\n")?;
        *(if record.answer.is_some() { &mut counts.ok } else { &mut counts.failed }) += 1;
        counts.retried += u64::from(record.attempts > Some(1));
        bar.inc(1);
    }
    out.flush()?;
    bar.finish_and_clear();
    summarize(options, &counts, began.elapsed());
    Ok(())
}

/// Makes the line of a call that ended, well or not.
fn record(call: u32, result: Result<Response<(), u32>, SessionError>) -> Record {
    let mut record = Record { call, status: None, attempts: None, answer: None, error: None };
    let answer = result.and_then(|response| {
        record.status = Some(response.status());
        record.attempts = Some(response.attempts());
        response.error_for_status()
    });
    match answer.map(|response| response.json()) {
        Ok(Ok(answer)) => record.answer = Some(answer),
        Ok(Err(error)) => record.error = Some(format!("not what the API should say: {error}")),
        Err(error) => record.error = Some(error.to_string()),
    }
    record
}

fn summarize(options: &Options, counts: &Counts, took: Duration) {
    let rounds = options.calls.div_ceil(options.workers);
    let by_rate = options.rate.map_or(0.0, |rate| f64::from(options.calls - 1) / rate);
    let floor = (ANSWERS_AFTER * rounds).as_secs_f64().max(by_rate);
    let secs = took.as_secs_f64();
    let Counts { ok, failed, retried } = *counts;
    eprintln!("{} ok, {} failed, {} retried", grouped(ok), grouped(failed), grouped(retried));
    eprintln!(
        "{secs:.2} s, {:.0} calls a second; no client can be quicker than {floor:.2} s",
        f64::from(options.calls) / secs
    );
    if options.out.as_os_str() != "-" {
        eprintln!("results: {}", options.out.display());
    }
}
