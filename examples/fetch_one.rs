//! Fetches one URL in the background: a handle at once, the result when it is wanted.
//!
//! `cargo run --example fetch_one` needs no network: the pages are served on loopback.

use std::time::Duration;

use dragline::prelude::*;
use dragline::session::Close;
use dragline_testkit::{Reply, Server, Site};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = Site::new()
        .on("/answer", Reply::ok("text/plain", "forty-two"))
        .on("/old", Reply::redirect(301, "/answer"))
        .delay(Duration::from_millis(200));
    let server = Server::start(site)?;
    let session = Session::builder()
        .allow_network("127.0.0.0/8") // this example's own server: loopback is refused by default
        .base_url(server.url("/").as_str())
        .build()?;

    // Returns at once. Dropping the handle would cancel the fetch.
    let fetch = session.get("/answer").start();
    println!("started {}: it is {}", fetch.url(), fetch.state());
    let sum: u64 = (1..=1_000_000).sum();
    println!("meanwhile: the numbers up to a million add up to {sum}");
    let response = fetch.result()?; // blocks until it is there; within a runtime it is `fetch.await?`
    println!("it is {}: status {}, \"{}\"", fetch.state(), response.status(), response.text());

    // Redirects are followed. `fetch` is start and result in one.
    let moved = session.fetch("/old")?;
    println!("\n{} led to {}", moved.redirects()[0], moved.url());

    // Whatever is wrong is told by the result, with the line that started it.
    let fetch = session.get("http://127.0.0.1:1/nobody-listens-here").start();
    if let Err(error) = fetch.result() {
        println!("\nerror: {error}");
        if let Some(outcome) = error.outcome() {
            println!("outcome: {outcome}; what to do: {}", outcome.meaning().advice);
        }
    }

    // A status of 404 is a response, unless it is asked to be an error.
    let missing = session.fetch("/missing")?;
    println!("\nstatus {}: \"{}\"", missing.status(), missing.text().trim());
    if let Err(error) = missing.error_for_status() {
        println!("error: {error} ({:?})", error.kind());
    }

    session.close(Close::Finish).wait();
    Ok(())
}
