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
