//! Says of every outcome what happened, whose fault it is, whether it is tried again, and what the reader can do.

use super::Outcome;

/// What an outcome means to whoever reads it in a record, in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What happened.
    pub what: &'static str,
    /// Whose fault it is.
    pub fault: &'static str,
    /// Whether a crawl tries again by itself.
    pub retried: &'static str,
    /// What the reader can do.
    pub advice: &'static str,
}

/// What happened, whose fault it is, whether it is tried again, what to do; in the order of declaration.
const MEANINGS: [(Outcome, [&str; 4]); 20] = [
    (Outcome::Ok, ["a whole response, status below 400", "nobody", "no", "nothing to do"]),
    (Outcome::OkTruncated, ["as ok, cut at a cap", "nobody", "no", "raise `fetch.body_bytes_max` for more"]),
    (
        Outcome::HttpError,
        [
            "a whole response, status 4xx or 5xx",
            "the server's word",
            "statuses of `retry.statuses`",
            "look at status and body",
        ],
    ),
    (
        Outcome::Redirect,
        ["a redirect that this fetch does not follow", "nobody", "no", "its target is a URL of its own"],
    ),
    (
        Outcome::RedirectError,
        [
            "a redirect without a usable target, too many, or a loop",
            "the server",
            "no",
            "look at `chain`; raise `fetch.redirects_max`",
        ],
    ),
    (
        Outcome::Timeout,
        [
            "a limit of time passed, in the phase the error names",
            "server or network",
            "yes",
            "raise the limit the error names",
        ],
    ),
    (
        Outcome::TooLarge,
        [
            "over a cap: bytes, ratio, codings or head",
            "the server",
            "no",
            "raise the cap the error names, or `fetch.at_cap = \"truncate\"`",
        ],
    ),
    (
        Outcome::ProtocolError,
        [
            "no HTTP, or HTTP that contradicts itself",
            "the server",
            "no",
            "tell its operator; a capture shows the bytes",
        ],
    ),
    (
        Outcome::Incomplete,
        ["the connection ended before the response", "server or network", "yes", "fetch again later"],
    ),
    (Outcome::DecodeError, ["a content coding unknown or damaged", "the server", "no", "tell its operator"]),
    (
        Outcome::DnsError,
        ["the name did not resolve", "the name or the resolver", "yes", "check the spelling, and `[dns]`"],
    ),
    (
        Outcome::ConnectError,
        ["no connection to any address", "server or network", "yes", "fetch again later"],
    ),
    (
        Outcome::TlsError,
        [
            "handshake or certificate failed",
            "the server, or missing trust",
            "no",
            "add its authority to `tls.ca_files`, or the host to `tls.insecure_hosts`",
        ],
    ),
    (
        Outcome::ProxyError,
        [
            "the proxy failed, not the target",
            "the proxy",
            "yes, by the next proxy",
            "check `[[proxy]]`: address, user, password, what it allows",
        ],
    ),
    (
        Outcome::Blocked,
        [
            "the address guard refused the address",
            "nobody: a rule of ours",
            "no",
            "`security.allow_networks` or `--allow-net`, as the error says",
        ],
    ),
    (Outcome::InvalidUrl, ["not a URL or request that can be sent", "whoever wrote it", "no", "correct it"]),
    (
        Outcome::RobotsDenied,
        ["robots.txt disallows it", "the host's wish", "no", "leave it, or ask its operator"],
    ),
    (
        Outcome::Deferred,
        [
            "the host asked to be left alone for longer than we wait",
            "the host's wish",
            "no",
            "fetch again when it said",
        ],
    ),
    (Outcome::Cancelled, ["given up on our side", "the caller", "no", "fetch again"]),
    (Outcome::Crashed, ["the task that ran it panicked", "a bug of ours", "once", "report it, with the URL"]),
];

impl Outcome {
    /// Returns what the outcome means.
    pub fn meaning(self) -> Meaning {
        let row = MEANINGS.iter().find(|(outcome, _)| *outcome == self);
        let [what, fault, retried, advice] = row.map_or([self.name(); 4], |(_, words)| *words);
        Meaning { what, fault, retried, advice }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_explained() {
        assert_eq!(MEANINGS.map(|(outcome, _)| outcome), Outcome::ALL);
    }

    #[test]
    fn what_is_told_of_retries_is_what_happens() {
        for outcome in Outcome::ALL {
            let told = outcome.meaning().retried;
            let by_status = outcome == Outcome::HttpError;
            assert_eq!(told != "no", outcome.may_retry() || by_status, "{outcome}: {told}");
        }
    }
}
