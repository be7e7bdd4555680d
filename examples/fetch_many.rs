//! Fetches many URLs, four at a time, and takes each as it ends.
//!
//! `cargo run --example fetch_many` needs no network: the pages are served on loopback.

use std::thread;
use std::time::{Duration, Instant};

use dragline::prelude::*;
use dragline::session::{Any, WaitCanceller};
use dragline_testkit::EchoServer;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = EchoServer::start()?;
    let session = Session::builder()
        .workers(4) // the others wait in line
        .allow_network("127.0.0.0/8") // this example's own server
        .base_url(&server.url("/"))
        .build()?;
    one_after_the_other(&session)?;
    println!("the server saw {} requests at once at most\n", server.most_at_once());
    the_first_of_two(&session)?;
    until_somebody_has_had_enough(&session)
}

/// Takes fetches in the order in which they end. The data attached to a fetch tells what it was for.
fn one_after_the_other(session: &Session) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let waits = [300, 200, 100, 900, 50, 50, 50, 50];
    let fetches: FetchSet<(), usize> = waits
        .iter()
        .enumerate()
        .map(|(number, wait)| {
            let url = format!("/page?wait_ms={wait}");
            // Counts from the start, waiting in line included.
            session.get(url).data(number).deadline(millis(600)).start()
        })
        .collect();
    println!("{} fetches started after {:?}", fetches.len(), began.elapsed());
    for fetch in as_completed(fetches) {
        let number = fetch.data();
        match fetch.result() {
            Ok(response) => println!("number {number}: {} bytes", response.body().len()),
            Err(error) => println!("number {number}: {error}"),
        }
    }
    Ok(())
}

/// Asks two servers for the same and takes the quicker answer; the other fetch is cancelled with its set.
fn the_first_of_two(session: &Session) -> Result<(), Box<dyn std::error::Error>> {
    let mut mirrors = FetchSet::new();
    mirrors.push(session.get("/far?wait_ms=5000").data("the far mirror").start());
    mirrors.push(session.get("/near?wait_ms=20").data("the near mirror").start());
    if let Some(Any::Fetch(_, fetch)) = wait_any(&mut mirrors)? {
        println!("{} was first: status {}", fetch.data(), fetch.result()?.status());
    }
    Ok(())
}

/// Waits until a fetch ends or somebody ends the wait, which harms no fetch.
fn until_somebody_has_had_enough(session: &Session) -> Result<(), Box<dyn std::error::Error>> {
    let canceller = WaitCanceller::new();
    let mut set = FetchSet::new();
    let key = set.push(session.get("/slow?wait_ms=400").start());
    set.push_canceller(&canceller);
    let impatient = thread::spawn(move || {
        thread::sleep(millis(100));
        canceller.cancel();
    });
    match wait_any(&mut set)? {
        Some(Any::Cancelled(_)) => println!("the wait was cancelled"),
        other => println!("the fetch was quicker: {other:?}"),
    }
    if let Some(fetch) = set.remove(key) {
        println!("the fetch is still {}, and ends with status {}", fetch.state(), fetch.result()?.status());
    }
    impatient.join().map_err(|_| "nobody panics here")?;
    Ok(())
}
