//! Decides whether a hop that failed is fetched again under the same handle, and after how long.

use std::time::Duration;

use dragline_core::chance::Chance;
use dragline_core::fetch::{FetchRequest, FetchResponse, Phase};
use dragline_core::retry::{Attempt, Retry, decide};
use dragline_core::rules::{CrawlRules, RetryRules};
use dragline_core::{Wall, http_fields};

/// The attempts of one fetch, all its hops together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempts {
    /// Attempts in all, the first included.
    most: u32,
    /// Attempts made; further hops of one attempt are no attempts.
    pub(super) made: u32,
    /// Those of them that do not count, because the host only asked us to come back later.
    free: u32,
}

impl Attempts {
    /// Begins with none made.
    pub(super) const fn new(most: u32) -> Self {
        Self { most, made: 0, free: 0 }
    }

    /// Notes that something is sent: the first attempt begins with the first hop.
    pub(super) fn begin(&mut self) {
        self.made = self.made.max(1);
    }

    /// Notes that a hop is sent once more.
    pub(super) const fn begin_again(&mut self) {
        self.made += 1;
    }

    /// Returns how long to wait before the request is sent once more; `None` when what came of it is its end.
    ///
    /// A method that is not idempotent is repeated only if the request was never sent (RFC 9110 section 9.2.2). Every
    /// content can be sent again: a stream is opened anew.
    pub(super) fn again(
        &mut self,
        rules: &CrawlRules,
        request: &FetchRequest,
        response: &FetchResponse,
        wall: Wall,
        chance: &mut Chance,
    ) -> Option<Duration> {
        let may_repeat = request.method.is_idempotent() || was_never_sent(response);
        if self.most <= 1 || !may_repeat || response.outcome.fail_kind().is_none() {
            return None;
        }
        let retry = RetryRules { attempts: self.most, ..rules.retry.clone() };
        let attempt = Attempt {
            made: self.made - self.free,
            outcome: response.outcome,
            status: response.status,
            retry_after: http_fields::retry_after(&response.headers, wall),
        };
        match decide(&retry, &attempt, rules.politeness.backoff_max, chance).verdict {
            Retry::Again { after, free } => {
                self.free += u32::from(free);
                Some(after)
            }
            Retry::GiveUp => None,
        }
    }
}

/// Whether the fetch failed before its connection was made.
fn was_never_sent(response: &FetchResponse) -> bool {
    let phase = response.error.as_ref().map(|error| error.phase);
    response.status.is_none() && matches!(phase, Some(Phase::Dns | Phase::Connect | Phase::Tls))
}

#[cfg(test)]
mod tests {
    use dragline_core::fetch::{Method, RequestBody};
    use dragline_core::{CanonicalUrl, Outcome};

    use super::*;

    fn request(method: Method) -> FetchRequest {
        let url = CanonicalUrl::parse("http://a/").unwrap();
        FetchRequest { method, body: RequestBody::bytes("a"), ..FetchRequest::get(url, Default::default()) }
    }

    /// Checks how often a fetch that always ends alike is sent.
    fn check(method: Method, attempts_max: u32, outcome: Outcome, phase: Phase, expected: u32) {
        let (rules, mut chance) = (CrawlRules::default(), Chance::new(1));
        let response = FetchResponse::failed(outcome, phase, "as the test wants");
        let (request, mut attempts) = (request(method), Attempts::new(attempts_max));
        attempts.begin();
        while attempts.again(&rules, &request, &response, Wall::default(), &mut chance).is_some() {
            attempts.begin_again();
        }
        assert_eq!(attempts.made, expected, "{method} {outcome} {}", phase.name());
    }

    #[test]
    fn only_what_may_be_done_twice_is_sent_twice() {
        check(Method::Get, 3, Outcome::Timeout, Phase::Ttfb, 3);
        check(Method::Get, 1, Outcome::Timeout, Phase::Ttfb, 1);
        check(Method::Get, 0, Outcome::Timeout, Phase::Ttfb, 1);
        check(Method::Get, 9, Outcome::TlsError, Phase::Tls, 1);
        check(Method::Get, 9, Outcome::Crashed, Phase::Queue, 2);
        check(Method::Put, 3, Outcome::Incomplete, Phase::Body, 3);
        check(Method::Post, 3, Outcome::Incomplete, Phase::Body, 1);
        check(Method::Post, 3, Outcome::Timeout, Phase::Ttfb, 1);
        check(Method::Post, 3, Outcome::Timeout, Phase::Connect, 3);
        check(Method::Patch, 3, Outcome::DnsError, Phase::Dns, 3);
        check(Method::Patch, 3, Outcome::Crashed, Phase::Queue, 1);
    }

    #[test]
    fn what_a_host_asks_for_is_waited_and_does_not_count() {
        let (rules, mut chance) = (CrawlRules::default(), Chance::new(1));
        let mut response = FetchResponse::failed(Outcome::HttpError, Phase::Ttfb, "as the test wants");
        response.status = Some(429);
        response.headers = dragline_core::Headers::from_pairs([("Retry-After", "7")]);
        let mut attempts = Attempts::new(2);
        attempts.begin();
        for _ in 0..5 {
            let wall = Wall::default();
            let after = attempts.again(&rules, &request(Method::Get), &response, wall, &mut chance);
            assert_eq!(after, Some(Duration::from_secs(7)));
            attempts.begin_again();
        }
        assert_eq!(attempts, Attempts { most: 2, made: 6, free: 5 });
    }
}
