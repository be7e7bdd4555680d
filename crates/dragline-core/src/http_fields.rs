//! Reads the response fields that say when to come back.

use std::time::{Duration, SystemTime};

use crate::headers::Headers;
use crate::time::Wall;

/// The longest wait that is told apart; every limit on waits lies far below.
const WAIT_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Returns how long from now `Retry-After` asks to wait, at most a year; `None` when it is absent or junk.
///
/// The value is a number of seconds or a date in any of the three forms of HTTP. A date is taken against the
/// response's own `Date`, so that a wrong clock on either side does no harm, else against `received`. A negative number
/// or a date that has passed gives zero, which is not the same as none. Of several fields the longest wait counts.
///
/// # Source
/// RFC 9110 sections 5.6.7 and 10.2.3.
pub fn retry_after(headers: &Headers, received: Wall) -> Option<Duration> {
    let sent = || headers.get_str("date").and_then(date).unwrap_or(received);
    let waits = headers.get_all("retry-after").filter_map(|value| {
        let text = std::str::from_utf8(value).ok()?;
        seconds(text).or_else(|| date(text).map(|when| when.since(sent())))
    });
    waits.max().map(|wait| wait.min(WAIT_MAX))
}

/// Reads whole seconds; a number too long to hold is the longest wait, a negative one zero.
fn seconds(text: &str) -> Option<Duration> {
    let (digits, negative) = text.strip_prefix('-').map_or((text, false), |digits| (digits, true));
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let wait = if negative { 0 } else { digits.parse().unwrap_or(u64::MAX) };
    Some(Duration::from_secs(wait))
}

fn date(text: &str) -> Option<Wall> {
    let when = httpdate::parse_http_date(text).ok()?;
    let since_epoch = when.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Wall::default() + since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    const RECEIVED: Wall = Wall::from_secs(784_111_777);

    fn check(fields: &[(&str, &str)], expected: Option<u64>) {
        let headers = Headers::from_pairs(fields.iter().copied());
        assert_eq!(retry_after(&headers, RECEIVED), expected.map(Duration::from_secs), "{fields:?}");
    }

    #[test]
    fn seconds_and_all_three_forms_of_dates_are_read() {
        let check = |value: &str, expected| check(&[("Retry-After", value)], expected);
        check("120", Some(120));
        check("0", Some(0));
        check("-5", Some(0));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check("Sunday, 06-Nov-94 08:50:37 GMT", Some(60));
        check("Sun Nov  6 08:50:37 1994", Some(60));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(365 * 24 * 3_600));
        check("99999999999999999999999", Some(365 * 24 * 3_600));
        for junk in ["", "-", "soon", "1.5", "1e3", "12 0", "+5", "Sun, 36 Nov 1994 08:49:37 GMT"] {
            check(junk, None);
        }
    }

    #[test]
    fn a_date_is_taken_against_the_date_of_the_response() {
        let when = ("Retry-After", "Sun, 06 Nov 1994 10:00:10 GMT");
        check(&[when, ("Date", "Sun, 06 Nov 1994 10:00:00 GMT")], Some(10));
        check(&[when, ("Date", "Sun, 06 Nov 1994 11:00:00 GMT")], Some(0));
        check(&[when, ("Date", "yesterday")], Some(4_233));
        check(&[("Retry-After", "7"), ("Date", "Sun, 06 Nov 1994 10:00:00 GMT")], Some(7));
    }

    #[test]
    fn of_several_fields_the_longest_wait_counts() {
        check(&[], None);
        check(&[("retry-after", "5"), ("Retry-After", "junk"), ("RETRY-AFTER", "9")], Some(9));
    }
}
