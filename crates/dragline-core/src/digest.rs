//! Decides what a finished fetch means for its lease: a page for handlers, a redirect, rules, or a failure.

use std::sync::Arc;

use crate::fetch::FetchResponse;
use crate::frontier::{Fetched, Lease, Purpose, Settlement, Token};
use crate::http_fields;
use crate::ledger::FetchSummary;
use crate::outcome::Outcome;
use crate::page::Page;
use crate::redirect;
use crate::robots;
use crate::rules::CrawlRules;
use crate::time::Wall;

/// A finished fetch, digested on the fetcher's own thread.
#[derive(Debug)]
pub struct FetchDone {
    /// The lease.
    pub token: Token,
    /// What it means for the host.
    pub fetched: Fetched,
    /// What is kept for records.
    pub summary: FetchSummary,
    /// What happens next.
    pub next: Next,
}

/// What happens to a lease whose fetch has ended.
#[derive(Debug)]
pub enum Next {
    /// Its page goes to the handlers.
    Handle(Arc<Page>),
    /// It is settled at once.
    Settle(Settlement),
}

/// Digests a finished fetch; `at` is when it ended.
pub fn digest(lease: &Lease, response: FetchResponse, rules: &CrawlRules, at: Wall) -> FetchDone {
    let retry_after = http_fields::retry_after(&response.headers, at);
    let content_type = response.headers.get_str("content-type").and_then(|value| value.split(';').next());
    let summary = FetchSummary {
        outcome: response.outcome,
        status: response.status,
        content_type: content_type.map(|value| value.trim().into()),
        received_bytes: response.received_bytes,
        body_wire_bytes: response.body_wire_bytes,
        body_bytes: u64::try_from(response.body.len()).unwrap_or(u64::MAX),
        truncated: response.outcome == Outcome::OkTruncated,
        phases: response.phases,
        peer: response.peer,
        fetched_at: at,
        error: response.error.clone(),
    };
    let mut fetched = Fetched {
        token: lease.token,
        outcome: response.outcome,
        status: response.status,
        ttfb: response.phases.ttfb,
        retry_after,
        to_handlers: false,
    };
    let next = match (lease.purpose, response.outcome) {
        (Purpose::Robots, _) => {
            let answer = robots::answer(&response, &lease.url, &rules.robots, &rules.agent.name);
            Next::Settle(Settlement::Robots(answer))
        }
        (_, Outcome::Ok | Outcome::OkTruncated) => {
            fetched.to_handlers = true;
            Next::Handle(Arc::new(page(lease, response, at)))
        }
        (_, Outcome::Redirect) => Next::Settle(match redirect::location(&response, &lease.url) {
            Some(Ok(target)) => Settlement::Redirected(target),
            Some(Err(_)) | None => Settlement::RedirectUnusable,
        }),
        (_, outcome) => {
            Next::Settle(Settlement::FetchFailed { outcome, status: response.status, retry_after })
        }
    };
    FetchDone { token: lease.token, fetched, summary, next }
}

fn page(lease: &Lease, response: FetchResponse, at: Wall) -> Page {
    Page {
        url: lease.url.clone(),
        status: response.status.unwrap_or_default(),
        truncated: response.outcome == Outcome::OkTruncated,
        headers: response.headers,
        body: response.body,
        depth: lease.depth,
        label: lease.label.clone(),
        data: lease.data.clone(),
        referrer: lease.referrer.clone(),
        chain: Arc::clone(&lease.chain),
        attempt: lease.attempt,
        phases: response.phases,
        fetched_at: at,
        peer: response.peer,
        body_wire_bytes: response.body_wire_bytes,
        hold: response.hold,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fetch::Phase;
    use crate::headers::Headers;
    use crate::url::CanonicalUrl;

    fn lease(purpose: Purpose) -> Lease {
        Lease {
            token: Token(7),
            url: CanonicalUrl::parse("http://a/x/y").unwrap(),
            purpose,
            depth: 2,
            attempt: 1,
            generation: 0,
            label: None,
            data: None,
            referrer: None,
            chain: Arc::new([]),
            queue_wait: Duration::ZERO,
            gap: Duration::ZERO,
        }
    }

    fn response(outcome: Outcome, status: u16, headers: &[(&str, &str)]) -> FetchResponse {
        FetchResponse {
            status: Some(status),
            headers: Headers::from_pairs(headers.iter().copied()),
            body: "Disallow".into(),
            error: None,
            ..FetchResponse::failed(outcome, Phase::Body, "")
        }
    }

    fn check(purpose: Purpose, response: FetchResponse, expected: &str) {
        let done = digest(&lease(purpose), response, &CrawlRules::default(), Wall::default());
        let found = match done.next {
            Next::Handle(page) => format!("page {} at depth {}", page.status, page.depth),
            Next::Settle(settlement) => format!("{settlement:?}"),
        };
        assert!(found.starts_with(expected), "{found} is not {expected}");
    }

    #[test]
    fn every_end_of_a_fetch_has_its_meaning() {
        check(Purpose::Page, response(Outcome::Ok, 200, &[]), "page 200 at depth 2");
        check(Purpose::Page, response(Outcome::OkTruncated, 200, &[]), "page 200");
        check(
            Purpose::Page,
            response(Outcome::Redirect, 302, &[("Location", "../z")]),
            "Redirected(\"http://a/z\")",
        );
        check(
            Purpose::Page,
            response(Outcome::Redirect, 302, &[("Location", "ftp://a/")]),
            "RedirectUnusable",
        );
        check(
            Purpose::Page,
            response(Outcome::HttpError, 503, &[("Retry-After", "3")]),
            "FetchFailed { outcome: HttpError, status: Some(503), retry_after: Some(3s) }",
        );
        check(Purpose::Robots, response(Outcome::Ok, 200, &[]), "Robots(Rules");
        check(Purpose::Robots, response(Outcome::HttpError, 404, &[]), "Robots(Unavailable");
        check(Purpose::Robots, response(Outcome::HttpError, 503, &[]), "Robots(Unreachable");
    }
}
