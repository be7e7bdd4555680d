//! Holds a frontier to its limits: of waiting URLs of one host, of hosts, and of memory.

use dragline_core::disposition::{LinkRefusal, SkipReason};
use dragline_core::frontier::OfferReport;

use crate::frontier_kit::{Rig, free_rules, links};

/// The rules by which URLs were skipped, with how many.
fn skipped(report: &OfferReport) -> Vec<&str> {
    assert!(report.skipped.iter().all(|skip| skip.decision.verdict == SkipReason::HostLimit));
    report.skipped.iter().map(|skip| skip.decision.rule).collect()
}

/// Offers pages of one host by number.
fn offer(rig: &mut Rig, numbers: std::ops::Range<u32>) -> OfferReport {
    let urls: Vec<String> = numbers.map(|number| format!("http://a/{number}")).collect();
    rig.offer(&urls.iter().map(String::as_str).collect::<Vec<_>>(), links(1))
}

#[test]
fn so_many_urls_of_a_host_wait_and_no_more() {
    let mut rules = free_rules();
    rules.limits.pending_per_host_max = 2;
    let mut rig = Rig::new(rules);
    let report = rig.offer(&["http://a/1", "http://a/2", "http://a/3", "http://b/1"], links(1));
    assert_eq!((report.new, skipped(&report)), (3, vec!["state.pending_per_host_max"]));
    let lease = rig.lease_for(1, 0).leases.remove(0);
    let report = rig.offer(&["http://a/3", "http://a/4"], links(1));
    assert_eq!(
        (report.duplicate, report.new),
        (1, 1),
        "what was skipped stays so; one that is leased does not wait"
    );
    rig.finish(lease.token);
}

#[test]
fn so_many_hosts_are_known_and_no_more() {
    let mut rules = free_rules();
    rules.limits.hosts_max = 2;
    let mut rig = Rig::new(rules);
    let report =
        rig.offer(&["http://a/1", "http://b/1", "http://c/1", "http://b/2", "http://a:81/"], links(1));
    assert_eq!((report.new, skipped(&report)), (3, vec!["state.hosts_max", "state.hosts_max"]));
    assert_eq!(rig.stats().hosts_known, 2);
}

#[test]
fn links_are_refused_while_the_frontier_takes_all_the_memory_it_may() {
    let unlimited = {
        let mut rig = Rig::new(free_rules());
        offer(&mut rig, 0..100);
        rig.stats().memory_bytes
    };
    let mut rules = free_rules();
    rules.limits.memory_max = unlimited;
    let mut rig = Rig::new(rules);
    let report = offer(&mut rig, 0..300);
    let refused = report.refused[LinkRefusal::Memory as usize];
    assert_eq!((report.new, refused), (100, 200));
    assert!(rig.stats().memory_bytes >= unlimited);
    let leases = rig.lease();
    for lease in leases.iter().take(10) {
        rig.finish(lease.token);
    }
    let report = offer(&mut rig, 100..300);
    assert!((1..=10).contains(&report.new), "those that ended make room: {report:?}");
    assert_eq!(report.new + report.refused[LinkRefusal::Memory as usize], 200);
    assert_eq!(rig.stats().discovered, u64::from(100 + report.new), "a refused link is not known");
}
