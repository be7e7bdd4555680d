//! Watches a crawl with a real Prometheus while it runs: every panel, every rule, and the numbers at rest.

use dragline_testkit::{Reply, Server, Site, ports, real};

use crate::http::get;
use crate::process::Place;
use crate::prometheus::{RealPrometheus, assert_metrics_are_clean};
use crate::results::Results;

/// Pages of the chain; at 150 ms each the crawl is long enough to be watched.
const PAGES: u32 = 100;

/// A chain of pages beside which everything happens that a crawl may meet.
fn site() -> Site {
    let page = |number: u32| {
        let next = (number + 1..=number + 10).filter(|next| *next < PAGES);
        let links: String = next.map(|next| format!("<a href=/page/{next}>on</a>")).collect();
        Reply::html(format!("<title>{number}</title>{links}<a href=/private/{number}>no</a>"))
    };
    let home = "<a href=/page/0>go</a><a href=/error>a</a><a href=/missing>b</a><a href=/moved>c</a>\
                <a href=/busy>d</a><a href=/file>e</a><a href=http://elsewhere.invalid/>f</a>";
    let site = Site::new()
        .on("/robots.txt", Reply::ok("text/plain", "User-agent: *\nDisallow: /private/\n"))
        .on("/", Reply::html(home))
        .on("/error", Reply::status(500))
        .on_each("/busy", vec![Reply::retry_after(429, 1), Reply::html("now")])
        .on("/moved", Reply::redirect(301, "/page/1"))
        .on("/file", Reply::ok("text/plain", "no page for handlers"));
    (0..PAGES).fold(site, |site, number| site.on(format!("/page/{number}"), page(number)))
}

#[test]
fn a_real_prometheus_sees_the_whole_crawl_and_every_panel_has_data() {
    if real::require("prometheus").is_none() || real::require("promtool").is_none() {
        return;
    }
    let server = Server::start(site()).expect("a loopback port is free");
    let admin = ports::free_address().expect("a loopback port is free");
    let place = Place::new();
    let config = format!(
        "[seeds]\nurls = ['{}']\n[politeness]\ndelay = '150ms'\nadaptive = false\n[retry]\nbase = '10ms'\n\
         [security]\nallow_networks = ['127.0.0.0/8']\n[output]\ndir = 'out'\n\
         [admin]\nlisten = '{admin}'\nlinger = '60s'\n",
        server.url("/")
    );
    place.write("dragline.toml", &config);
    let mut crawl = place.start(&["run"]);
    crawl.wait_for("metrics http://");
    let Some(prometheus) = RealPrometheus::start(admin) else { return };
    prometheus.wait_until_up();
    prometheus.assert_every_panel_has_data();
    prometheus.assert_every_rule_is_healthy();
    let scraped = get(admin, "/metrics", "tests").expect("the admin server answers");
    assert!(
        scraped.field("content-type").is_some_and(|value| value.starts_with("text/plain; version=0.0.4"))
    );
    assert_metrics_are_clean(&String::from_utf8_lossy(&scraped.body));

    crawl.wait_for("discovered ");
    let exactly = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    prometheus.wait_for_sum("dragline_state{state='stopped'}", 1.0);
    prometheus.wait_for_sum("dragline_fetches_total", exactly(server.log().count()));
    let results = Results::read(&place.path("out"));
    prometheus.wait_for_sum("dragline_urls", exactly(results.count("discovered")));
    prometheus.wait_for_sum("dragline_urls{disposition='done'}", exactly(results.count("done")));
    prometheus.wait_for_sum("dragline_urls{disposition='pending'}", 0.0);
    prometheus.wait_for_sum("dragline_frontier_skipped_total{reason='robots'}", f64::from(PAGES));
    prometheus.wait_for_sum("dragline_backoffs_total{trigger='retry_after'}", 1.0);
    crawl.signal("INT");
    crawl.wait().assert(0, &["finished"]);
}
