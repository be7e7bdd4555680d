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
        (None, Some(status)) => format!("status {status}"),
        (None, None) => response.outcome.to_string(),
    };
    RobotsAnswer::Unreachable { outcome: response.outcome, status: response.status, message: message.into() }
}
