//! Kills crawls with SIGKILL, a hundred times, and holds them to the promise that nobody can tell.

use std::io::Write;
use std::time::Duration;

use dragline::core::Time;
use dragline::core::chance::Chance;
use dragline::engine::Clock;
use dragline_testkit::{Reply, Server, Site};

use crate::large_site::{AGAIN_MAX, LargeSite};
use crate::process::{PATIENCE, Place};

/// How often a crawl is killed, all crawls together.
const KILLS: usize = 100;

/// What the moments of the kills are drawn from.
const SEED: u64 = 8;

/// In which time of a life it is killed; the first is while it recovers what the one before left.
const MOMENTS_MS: [(u64, u64); 3] = [(0, 50), (200, 1_500), (200, 1_500)];

/// How long a life may take until its first fetch; half of them must be that quick, whatever else this machine does.
const RESUME: Duration = Duration::from_secs(1);

/// What was seen of all crawls.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    crawls: usize,
    /// Pages that were fetched more than once.
    again: usize,
    /// From the start of each life but the first of a crawl to its first request; of one killed before, to its end.
    resumes: Vec<Duration>,
}

#[test]
fn a_crawl_that_is_killed_a_hundred_times_loses_and_doubles_nothing() {
    let mut chance = Chance::new(SEED);
    let mut tally = Tally::default();
    while tally.kills < KILLS {
        crawl(&mut chance, &mut tally);
    }
    let Tally { kills, crawls, again, mut resumes } = tally;
    resumes.sort_unstable();
    let median = resumes[resumes.len() / 2];
    let most = resumes.last().copied().unwrap_or_default();
    let said = format!(
        "seed {SEED}: {kills} kills of {crawls} crawls: {again} pages fetched again of {} allowed; {} lives resumed within {median:?} \
         (half of them) and {most:?} (all)\n",
        kills * AGAIN_MAX,
        resumes.len()
    );
    // Past the harness's capture: what was measured is never silent.
    drop(std::io::stderr().lock().write_all(said.as_bytes()));
    assert!(median < RESUME, "half of the lives took {median:?} or more to their first fetch");
}

#[test]
fn a_start_can_be_killed_at_any_moment() {
    let server = Server::start(Site::new().on("/", Reply::html("home"))).expect("a loopback port is free");
    let url = server.url("/").to_string();
    let usual = ["run", "--allow-net=127.0.0.0/8", "--listen=", "--out=out", "--delay=0s", "--quiet", &url];
    let place = Place::new();
    for millis in 0..30 {
        let moment = Duration::from_millis(2 * millis);
        let new = Place::new();
        new.start(&usual).kill_after(moment);
        new.start(&usual).wait().assert(0, &["finished"]);
        assert_eq!(new.results().count("done"), 1);
        // What a fresh start has removed in part is gone on with, or refused with the way out.
        place.start(&[&usual[..], &["--fresh"]].concat()).kill_after(moment);
        let again = place.start(&usual).wait();
        if again.code != 0 {
            again.assert(again.code, &["--fresh"]);
            place.start(&[&usual[..], &["--fresh"]].concat()).wait().assert(0, &["finished"]);
        }
        assert_eq!(place.results().count("done"), 1);
    }
}

/// Crawls the site to its end, killed on the way as often as is left of the kills, and judges it.
fn crawl(chance: &mut Chance, tally: &mut Tally) {
    let clock = Clock::start();
    let site = LargeSite::start();
    let place = Place::new();
    let arguments = site.configure(&place, "out", "");
    let kills_before = tally.kills;
    for life in 0.. {
        let start = clock.now();
        let asked = site.server.log().count();
        let mut running = place.start(&arguments);
        if tally.kills == KILLS {
            running.wait().assert(0, &["finished: "]);
            break;
        }
        let (from, to) = MOMENTS_MS[usize::try_from(chance.below(3)).unwrap_or_default()];
        let moment = Duration::from_millis(from + chance.below(to - from));
        let is_over = !running.kill_after(moment);
        if life > 0 && moment >= Duration::from_millis(200) {
            tally.resumes.push(first_request(&site, asked, start).unwrap_or(moment));
        }
        if is_over {
            running.wait().assert(0, &["finished"]);
            break;
        }
        tally.kills += 1;
    }
    // One more start, since the last life may have been killed when all was done but said.
    place.start(&arguments).wait().assert(0, &["finished on "]);
    tally.crawls += 1;
    tally.again += site.judge(&place.path("out"), tally.kills - kills_before);
    assert!(clock.now().since(Time::ZERO) < 4 * PATIENCE, "it makes no progress");
}

/// Returns how long after `start` the server was asked for something, when it was asked so often before.
fn first_request(site: &LargeSite, asked: u64, start: Time) -> Option<Duration> {
    let requests = site.server.log().requests();
    let first = requests.get(usize::try_from(asked).ok()?)?;
    Some(first.at.saturating_sub(start.since(Time::ZERO)))
}
