//! Lists the closed label sets that are not enums of the core.

use dragline_core::Outcome;
use dragline_core::frontier::RobotsAnswer;

/// Declares a closed set of label values: an enum with `ALL` and `name`.
macro_rules! label_set {
    ($(#[$doc:meta])* $set:ident { $($(#[$value_doc:meta])* $value:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $set {
            $($(#[$value_doc])* $value,)+
        }

        impl $set {
            /// Every value, in the order of declaration.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$value),+];

            /// Returns the label value.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)+
                }
            }
        }
    };
}

label_set! {
    /// What the handle of a session's fetch tells at its end.
    SessionResult {
        /// A response, whatever its status.
        Response = "response",
        /// No response: the fetch failed or was refused.
        Failed = "failed",
        /// A response whose callback failed.
        CallbackFailed = "callback_failed",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

label_set! {
    /// How a callback of a session ended.
    CallbackResult {
        /// It returned a value.
        Ok = "ok",
        /// It returned an error.
        Error = "error",
        /// It panicked.
        Panic = "panic",
        /// It took too long.
        Timeout = "timeout",
        /// Its worker process died, or was no worker.
        WorkerLost = "worker_lost",
    }
}

label_set! {
    /// How a fetch ended, in five classes.
    Class {
        /// A response with a status of 200 to 299.
        Success = "2xx",
        /// A response with a status of 300 to 399.
        Redirection = "3xx",
        /// A response with a status of 400 to 499.
        ClientError = "4xx",
        /// A response with a status of 500 or more.
        ServerError = "5xx",
        /// No usable response.
        Error = "error",
    }
}

impl Class {
    /// Returns the class of a fetch that ended with `outcome` and, when a head arrived, `status`.
    ///
    /// # Source
    /// RFC 9110 15: a status outside 100 to 599 is treated as 5xx.
    pub const fn of(outcome: Outcome, status: Option<u16>) -> Self {
        if !outcome.has_response() {
            return Self::Error;
        }
        match (status, outcome) {
            (Some(200..=299), _) | (None | Some(100..=199), Outcome::Ok | Outcome::OkTruncated) => {
                Self::Success
            }
            (Some(300..=399), _) | (None | Some(100..=199), Outcome::Redirect) => Self::Redirection,
            (Some(400..=499), _) => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

label_set! {
    /// Why a URL is fetched again.
    RetryReason {
        /// The status is one of `[retry] statuses`.
        Status = "status",
        /// The attempt timed out.
        Timeout = "timeout",
        /// No connection could be made, to the host or to the proxy.
        Connect = "connect",
        /// The connection ended before the response did.
        Reset = "reset",
        /// Anything else: the name did not resolve, a task crashed, a handler asked for it.
        Other = "other",
    }
}

impl RetryReason {
    /// Returns the reason that an attempt which ended with `outcome` gives for the next one.
    pub const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::HttpError => Self::Status,
            Outcome::Timeout => Self::Timeout,
            Outcome::ConnectError | Outcome::ProxyError => Self::Connect,
            Outcome::Incomplete => Self::Reset,
            _ => Self::Other,
        }
    }
}

label_set! {
    /// How robots.txt decided about one URL.
    RobotsDecision {
        /// Allowed by a rule, or because no rule matched.
        Allowed = "allowed",
        /// Disallowed by a rule.
        Disallowed = "disallowed",
        /// Allowed because robots.txt is unavailable (RFC 9309 2.3.1.3).
        AssumedAllowed = "assumed_allowed",
        /// Disallowed because robots.txt is unreachable (RFC 9309 2.3.1.4).
        AssumedDisallowed = "assumed_disallowed",
    }
}

label_set! {
    /// How a robots.txt fetch ended, in the words of RFC 9309 2.3.1.
    RobotsResult {
        /// Rules were read.
        Successful = "successful",
        /// A 4xx: everything may be fetched.
        Unavailable = "unavailable",
        /// A 5xx or no answer: nothing may be fetched.
        Unreachable = "unreachable",
        /// More redirects than are followed: as unavailable.
        TooManyRedirects = "too_many_redirects",
    }
}

impl RobotsResult {
    /// Returns the result that an answer stands for, or `None` for a redirect: the errand goes on.
    pub const fn of(answer: &RobotsAnswer) -> Option<Self> {
        match answer {
            RobotsAnswer::Rules(_) => Some(Self::Successful),
            RobotsAnswer::Unavailable { too_many_redirects: false } => Some(Self::Unavailable),
            RobotsAnswer::Unavailable { too_many_redirects: true } => Some(Self::TooManyRedirects),
            RobotsAnswer::Unreachable { .. } => Some(Self::Unreachable),
            RobotsAnswer::Redirect(_) => None,
        }
    }
}

label_set! {
    /// What a page asks of crawlers.
    Directive {
        /// Not to be kept.
        Noindex = "noindex",
        /// Its links are not to be followed.
        Nofollow = "nofollow",
    }
}

label_set! {
    /// How a handler ended with one page.
    HandlerOutcome {
        /// It answered.
        Ok = "ok",
        /// It answered that it failed.
        Error = "error",
        /// It panicked.
        Panic = "panic",
        /// It did not answer in time.
        Timeout = "timeout",
    }
}

label_set! {
    /// An edge with credits, in the order in which they are taken.
    Edge {
        /// Pages from lease to settle.
        Page = "page",
        /// Fetches under way.
        Lane = "lane",
        /// Bytes of bodies, in steps of 64 KiB.
        Bytes = "bytes",
        /// Pages at handlers.
        Handler = "handler",
        /// Batches at sinks.
        Sink = "sink",
    }
}

label_set! {
    /// What a crawl is doing.
    RunState {
        /// Recovers its state and starts its actors.
        Starting = "starting",
        /// Leases URLs.
        Running = "running",
        /// Leases nothing until resumed.
        Paused = "paused",
        /// Leases nothing until there is space on a disk.
        WaitingForSpace = "waiting_for_space",
        /// Finishes what is under way and leases nothing new.
        Draining = "draining",
        /// Has ended.
        Stopped = "stopped",
    }
}

label_set! {
    /// How a name was resolved.
    DnsResult {
        /// From the cache.
        Cached = "cached",
        /// By asking.
        Resolved = "resolved",
        /// Not at all.
        Failed = "failed",
    }
}

label_set! {
    /// How a fetch came to its connection.
    ConnectionKind {
        /// It was opened for it.
        New = "new",
        /// It had served an earlier request.
        Reused = "reused",
    }
}

label_set! {
    /// What an open connection is doing.
    ConnectionState {
        /// Serves a request.
        Busy = "busy",
        /// Waits for the next one.
        Idle = "idle",
    }
}

label_set! {
    /// The states of URLs that are not settled, in the order of the frontier's gauge.
    UrlState {
        /// Could be leased now but for want of lanes.
        Ready = "ready",
        /// Wait for their host's next time, slot or robots.txt.
        Delayed = "delayed",
        /// Wait for another attempt.
        RetryWait = "retry_wait",
        /// Leased or fetched.
        InFlight = "in_flight",
    }
}

label_set! {
    /// The states of hosts with unsettled URLs, in the order of the frontier's gauge.
    HostState {
        /// Due, with a free slot and a waiting URL.
        Ready = "ready",
        /// Wait for their gap to pass.
        Waiting = "waiting",
        /// Wait for a penalty or a `Retry-After` to pass.
        BackingOff = "backing_off",
        /// Wait for robots.txt.
        RobotsPending = "robots_pending",
        /// Have every slot in use.
        Busy = "busy",
        /// Were given up after only refusing for too long.
        Parked = "parked",
    }
}

/// The results of a link beside the refusals of the core, first among the values of `dragline_links_total`.
pub const LINK_NEW: &str = "new";
/// A link to a URL that was known.
pub const LINK_DUPLICATE: &str = "duplicate";
/// The dispositions of the accounting identity, URLs not settled last.
pub const DISPOSITIONS: [&str; 5] = ["done", "redirected", "failed", "skipped", "pending"];
/// The levels of log events, from the gravest.
pub const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_is_classed_by_its_outcome_and_then_by_its_status() {
        let check = |outcome, status, expected: &str| assert_eq!(Class::of(outcome, status).name(), expected);
        check(Outcome::Ok, Some(204), "2xx");
        check(Outcome::Ok, Some(304), "3xx");
        check(Outcome::Redirect, None, "3xx");
        check(Outcome::HttpError, Some(429), "4xx");
        check(Outcome::HttpError, Some(999), "5xx");
        check(Outcome::HttpError, None, "5xx");
        check(Outcome::RedirectError, Some(302), "error");
        check(Outcome::TooLarge, Some(200), "error");
    }

    #[test]
    fn every_retryable_outcome_has_a_reason() {
        let check = |outcome, expected: &str| assert_eq!(RetryReason::of(outcome).name(), expected);
        check(Outcome::HttpError, "status");
        check(Outcome::Timeout, "timeout");
        check(Outcome::ProxyError, "connect");
        check(Outcome::Incomplete, "reset");
        check(Outcome::Crashed, "other");
    }
}
