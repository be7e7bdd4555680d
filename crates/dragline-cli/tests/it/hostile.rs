//! Fetches the whole hostile site with the program: all of it in one process, and each behaviour in one of its own.

use dragline_testkit::HostileSite;
use dragline_testkit::hostile::{Ask, Behaviour, Tally};

use crate::hostile_run::{Bed, Fetch};

/// Processes at a time.
const PROCESSES: usize = 16;
/// Resident bytes that no process may need.
const MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Per cent of the records that must be right; none may be lost, and all must be survived.
const RIGHT_PERCENT: usize = 95;

/// Every way of asking.
const ASKS: [Ask; 5] = [Ask::Get, Ask::Head, Ask::Obediently, Ask::WithSecret, Ask::WithCookies];

fn asked(site: &HostileSite, ask: Ask) -> Vec<&Behaviour> {
    site.behaviours().iter().filter(|behaviour| behaviour.ask == ask).collect()
}

/// Asserts what holds for every run of the site.
#[expect(clippy::print_stdout, reason = "the figures are for whoever runs the tests to see them")]
fn check(site: &HostileSite, tally: &Tally, peak: u64, expected: usize) {
    println!("{tally}\npeak resident set {} KiB", peak >> 10);
    assert_eq!(tally.count(), expected, "every behaviour is judged");
    assert!(tally.lost().is_empty(), "lost silently: {:?}", tally.lost());
    assert!(tally.is_right_in(RIGHT_PERCENT), "{tally}");
    assert!(peak > 0 && peak < MEMORY_BYTES_MAX, "{peak} bytes resident");
    assert_eq!(site.canary_hits(), 0, "somebody reached a canary");
    assert_eq!(site.leaks(), Vec::<String>::new(), "secrets went to another origin");
    assert_eq!(site.rude_requests(), Vec::<String>::new(), "requests that no client may send");
}

#[test]
fn the_whole_site_is_survived_by_one_process() {
    let bed = Bed::new();
    let (mut tally, mut peak) = (Tally::new(), 0);
    for ask in ASKS {
        let behaviours = asked(&bed.site, ask);
        let ended = Fetch::start(&bed, &behaviours, ask).wait();
        ended.judge(&behaviours, &mut tally);
        peak = peak.max(ended.peak_bytes);
    }
    check(&bed.site, &tally, peak, bed.site.behaviours().len());
}

#[test]
fn each_behaviour_is_survived_by_a_process_of_its_own() {
    let bed = Bed::new();
    let (mut tally, mut peak) = (Tally::new(), 0);
    let mut waiting = bed.site.behaviours().iter();
    let mut running: Vec<(&Behaviour, Fetch)> = Vec::new();
    loop {
        let free = PROCESSES - running.len();
        running.extend(waiting.by_ref().take(free).map(|behaviour| {
            let fetch = Fetch::start(&bed, &[behaviour], behaviour.ask);
            (behaviour, fetch)
        }));
        if running.is_empty() {
            break;
        }
        let ended = Fetch::any_ended(&mut running);
        for (behaviour, fetch) in ended {
            let ended = fetch.wait();
            ended.judge(&[behaviour], &mut tally);
            peak = peak.max(ended.peak_bytes);
        }
    }
    check(&bed.site, &tally, peak, bed.site.behaviours().len());
}

#[test]
fn truncated_results_are_the_beginning_of_what_was_sent() {
    let bed = Bed::new();
    let behaviours = asked(&bed.site, Ask::Get);
    let ended = Fetch::start_with(&bed, &behaviours, Ask::Get, &["--set=fetch.at_cap=truncate"]).wait();
    let mut tally = Tally::new();
    ended.judge(&behaviours, &mut tally);
    assert!(tally.lost().is_empty(), "{tally}");
    let records = ended.records(&behaviours);
    let cut = records.iter().filter(|(_, record)| record.outcome == "ok_truncated");
    assert!(cut.clone().count() >= 10, "{tally}");
    for (behaviour, record) in cut {
        assert!(record.noted, "{}: nothing says why it was cut", behaviour.name);
        assert!(record.bytes > 0, "{}: nothing is left of it", behaviour.name);
    }
    assert!(ended.peak_bytes < MEMORY_BYTES_MAX, "{} bytes resident", ended.peak_bytes);
}

#[test]
fn offering_http2_changes_nothing_for_those_who_speak_http1() {
    let bed = Bed::new();
    let mut behaviours = asked(&bed.site, Ask::Get);
    behaviours.retain(|behaviour| behaviour.url.starts_with("https:") || behaviour.name.ends_with("https"));
    let both = r#"--set=fetch.http_versions=["2", "1.1"]"#;
    let ended = Fetch::start_with(&bed, &behaviours, Ask::Get, &[both]).wait();
    let mut tally = Tally::new();
    ended.judge(&behaviours, &mut tally);
    assert!(tally.count() >= 40, "{} behaviours", tally.count());
    assert!(tally.lost().is_empty() && tally.is_right_in(RIGHT_PERCENT), "{tally}");
}

#[test]
fn no_way_leads_into_a_private_network() {
    let bed = Bed::new();
    let mut tally = Tally::new();
    for ask in [Ask::Get, Ask::Obediently] {
        let mut behaviours = asked(&bed.site, ask);
        behaviours.retain(|behaviour| behaviour.guarded);
        assert!(!behaviours.is_empty());
        let ended = Fetch::start(&bed, &behaviours, ask).wait();
        for (behaviour, record) in ended.records(&behaviours) {
            // Whatever else it says: nothing but the site itself was talked to.
            let peer = record.peer.as_deref().unwrap_or("127.0.0.1:0");
            assert!(peer.starts_with("127.0.0.1:"), "{}: {peer}", behaviour.name);
            tally.add(behaviour, &record);
        }
    }
    println!("{tally}");
    assert!(tally.lost().is_empty() && tally.is_right_in(RIGHT_PERCENT), "{tally}");
    assert!(tally.count() >= 200, "{} ways", tally.count());
    assert_eq!(bed.site.canary_hits(), 0, "somebody reached a canary");
    // The canaries do count: one who may go to 127.0.0.2 reaches one.
    let mut plain = asked(&bed.site, Ask::Get);
    plain.retain(|behaviour| behaviour.name == "guard/plain");
    Fetch::start_with(&bed, &plain, Ask::Get, &["--allow-net=127.0.0.0/8"]).wait();
    assert!(bed.site.canary_hits() > 0, "the canary counts those who come");
}

#[test]
fn nothing_on_loopback_is_dialled_unless_it_is_allowed() {
    let bed = Bed::new();
    let behaviours = asked(&bed.site, Ask::Get);
    let ended = Fetch::start_with(&bed, &behaviours, Ask::Get, &["--set=security.allow_networks=[]"]).wait();
    for (behaviour, record) in ended.records(&behaviours) {
        let (name, outcome) = (&behaviour.name, &record.outcome);
        assert!(
            ["blocked", "invalid_url", "dns_error", "timeout"].contains(&&**outcome),
            "{name}: {outcome}"
        );
        assert!(record.peer.is_none(), "{name}: {:?}", record.peer);
    }
    assert_eq!(bed.site.canary_hits(), 0);
    assert_eq!(bed.site.requests(), 0, "the site was asked something");
}
