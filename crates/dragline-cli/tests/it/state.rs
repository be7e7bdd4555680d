//! Tests what becomes of a crawl that is started again: after its end, after a change of mind, and over a broken folder.

use std::fs;
use std::time::Duration;

use dragline_testkit::{Reply, Server, Site, wait_until};
use serde_json::Value;

use crate::process::{PATIENCE, Place};

/// A home page and 40 others, each slow enough to be in flight when a signal comes.
fn site() -> Server {
    let links: String = (0..40).map(|number| format!("<a href=/page/{number}>x</a>")).collect();
    let site = Site::new().on("/", Reply::html(links)).delay(Duration::from_millis(30));
    let site = site.fallback(|path| path.starts_with("/page/").then(|| Reply::html("<title>t</title>")));
    Server::start(site).expect("a loopback port is free")
}

/// Starts a crawl and has it end early, with its state kept.
fn begin(place: &Place, server: &Server, more: &[&str]) {
    let url = server.url("/").to_string();
    let mut crawl = place.start_crawl(&[&[url.as_str(), "--per-host=2"], more].concat());
    assert!(wait_until(PATIENCE, || server.log().count() >= 10), "{}", crawl.stderr());
    crawl.signal("INT");
    crawl.wait().assert(0, &["drained: ", "pending ", "the same command goes on from here"]);
}

#[test]
fn a_crawl_that_was_drained_goes_on_and_one_that_finished_says_so() {
    let (place, server) = (Place::new(), site());
    begin(&place, &server, &[]);
    let url = server.url("/").to_string();
    place.crawl(&[&url]).assert(0, &["resuming run ", " done, ", " waiting (life 2)", "finished: "]);
    let results = place.results();
    assert_eq!((results.count("done"), results.count("pending")), (41, 0));
    assert_eq!(results.count("starts"), 2);
    assert!(server.log().counts().values().all(|asked| *asked == 1), "nothing is fetched again");

    let asked = server.log().count();
    let report = fs::read(place.path("out/report.json")).expect("there is a report");
    place.crawl(&[&url]).assert(0, &["finished on 20", ": done 41  failed 0  skipped 0", "--fresh"]);
    assert_eq!(fs::read(place.path("out/report.json")).expect("there is a report"), report);

    fs::remove_file(place.path("out/report.json")).expect("it is there");
    place.crawl(&[&url]).assert(0, &["finished: "]);
    let again: Value = serde_json::from_slice(&fs::read(place.path("out/report.json")).expect("it is back"))
        .expect("the report is JSON");
    assert_eq!((again["done"].as_u64(), again["discovered"].as_u64()), (Some(41), Some(41)));
    assert_eq!(server.log().count(), asked, "without a request");
}

#[test]
fn a_finished_crawl_goes_on_with_a_new_seed_and_says_what_differs() {
    let (place, server) = (Place::new(), site());
    let (url, more) = (server.url("/").to_string(), server.url("/page/more").to_string());
    place.crawl(&[&url]).assert(0, &[]);
    let ended = place.crawl(&[&url, &more, "--depth=3"]);
    ended.assert(
        0,
        &[
            &format!("changed: 1 seed added ({more}): offered now"),
            "changed: `scope.depth_max` was 20 and is 3: holds for URLs that are discovered from now on",
            "resuming run ",
            "finished: ",
        ],
    );
    assert_eq!(place.results().count("done"), 42);
    let ended = place.crawl(&[&url, &more, "--depth=3"]);
    ended.assert(0, &["finished on "]);
    assert!(!ended.stderr.contains("changed: "), "{ended}");
    let ended = place.crawl(&[&more, "--depth=3"]);
    ended.assert(0, &["finished on "]);
}

#[test]
fn a_fresh_start_fetches_everything_again() {
    let (place, server) = (Place::new(), site());
    begin(&place, &server, &[]);
    place.crawl(&[server.url("/").as_str(), "--fresh"]).assert(0, &["finished: "]);
    assert_eq!(place.results().count("done"), 41);
    assert_eq!(place.results().count("starts"), 1);
}

#[test]
fn a_life_that_was_killed_before_its_first_commit_is_counted() {
    let place = Place::new();
    let site = Site::new().on("/", Reply::html("<title>t</title>")).delay(Duration::from_millis(500));
    let server = Server::start(site).expect("a loopback port is free");
    let url = server.url("/").to_string();
    for _ in 0..3 {
        let asked = server.log().count();
        let mut crawl = place.start_crawl(&[&url]);
        assert!(wait_until(PATIENCE, || server.log().count() > asked), "{}", crawl.stderr());
        assert!(crawl.kill_after(Duration::ZERO), "{}", crawl.stderr());
    }
    place.crawl(&[&url]).assert(0, &["resuming run ", "(life 4)", " in 4 starts", "finished: "]);
    assert_eq!(place.results().count("starts"), 4);
    let status = place.run(&["status", "--out=out", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap_or_else(|_| panic!("{status}"));
    assert_eq!(status["starts"], 4);
    place.crawl(&[&url]).assert(0, &["finished on 20"]);
    assert_eq!(place.results().count("starts"), 4, "a start that has nothing to do is no life");
}

#[test]
fn files_are_finished_by_their_age_and_hold_every_page_once_over_a_kill() {
    let place = Place::new();
    let links: String = (0..20).map(|number| format!("<a href=/page/{number}>x</a>")).collect();
    let site = Site::new().on("/", Reply::html(links)).delay(Duration::from_millis(150));
    let site = site.fallback(|path| path.starts_with("/page/").then(|| Reply::html("<title>t</title>")));
    let server = Server::start(site).expect("a loopback port is free");
    let url = server.url("/").to_string();
    let arguments = [url.as_str(), "--per-host=1", "--set=output.rotate_after=1s"];
    let mut crawl = place.start_crawl(&arguments);
    assert!(wait_until(PATIENCE, || place.path("out/pages-000001.jsonl").exists()), "{}", crawl.stderr());
    assert!(crawl.kill_after(Duration::ZERO), "{}", crawl.stderr());
    place.crawl(&arguments).assert(0, &["resuming run ", "finished: pages-*.jsonl, "]);
    let names = contents(&place).into_iter().filter(|(name, _)| name.starts_with("out/pages"));
    let (names, rows): (Vec<String>, Vec<Vec<u8>>) = names.unzip();
    let numbered = (1..=names.len()).map(|number| format!("out/pages-{number:06}.jsonl"));
    assert!(names.len() > 1 && names.iter().eq(&numbered.collect::<Vec<_>>()), "{names:?}");
    let rows = rows.concat();
    let rows = serde_json::Deserializer::from_slice(&rows).into_iter::<Value>();
    let urls: Vec<String> = rows.map(|row| row.expect("a row is JSON")["url"].to_string()).collect();
    let once: std::collections::BTreeSet<&String> = urls.iter().collect();
    assert_eq!((urls.len(), once.len()), (21, 21), "{urls:?}");
}

#[test]
fn another_output_folder_and_other_sinks_are_refused_by_name() {
    let (place, server) = (Place::new(), site());
    begin(&place, &server, &["--state=kept"]);
    let url = server.url("/").to_string();
    let asked = server.log().count();
    let usual = ["run", "--allow-net=127.0.0.0/8", "--listen=", &url, "--state=kept"];
    let ended = place.run(&[&usual[..], &["--out=other"]].concat());
    let (ours, other) = (place.path("out"), place.path("other"));
    let words = format!("writes into {}, not into {}", ours.display(), other.display());
    ended.assert(4, &[&words, "--out", "`state.dir`", "--fresh"]);
    let sink = "--set=sink=[{name = \"copy\", kind = \"jsonl\", path = \"copy.jsonl\"}]";
    let ended = place.crawl(&[&url, "--state=kept", sink]);
    ended.assert(4, &["the sink \"copy\" was not there when the run began", "copy.jsonl", "--fresh"]);
    assert_eq!(server.log().count(), asked, "nothing is fetched");
    place.crawl(&[&url, "--state=kept"]).assert(0, &["finished: "]);
}

#[test]
fn a_folder_in_use_names_the_process() {
    let (place, server) = (Place::new(), site());
    let url = server.url("/").to_string();
    let mut crawl = place.start_crawl(&[&url, "--per-host=1", "--delay=10s"]);
    assert!(wait_until(PATIENCE, || server.log().count() >= 1), "{}", crawl.stderr());
    let pid = crawl.pid();
    for fresh in ["--quiet", "--fresh"] {
        let (other, out) = (Place::new(), place.path("out").display().to_string());
        let ended = other.run(&["run", "--allow-net=127.0.0.0/8", "--listen=", &url, "--out", &out, fresh]);
        ended.assert(
            4,
            &[&format!("is in use by process {pid}, since 20"), "stop it, or choose another folder"],
        );
    }
    crawl.signal("INT");
    crawl.signal("INT");
}

/// What a test does to the folders of a crawl.
type Harm = fn(&Place);

fn edit(place: &Place, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = place.path(name);
    let mut bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    change(&mut bytes);
    fs::write(&path, bytes).expect("the folder can be written");
}

#[test]
fn what_is_broken_is_named_with_the_ways_out_and_nothing_is_fetched_or_changed() {
    let check = |harm: Harm, code: i32, words: &[&str]| {
        let (place, server) = (Place::new(), site());
        begin(&place, &server, &[]);
        harm(&place);
        let asked = server.log().count();
        let before = contents(&place);
        let url = server.url("/").to_string();
        place.crawl(&[&url]).assert(code, &[words, &["--fresh"]].concat());
        assert_eq!(server.log().count(), asked, "nothing is fetched: {words:?}");
        assert_eq!(contents(&place), before, "nothing is changed: {words:?}");
        place.crawl(&[&url, "--fresh"]).assert(0, &["finished: "]);
        assert_eq!(place.results().count("done"), 41);
    };
    check(
        |place| edit(place, "out/state/log-0000000001", |bytes| bytes[300] ^= 1),
        6,
        &["log-0000000001 is damaged at byte ", "nothing was changed", "from a copy"],
    );
    check(
        |place| edit(place, "out/state/state.toml", |bytes| bytes[40] ^= 1),
        6,
        &["state.toml is damaged at byte "],
    );
    check(
        |place| edit(place, "out/state/state.toml", |bytes| bytes[10] = b'9'),
        4,
        &["was written by a newer version of Dragline (format 9)", "use that version"],
    );
    check(
        |place| fs::remove_file(place.path("out/state/state.toml")).expect("it is there"),
        6,
        &["state.toml is gone"],
    );
    check(
        |place| edit(place, "out/state/history-0000000001", |bytes| bytes.truncate(100)),
        6,
        &["history-0000000001 has 100 bytes where ", " were made durable"],
    );
    check(
        |place| edit(place, "out/pages.jsonl", |bytes| bytes.truncate(bytes.len() - 1)),
        6,
        &["pages.jsonl has ", " bytes where ", " were made durable: bring it back"],
    );
    check(
        |place| fs::remove_file(place.path("out/pages.jsonl")).expect("it is there"),
        6,
        &["pages.jsonl is gone, with "],
    );
}

/// Reads every file of the folders but the lock and what was said.
fn contents(place: &Place) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["out", "out/state"] {
        for entry in fs::read_dir(place.path(folder)).expect("it is there") {
            let entry = entry.expect("it can be read");
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "lock" && entry.path().is_file() {
                found.push((format!("{folder}/{name}"), fs::read(entry.path()).expect("it can be read")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_torn_or_shortened_end_of_the_log_is_cut_and_the_crawl_goes_on_from_the_last_whole_commit() {
    let check = |harm: fn(&mut Vec<u8>)| {
        let (place, server) = (Place::new(), site());
        begin(&place, &server, &[]);
        edit(&place, "out/state/log-0000000001", harm);
        place.crawl(&[server.url("/").as_str()]).assert(0, &["resuming run ", "finished: "]);
        assert_eq!(place.results().count("done"), 41);
    };
    check(|bytes| bytes.extend_from_slice(&[7; 999]));
    check(|bytes| bytes.truncate(bytes.len() - 1));
}

#[test]
fn a_state_folder_that_cannot_be_made_is_named() {
    let (place, server) = (Place::new(), site());
    place.write("file", "in the way");
    let ended = place.crawl(&[server.url("/").as_str(), "--state=file/state"]);
    ended.assert(4, &["cannot create the state folder ", "file/state", "`state.dir`", "Not a directory"]);
    assert_eq!(server.log().count(), 0);
}

#[test]
fn a_demo_does_not_take_up_an_earlier_one() {
    let place = Place::new();
    let demo = ["demo", "--out=kept", "--progress=off"];
    place.run(&demo).assert(0, &["finished: "]);
    place.run(&demo).assert(4, &["the output folder kept holds an earlier run", "--fresh"]);
    place.run(&[&demo[..], &["--fresh"]].concat()).assert(0, &["finished: "]);
}
