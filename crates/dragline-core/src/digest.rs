//! Decides what a finished fetch means for its lease: a page for handlers, a redirect, rules, or a failure.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::fetch::FetchResponse;
use crate::frontier::{Fetched, Lease, Purpose, Settlement, Token};
use crate::headers::Headers;
use crate::http_fields;
use crate::ledger::FetchSummary;
use crate::outcome::Outcome;
use crate::page::Page;
use crate::redirect;
use crate::robots;
use crate::rules::CrawlRules;
use crate::time::Wall;

/// The longest `ETag` or `Last-Modified` that is kept.
const VALIDATOR_BYTES_MAX: usize = 1 << 10;

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
    let is_unchanged = lease.revisit.is_some() && response.status == Some(304);
    // A server need not repeat by what it is asked.
    let known = lease.revisit.as_deref().filter(|_| is_unchanged);
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
        etag: validator(&response.headers, "etag").or_else(|| known?.etag.clone()),
        last_modified: validator(&response.headers, "last-modified").or_else(|| known?.last_modified.clone()),
        digest: body_digest(lease.purpose, &response).or_else(|| known?.digest),
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
        // Nothing came that a handler could look at: the page is as it was.
        (_, Outcome::Ok) if is_unchanged => Next::Settle(Settlement::Done),
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

/// Returns a field by which a server can be asked whether something has changed; only what can be sent back as it came.
fn validator(headers: &Headers, name: &str) -> Option<Box<str>> {
    let value = headers.get_str(name)?;
    let fits = !value.is_empty() && value.len() <= VALIDATOR_BYTES_MAX;
    (fits && !value.contains(char::is_control)).then(|| value.into())
}

/// Returns the digest of a page's body when it is whole. Costs about 60 ns for a KiB, on the fetcher's thread.
fn body_digest(purpose: Purpose, response: &FetchResponse) -> Option<u128> {
    let whole = purpose == Purpose::Page && response.outcome == Outcome::Ok && !response.body.is_empty();
    whole.then(|| xxh3_128(&response.body))
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
            revisit: None,
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
    fn only_a_whole_page_has_a_digest() {
        let check = |purpose, outcome, body: &'static str, expected: Option<u128>| {
            let response = FetchResponse { body: body.into(), ..response(outcome, 200, &[]) };
            let done = digest(&lease(purpose), response, &CrawlRules::default(), Wall::default());
            assert_eq!(done.summary.digest, expected, "{purpose:?} {outcome:?} {body:?}");
        };
        // As `xxh128sum` prints it.
        let a = Some(0xa96f_af70_5af1_6834_e6c6_32b6_1e96_4e1f_u128);
        check(Purpose::Page, Outcome::Ok, "a", a);
        check(Purpose::Page, Outcome::Ok, "", None);
        check(Purpose::Page, Outcome::OkTruncated, "a", None);
        check(Purpose::Page, Outcome::HttpError, "a", None);
        check(Purpose::Robots, Outcome::Ok, "a", None);
    }

    #[test]
    fn validators_are_kept_as_they_came_when_they_can_be_sent_back() {
        let long = "x".repeat(VALIDATOR_BYTES_MAX);
        let longer = "x".repeat(VALIDATOR_BYTES_MAX + 1);
        let check = |value: &str, expected: Option<&str>| {
            let response = response(Outcome::Ok, 200, &[("ETag", value), ("Last-Modified", value)]);
            let summary =
                digest(&lease(Purpose::Page), response, &CrawlRules::default(), Wall::default()).summary;
            assert_eq!((summary.etag.as_deref(), summary.last_modified.as_deref()), (expected, expected));
        };
        check("W/\"a, b\"", Some("W/\"a, b\""));
        check("not a date", Some("not a date"));
        check(&long, Some(&long));
        check(&longer, None);
        check("", None);
        check("a\u{1}b", None);
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

    #[test]
    fn a_page_that_is_as_it_was_is_done_and_keeps_what_is_known_of_it() {
        use crate::frontier::Revisit;
        let known = Revisit {
            generation: 3,
            etag: Some("\"v7\"".into()),
            last_modified: Some("Thu, 01 Jan 1970 00:00:00 GMT".into()),
            digest: Some(9),
            ..Revisit::default()
        };
        assert_eq!(known.conditions().len(), 2);
        assert_eq!(&*known.conditions()[0].1, "\"v7\"");
        let mut lease = lease(Purpose::Page);
        let unchanged = |lease: &Lease| {
            let mut response = FetchResponse::failed(Outcome::Ok, Phase::Body, "");
            (response.status, response.error) = (Some(304), None);
            digest(lease, response, &CrawlRules::default(), Wall::from_secs(0))
        };
        assert!(matches!(unchanged(&lease).next, Next::Handle(_)), "nobody asked whether it has changed");
        lease.revisit = Some(Arc::new(known));
        let done = unchanged(&lease);
        assert!(matches!(done.next, Next::Settle(Settlement::Done)) && !done.fetched.to_handlers);
        assert_eq!((done.summary.etag.as_deref(), done.summary.digest), (Some("\"v7\""), Some(9)));
    }
}
