//! Works on responses in the background: callbacks with a value, callbacks that fail, and hooks around every fetch.
//!
//! `cargo run --example background_callback` needs no network: the pages are served on loopback.

use std::convert::Infallible;
use std::thread;

use dragline::prelude::*;
use dragline::session::{CallEnded, HookTaken};
use dragline_testkit::TenPages;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = TenPages::start()?;
    let session = Session::builder()
        .allow_network("127.0.0.0/8") // this example's own server
        .base_url(site.seed().as_str())
        .callback_workers(2) // threads for callbacks; fetches have their own
        .build()?;

    println!("-- what a callback returns is kept with the response");
    let fetch = session.get("/page/1").on_done(|response| (title(&response.text()), thread_name())).start();
    let response = fetch.result()?;
    let (title, thread) = response.value();
    println!("{}: \"{title}\", found on thread {thread}", response.url().path());

    println!("-- its error is the result");
    let fetch = session.get("/page/2").try_on_done(|response| response.text().parse::<u32>()).start();
    if let Err(error) = fetch.result() {
        println!("{error}");
    }

    println!("-- so is its panic, with the line that started the fetch; the thread goes on");
    let fetch =
        session.get("/page/3").on_done(|response| assert!(response.body().len() > 9_999, "a short page"));
    if let Err(error) = fetch.start().result() {
        println!("{error}");
    }

    println!("-- a callback of the wait runs once, on the thread that waits");
    let fetch = session.get("/page/4").start();
    fetch.on_wait(|fetch| println!("{} is {}, says thread {}", fetch.url(), fetch.state(), thread_name()));
    fetch.wait(None)?;
    fetch.result()?;

    println!("-- hooks run around every fetch of the session");
    add_hooks(&session)?;
    let fetches: FetchSet =
        ["/page/5", "/missing", "/private/diary"].iter().map(|path| session.get(path).start()).collect();
    for fetch in as_completed(fetches) {
        fetch.wait(None)?;
    }
    if let Err(taken) = add_hooks(&session) {
        println!("{taken}");
    }
    println!("removed: {}", session.hooks().remove("log"));
    Ok(())
}

/// Adds a hook that refuses some URLs, one that changes requests, and one that sees each end.
fn add_hooks(session: &Session) -> Result<(), HookTaken> {
    let hooks = session.hooks();
    hooks.append_pre("no-diaries", |request| {
        if request.url.path().starts_with("/private/") { Err("it is private") } else { Ok(()) }
    })?;
    hooks.append_pre("language", |request| {
        let language = ("Accept-Language".into(), "en".into());
        request.headers = request.headers.iter().cloned().chain([language]).collect();
        Ok::<_, Infallible>(())
    })?;
    hooks.append_post("log", |ended: &CallEnded<'_>| match (ended.error(), ended.response()) {
        (Some(error), _) => println!("log: {error}"),
        (None, response) => println!("log: {} {:?}", ended.url(), response.and_then(|found| found.status)),
    })
}

/// Returns what stands in `<title>`.
fn title(html: &str) -> String {
    let title = html.split("<title>").nth(1).and_then(|rest| rest.split('<').next());
    title.unwrap_or_default().to_owned()
}

fn thread_name() -> String {
    thread::current().name().unwrap_or("without a name").to_owned()
}
