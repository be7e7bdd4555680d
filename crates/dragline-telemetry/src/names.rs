//! Names every metric: name, help, kind, unit, labels and buckets.

/// One metric family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// The full name.
    pub name: &'static str,
    /// What it measures, for people.
    pub help: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only rises, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram(Buckets),
}

impl Kind {
    /// Returns the word of the exposition format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// The upper bounds of a histogram's buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Buckets {
    /// From the first bound, each this many times the one before, until one is at least the last.
    Exponential {
        /// The first bound.
        first: f64,
        /// Each bound per the one before.
        factor: f64,
        /// The bound that the last one reaches.
        reach: f64,
    },
    /// These bounds.
    Listed(&'static [f64]),
}

impl Buckets {
    /// Returns the bounds, rising, each rounded to three digits so that they read well.
    pub fn bounds(self) -> Vec<f64> {
        let (first, factor, reach) = match self {
            Self::Listed(bounds) => return bounds.to_vec(),
            Self::Exponential { first, factor, reach } => (first, factor, reach),
        };
        let mut bounds = Vec::new();
        let mut bound = first;
        loop {
            bounds.push(format!("{bound:.2e}").parse().unwrap_or(bound));
            if bound >= reach {
                return bounds;
            }
            bound *= factor;
        }
    }
}

/// Durations of whole operations: 1 ms to over a minute, quantiles within 3 to 8 per cent.
const DURATIONS: Buckets = Buckets::Exponential { first: 0.001, factor: 1.6, reach: 60.0 };
/// Durations of parts: 0.2 ms to over 10 s.
const PARTS: Buckets = Buckets::Exponential { first: 0.000_2, factor: 1.6, reach: 10.0 };
/// Waits that may be long: 1 ms to over an hour.
const WAITS: Buckets = Buckets::Exponential { first: 0.001, factor: 4.0, reach: 3_600.0 };
/// Sizes of bodies, in powers of two so that limits fall on bounds.
const SIZES: Buckets = Buckets::Listed(&[
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
]);
/// Gaps between two dispatches to one host, at the values people configure.
const GAPS: Buckets =
    Buckets::Listed(&[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0]);

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, help, kind: Kind::Counter, labels }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, help, kind: Kind::Gauge, labels }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    buckets: Buckets,
    help: &'static str,
) -> Family {
    Family { name, help, kind: Kind::Histogram(buckets), labels }
}

/// Declares the families and the list of all of them.
macro_rules! families {
    ($($constant:ident = $make:ident($name:literal, [$($label:literal),*], $($rest:expr),+);)+) => {
        $(#[doc = concat!("`", $name, "`")] pub const $constant: Family = $make($name, &[$($label),*], $($rest),+);)+

        /// Every family of ours, in the order of the reference.
        pub const ALL: &[Family] = &[$($constant),+];
    };
}

/// What every name of ours begins with.
pub const PREFIX: &str = "dragline_";

families! {
    FETCHES = counter("dragline_fetches_total", ["class"], "Fetches that ended, by class of their status; error: no usable response.");
    RESPONSES = counter("dragline_responses_total", ["code"], "Fetches that ended with a usable response, by status code.");
    FETCH_ERRORS = counter("dragline_fetch_errors_total", ["kind"], "Fetches that ended without a usable response, by outcome.");
    FETCH_DURATION = histogram("dragline_fetch_duration_seconds", ["class"], DURATIONS, "Time of one fetch from the call to the last byte.");
    FETCH_PHASE_DURATION = histogram("dragline_fetch_phase_duration_seconds", ["phase"], PARTS, "Time of each phase of a fetch that happened.");
    FETCH_QUEUE_WAIT = histogram("dragline_fetch_queue_wait_seconds", [], WAITS, "Time a URL was ready before it was leased.");
    RESPONSE_BODY = histogram("dragline_response_body_bytes", [], SIZES, "Size of response bodies as received, before decoding.");
    RECEIVED_BYTES = counter("dragline_received_bytes_total", [], "Bytes received, heads and framing included.");
    SENT_BYTES = counter("dragline_sent_bytes_total", [], "Bytes sent, heads and framing included.");
    FETCHES_IN_FLIGHT = gauge("dragline_fetches_in_flight", [], "Fetches under way.");
    FETCH_CONCURRENCY_LIMIT = gauge("dragline_fetch_concurrency_limit", [], "The most fetches that may be under way.");
    FETCH_RETRIES = counter("dragline_fetch_retries_total", ["reason"], "Attempts that will be followed by another, by reason.");
    REDIRECTS = counter("dragline_redirects_total", [], "Fetches that were answered with a redirect.");
    SESSION_FETCHES = counter("dragline_session_fetches_total", ["result"], "Fetches of sessions that ended, by what their handles tell.");
    SESSION_OUTSTANDING = gauge("dragline_session_fetches_outstanding", [], "Fetches of sessions that were started and have not ended.");
    CALLBACKS = counter("dragline_session_callbacks_total", ["result"], "Callbacks of sessions that ended, by result.");
    CALLBACK_DURATION = histogram("dragline_session_callback_duration_seconds", [], PARTS, "Time of one callback of a session.");
    CONNECTIONS_MADE = counter("dragline_connections_total", ["kind"], "Requests by how they came to their connection.");
    CONNECTIONS = gauge("dragline_connections", ["state"], "Open connections, by what they are doing.");
    DNS_LOOKUPS = counter("dragline_dns_lookups_total", ["result"], "Name look-ups, by result.");
    FRONTIER_URLS = gauge("dragline_frontier_urls", ["state"], "URLs that are not settled, by what they wait for.");
    FRONTIER_HOSTS = gauge("dragline_frontier_hosts", ["state"], "Hosts with unsettled URLs, by what they are doing.");
    FRONTIER_ADDED = counter("dragline_frontier_added_total", ["source"], "Distinct URLs discovered, by source.");
    FRONTIER_SKIPPED = counter("dragline_frontier_skipped_total", ["reason"], "URLs that ended skipped, by reason.");
    FRONTIER_FINISHED = counter("dragline_frontier_finished_total", ["disposition"], "URLs that ended, by disposition.");
    FRONTIER_MEMORY = gauge("dragline_frontier_memory_bytes", [], "Memory that URLs and hosts take, in round figures.");
    FRONTIER_OLDEST_READY = gauge("dragline_frontier_oldest_ready_seconds", [], "Time the URL that has been ready longest has waited.");
    LINKS = counter("dragline_links_total", ["result"], "Links offered, by what became of them.");
    URLS = gauge("dragline_urls", ["disposition"], "URLs of the accounting identity over all lives of the crawl.");
    COMMITS = counter("dragline_commits_total", [], "Commits that became durable.");
    COMMIT_DURATION = histogram("dragline_commit_duration_seconds", [], PARTS, "Time from the start of a commit until it was durable.");
    UNCOMMITTED_URLS = gauge("dragline_uncommitted_urls", [], "Fetched URLs that are settled and in no commit yet.");
    CREDITS_IN_USE = gauge("dragline_credits_in_use", ["edge"], "Credits in use on each edge.");
    CREDITS_MAX = gauge("dragline_credits_max", ["edge"], "Credits of each edge.");
    ITEMS = counter("dragline_items_total", ["sink"], "Items written, by sink.");
    DEAD_LETTERS = counter("dragline_dead_letters_total", ["handler"], "Pages given up by a handler.");
    STALE_ANSWERS = counter("dragline_stale_answers_total", [], "Answers that came for a lease no longer held.");
    ROBOTS_DECISIONS = counter("dragline_robots_decisions_total", ["decision"], "URLs judged by robots.txt, by decision.");
    ROBOTS_FETCHES = counter("dragline_robots_fetches_total", ["result"], "Fetches of robots.txt, by result.");
    ROBOTS_OBEYED = gauge("dragline_robots_obeyed", [], "1 when robots.txt is obeyed, else 0.");
    BACKOFFS = counter("dragline_backoffs_total", ["trigger"], "Backoffs of hosts that began, by trigger.");
    POLITENESS_DELAY = histogram("dragline_politeness_delay_seconds", [], GAPS, "Gap that a host kept when a URL of it was leased.");
    PAGE_DIRECTIVES = counter("dragline_page_directives_total", ["directive"], "Pages that carry a directive to crawlers.");
    ACTOR_MAILBOX_MESSAGES = gauge("dragline_actor_mailbox_messages", ["actor"], "Messages in mailboxes.");
    ACTOR_MAILBOX_CAPACITY = gauge("dragline_actor_mailbox_capacity", ["actor"], "Messages that mailboxes can hold.");
    ACTOR_INSTANCES = gauge("dragline_actor_instances", ["actor"], "Actors alive.");
    ACTOR_MESSAGES = counter("dragline_actor_messages_total", ["actor"], "Messages taken from mailboxes.");
    ACTOR_REJECTED = counter("dragline_actor_rejected_total", ["actor"], "Messages that a mailbox refused.");
    ACTOR_RESTARTS = counter("dragline_actor_restarts_total", ["actor"], "Actors started again after their death.");
    HANDLER_DURATION = histogram("dragline_handler_duration_seconds", ["handler"], DURATIONS, "Time a handler took for one page.");
    HANDLER_RESULTS = counter("dragline_handler_results_total", ["handler", "outcome"], "Pages that handlers ended with, by outcome.");
    ARBITER_LAG = histogram("dragline_arbiter_lag_seconds", ["arbiter"], PARTS, "Lateness of a 100 ms timer on each arbiter.");
    LOG_EVENTS = counter("dragline_log_events_total", ["level"], "Log events, by level.");
    STATE = gauge("dragline_state", ["state"], "1 for the state the crawl is in, 0 for the others.");
    BUILD_INFO = gauge("dragline_build_info", ["version", "revision"], "1, with the build as labels.");
}

/// The families that the process collector adds.
pub const PROCESS: [&str; 7] = [
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
];
