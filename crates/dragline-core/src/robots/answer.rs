//! Judges what the fetch of a robots.txt means for its origin (RFC 9309 section 2.3.1).

use std::sync::Arc;

use super::txt::RobotsTxt;
use crate::fetch::FetchResponse;
use crate::frontier::RobotsAnswer;
use crate::outcome::Outcome;
use crate::redirect;
use crate::rules::RobotsRules;
use crate::url::CanonicalUrl;

/// Judges one finished fetch of a robots.txt at `url`.
///
/// 2xx, a cut body included, gives rules; 3xx the next place to ask, or unavailable when it names none that can be
/// fetched; 4xx unavailable, which allows everything; 429, 5xx and every failed fetch unreachable, which allows
/// nothing. Redirects are not counted here.
///
/// # Source
/// RFC 9309 section 2.3.1; 429 as 5xx by Google's practice.
pub fn answer(
    response: &FetchResponse,
    url: &CanonicalUrl,
    rules: &RobotsRules,
    product_token: &str,
) -> RobotsAnswer {
    let status = response.status.unwrap_or_default();
    match (response.outcome, status) {
        (Outcome::Ok, 200..=299) => {
            let robots = RobotsTxt::parse(&response.body, rules.bytes_max, product_token);
            RobotsAnswer::Rules(Arc::new(robots))
        }
        (Outcome::OkTruncated, 200..=299) => cut(response, rules, product_token),
        (Outcome::TooLarge, 200..=299) if !response.body.is_empty() => cut(response, rules, product_token),
        (Outcome::Ok | Outcome::OkTruncated | Outcome::Redirect | Outcome::RedirectError, 300..=399) => {
            match redirect::location(response, url) {
                Some(Ok(target)) => RobotsAnswer::Redirect(target),
                Some(Err(_)) | None => RobotsAnswer::Unavailable { too_many_redirects: false },
            }
        }
        (Outcome::HttpError, 400..=428 | 430..=499) => {
            RobotsAnswer::Unavailable { too_many_redirects: false }
        }
        _ => unreachable_answer(response),
    }
}

fn cut(response: &FetchResponse, rules: &RobotsRules, product_token: &str) -> RobotsAnswer {
    RobotsAnswer::Rules(Arc::new(RobotsTxt::parse_cut(&response.body, rules.bytes_max, product_token)))
}

fn unreachable_answer(response: &FetchResponse) -> RobotsAnswer {
    let message = match (&response.error, response.status) {
        (Some(error), _) => error.to_string(),
        (None, Some(status)) if response.outcome == Outcome::HttpError => format!("status {status}"),
        (None, Some(status)) => format!("{}, after status {status}", response.outcome),
        (None, None) => response.outcome.to_string(),
    };
    RobotsAnswer::Unreachable { outcome: response.outcome, status: response.status, message: message.into() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::fetch::Phase;
    use crate::headers::Headers;

    const BODY: &str = "User-agent: *\nDisallow: /a\nDisallow: /b";

    fn response(outcome: Outcome, status: Option<u16>, location: Option<&str>) -> FetchResponse {
        FetchResponse {
            outcome,
            status,
            headers: Headers::from_pairs(location.map(|location| ("Location", location))),
            body: Bytes::from_static(BODY.as_bytes()),
            error: None,
            ..FetchResponse::failed(outcome, Phase::Body, "")
        }
    }

    fn shown(response: &FetchResponse) -> String {
        let url = CanonicalUrl::parse("http://a.org/robots.txt").unwrap();
        match answer(response, &url, &RobotsRules::default(), "dragline") {
            RobotsAnswer::Rules(robots) => {
                let allowed = |path| robots.check(path).allowed;
                format!("rules {} {} {}", allowed("/a"), allowed("/b"), robots.truncated())
            }
            RobotsAnswer::Unavailable { too_many_redirects } => format!("unavailable {too_many_redirects}"),
            RobotsAnswer::Unreachable { message, .. } => format!("unreachable: {message}"),
            RobotsAnswer::Redirect(target) => format!("redirect {target}"),
        }
    }

    #[test]
    fn the_end_of_a_fetch_decides_what_its_origin_allows() {
        let check = |outcome, status, expected: &str| {
            assert_eq!(shown(&response(outcome, status, None)), expected, "{outcome} {status:?}");
        };
        check(Outcome::Ok, Some(200), "rules false false false");
        check(Outcome::Ok, Some(206), "rules false false false");
        check(Outcome::OkTruncated, Some(200), "rules false true true");
        check(Outcome::TooLarge, Some(200), "rules false true true");
        check(Outcome::Ok, Some(304), "unavailable false");
        check(Outcome::RedirectError, Some(302), "unavailable false");
        check(Outcome::HttpError, Some(404), "unavailable false");
        check(Outcome::HttpError, Some(401), "unavailable false");
        check(Outcome::HttpError, Some(429), "unreachable: status 429");
        check(Outcome::HttpError, Some(503), "unreachable: status 503");
        check(Outcome::HttpError, Some(999), "unreachable: status 999");
        check(Outcome::Timeout, None, "unreachable: timeout");
        check(Outcome::Incomplete, Some(200), "unreachable: incomplete, after status 200");
    }

    #[test]
    fn a_redirect_is_followed_where_it_can_be() {
        let check = |location: &str, expected: &str| {
            assert_eq!(
                shown(&response(Outcome::Redirect, Some(301), Some(location))),
                expected,
                "{location}"
            );
        };
        check("/r.txt", "redirect http://a.org/r.txt");
        check("https://www.a.org/robots.txt", "redirect https://www.a.org/robots.txt");
        check("ftp://a.org/robots.txt", "unavailable false");
        check("http://", "unavailable false");
    }

    #[test]
    fn a_failure_says_what_went_wrong() {
        let failed = FetchResponse::failed(Outcome::DnsError, Phase::Dns, "no such host");
        assert_eq!(shown(&failed), "unreachable: no such host (in phase dns)");
        let empty = FetchResponse { body: Bytes::new(), ..response(Outcome::TooLarge, Some(200), None) };
        assert_eq!(shown(&empty), "unreachable: too_large, after status 200");
    }
}
