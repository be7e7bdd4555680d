//! Fetches the whole hostile site through the transport of the crawler, many behaviours at a time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::fetch::{FetchLimits, FetchRequest, FetchResponse, Method, Phase};
use dragline_core::redirect::{self, RedirectVerdict};
use dragline_core::{CanonicalUrl, Outcome};
use dragline_fetch::{
    AwcTransport, AwcTransportFactory, BodyBudget, ResolverKind, Transport, TransportOptions,
};
use dragline_testkit::hostile::{
    ALLOW_NETWORKS, Ask, BODY_BYTES_MAX, Behaviour, HostileSite, Record, Tally, judge, sha256_of,
};

/// Behaviours that are asked for at a time.
const LANES: usize = 32;

#[test]
fn the_site_has_behaviours_of_every_family_and_none_twice() {
    let site = HostileSite::start().unwrap();
    let behaviours = site.behaviours();
    let names: BTreeSet<_> = behaviours.iter().map(|behaviour| &behaviour.name).collect();
    assert_eq!(names.len(), behaviours.len(), "names stand once");
    let asked: BTreeSet<_> = behaviours.iter().map(|behaviour| (&behaviour.url, behaviour.ask)).collect();
    assert_eq!(asked.len(), behaviours.len(), "no two behaviours are asked for alike");
    let count = |guarded| behaviours.iter().filter(|behaviour| behaviour.guarded == guarded).count();
    assert!(count(false) >= 750, "{} behaviours", count(false));
    assert!(count(true) >= 200, "{} ways into private networks", count(true));
    assert!(behaviours.iter().all(|behaviour| !behaviour.accepted.is_empty()));
    let families: BTreeSet<_> = names.iter().filter_map(|name| name.split('/').next()).collect();
    assert!(families.len() >= 20, "{families:?}");
}

#[test]
fn the_transport_reports_nothing_else_than_was_sent() {
    let site = HostileSite::start().unwrap();
    let tally = actix_rt::System::new().block_on(fetch_all(&site));
    assert!(tally.lost().is_empty(), "{tally}");
    assert!(tally.is_right_in(95), "{tally}");
    assert_eq!(site.canary_hits(), 0, "somebody reached a canary");
}

/// Asks for everything that needs no rules for robots.
async fn fetch_all(site: &HostileSite) -> Tally {
    let asked = site.behaviours().iter();
    let asked = asked.filter(|behaviour| matches!(behaviour.ask, Ask::Get | Ask::Head));
    let asked: Vec<Behaviour> = asked.cloned().collect();
    let transport = Rc::new(transport(site));
    let (next, tally) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Tally::new())));
    let asked = Rc::new(asked);
    let lane = || {
        let (transport, asked) = (Rc::clone(&transport), Rc::clone(&asked));
        let (next, tally) = (Rc::clone(&next), Rc::clone(&tally));
        async move {
            while let Some(behaviour) = asked.get(next.replace(next.get() + 1)) {
                let record = record(&follow(&transport, behaviour).await);
                tally.borrow_mut().add(behaviour, &record);
            }
        }
    };
    let mut lanes = tokio::task::JoinSet::new();
    let local = tokio::task::LocalSet::new();
    for _ in 0..LANES {
        lanes.spawn_local_on(lane(), &local);
    }
    local.run_until(async { while lanes.join_next().await.is_some() {} }).await;
    tally.take()
}

fn transport(site: &HostileSite) -> AwcTransport {
    let mut options = TransportOptions::new("hostile-test/1", Arc::new(BodyBudget::new(128 << 20)));
    options.guard.allow_networks =
        ALLOW_NETWORKS.iter().map(|network| network.parse().expect("it is a network")).collect();
    options.dns.resolver = ResolverKind::Hickory { servers: vec![site.dns()] };
    options.tls.extra_roots = vec![site.trust().der.clone()];
    AwcTransportFactory::new(options).expect("the options are fine").open_awc()
}

fn limits() -> FetchLimits {
    FetchLimits {
        deadline: Duration::from_secs(4),
        dns_timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(2),
        first_byte_timeout: Duration::from_secs(2),
        idle_body_timeout: Duration::from_secs(2),
        body_bytes_max: BODY_BYTES_MAX as u64,
        ..FetchLimits::default()
    }
}

/// Asks, and goes where it is sent.
async fn follow(transport: &AwcTransport, behaviour: &Behaviour) -> FetchResponse {
    let refused = |error: String| FetchResponse::failed(Outcome::RedirectError, Phase::Ttfb, error);
    let mut url = match CanonicalUrl::parse(&behaviour.url) {
        Ok(url) => url,
        Err(error) => return FetchResponse::failed(Outcome::InvalidUrl, Phase::Queue, error.to_string()),
    };
    let method = if behaviour.ask == Ask::Head { Method::Head } else { Method::Get };
    let (limits, mut chain) = (Arc::new(limits()), Vec::new());
    loop {
        let request = FetchRequest { method, ..FetchRequest::get(url.clone(), Arc::clone(&limits)) };
        let response = transport.fetch(request).await;
        if response.outcome != Outcome::Redirect {
            return response;
        }
        let target = match redirect::location(&response, &url) {
            Some(Ok(target)) => target,
            Some(Err(error)) => return refused(error.to_string()),
            None => return refused("no target".into()),
        };
        match redirect::judge(&chain, &url, &target, 10) {
            RedirectVerdict::Follow | RedirectVerdict::Respell => {}
            RedirectVerdict::TooMany | RedirectVerdict::Loop => return refused("no end".into()),
        }
        chain.push(std::mem::replace(&mut url, target));
    }
}

fn record(response: &FetchResponse) -> Record {
    Record {
        outcome: response.outcome.name().to_owned(),
        status: response.status,
        bytes: response.body.len() as u64,
        sha256: sha256_of(&response.body),
        noted: response.error.is_some(),
        peer: response.peer.map(|peer| peer.to_string()),
    }
}

/// Asks like a client that takes whatever comes until the connection ends for the body, and calls it fine.
fn believe(behaviour: &Behaviour) -> std::io::Result<Record> {
    let url = CanonicalUrl::parse(&behaviour.url).map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect(url.authority())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", url.path_and_query(), url.authority());
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // A reset ends it like a close.
    drop(stream.read_to_end(&mut answer));
    let body = match memchr::memmem::find(&answer, b"\r\n\r\n") {
        Some(end) => answer.split_off(end + 4),
        None => answer,
    };
    Ok(Record {
        outcome: "ok".into(),
        status: Some(200),
        bytes: body.len() as u64,
        sha256: sha256_of(&body),
        ..Record::default()
    })
}

#[test]
fn a_client_that_believes_everything_is_found_out() {
    let site = HostileSite::start().unwrap();
    let check = |name: &str, expected: &str| {
        let behaviour = site.behaviours().iter().find(|behaviour| behaviour.name == name).unwrap();
        let verdict = format!("{:?}", judge(behaviour, &believe(behaviour).unwrap()));
        assert!(verdict.starts_with(expected), "{name}: {verdict}");
    };
    check("until-close/unannounced", "Right");
    check("until-close/http10-length", "Right");
    check("length/negative", "Survived");
    check("until-close/reset", "SilentLoss");
    check("length/body-too-short", "SilentLoss");
    check("length/one-byte-short", "SilentLoss");
    check("length/error-too-short", "SilentLoss");
    check("chunks/cut-in-data", "SilentLoss");
    check("transfer-coding/length-and-chunked", "SilentLoss");
    check("line-ends/bare-cr", "SilentLoss");
    check("coding/gzip-until-close", "SilentLoss");
    check("not-http/ftp", "SilentLoss");
    assert_eq!(site.requests(), 12);
}
