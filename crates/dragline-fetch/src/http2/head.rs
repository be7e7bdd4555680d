//! Writes the head of an HTTP/2 response as text, within the limits that hold for any head.

use bytes::{Bytes, BytesMut};
use dragline_core::fetch::{FetchLimits, Method};
use dragline_core::headers::Headers;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};

use crate::error::Fault;
use crate::head::{FinalHead, Framing};

/// Bytes of a field name, as in any other head.
const NAME_BYTES_MAX: usize = 1 << 10;
/// Bytes that RFC 9113 section 6.5.2 adds to each field when it measures a list of fields.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// Returns the limit that the server is told, for heads within ours however many fields they have.
///
/// The connection serves requests with other limits too, so that it is never below the default one.
pub(super) fn list_bytes_max(limits: &FetchLimits) -> u32 {
    let default = FetchLimits::default();
    let bytes = limits.head_bytes_max.max(default.head_bytes_max);
    let lines = limits.head_lines_max.max(default.head_lines_max);
    u32::try_from(bytes.saturating_add(lines.saturating_mul(FIELD_OVERHEAD_BYTES))).unwrap_or(u32::MAX)
}

/// Writes a head; `ended` says that the stream ended with it.
///
/// # Errors
/// When it passes a limit, or contradicts itself.
pub(super) fn final_head(
    status: u16,
    fields: &HeaderMap,
    ended: bool,
    method: Method,
    limits: &FetchLimits,
) -> Result<FinalHead, Fault> {
    if fields.len() >= limits.head_lines_max {
        return Err(Fault::TooLarge("the response head has too many lines"));
    }
    let mut text = BytesMut::with_capacity(fields.len() * 48 + 16);
    text.extend_from_slice(b"HTTP/2 ");
    text.extend_from_slice(status.to_string().as_bytes());
    text.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        if name.as_str().len() > NAME_BYTES_MAX {
            return Err(Fault::TooLarge("a field name is too long"));
        }
        let line_bytes = name.as_str().len() + value.len() + 4;
        if line_bytes > limits.head_line_bytes_max.max(64) {
            return Err(Fault::TooLarge("a line of the response head is too long"));
        }
        // Two more for the empty line that ends the head.
        if text.len() + line_bytes + 2 > limits.head_bytes_max.max(64) {
            return Err(Fault::TooLarge("the response head is too long"));
        }
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    let bodiless = ended || method == Method::Head || matches!(status, 204 | 304);
    let framing = match length_of(fields)? {
        _ if bodiless => Framing::Empty,
        Some(0) => Framing::Empty,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    let headers = Headers::parse(Bytes::from(text));
    Ok(FinalHead { status, headers, framing, keep_alive: true, coded: fields.contains_key(CONTENT_ENCODING) })
}

/// Reads the announced length; several are fine as long as they agree.
fn length_of(fields: &HeaderMap) -> Result<Option<u64>, Fault> {
    let mut length = None;
    for value in fields.get_all(CONTENT_LENGTH) {
        let digits = value.to_str().ok().filter(|digits| !digits.starts_with('+'));
        let number = digits.and_then(|digits| digits.parse::<u64>().ok());
        let number = number.ok_or(Fault::Protocol("content-length is not a number"))?;
        if length.replace(number).is_some_and(|earlier| earlier != number) {
            return Err(Fault::Protocol("content-length is given twice and differs"));
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn told(fields: &[(&str, &str)], ended: bool, method: Method, limits: &FetchLimits) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        match final_head(200, &map, ended, method, limits) {
            Ok(head) => {
                let raw = String::from_utf8_lossy(head.headers.raw()).into_owned();
                assert_eq!(head.headers.len(), fields.len());
                format!("{:?} {raw}", head.framing)
            }
            Err(fault) => format!("{fault:?}"),
        }
    }

    fn check(fields: &[(&str, &str)], ended: bool, method: Method, expected: &str) {
        assert_eq!(told(fields, ended, method, &FetchLimits::default()), expected);
    }

    #[test]
    fn a_head_is_written_line_by_line_and_tells_its_framing() {
        let cookies = [("set-cookie", "a=1"), ("server", "x"), ("set-cookie", "b=2")];
        let lines = "UntilClose HTTP/2 200\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nserver: x\r\n\r\n";
        check(&cookies, false, Method::Get, lines);
        check(&[], true, Method::Get, "Empty HTTP/2 200\r\n\r\n");
        let five = [("content-length", "5")];
        check(&five, false, Method::Get, "Length(5) HTTP/2 200\r\ncontent-length: 5\r\n\r\n");
        check(&five, true, Method::Head, "Empty HTTP/2 200\r\ncontent-length: 5\r\n\r\n");
        check(&five, false, Method::Head, "Empty HTTP/2 200\r\ncontent-length: 5\r\n\r\n");
        check(
            &[("content-length", "0")],
            false,
            Method::Get,
            "Empty HTTP/2 200\r\ncontent-length: 0\r\n\r\n",
        );
        let differing = [("content-length", "5"), ("content-length", "6")];
        check(&differing, false, Method::Get, "Protocol(\"content-length is given twice and differs\")");
        let words = [("content-length", "+5")];
        check(&words, false, Method::Get, "Protocol(\"content-length is not a number\")");
    }

    #[test]
    fn a_head_is_held_to_the_limits_of_its_request() {
        let limits = FetchLimits {
            head_bytes_max: 300,
            head_lines_max: 4,
            head_line_bytes_max: 100,
            ..FetchLimits::default()
        };
        let check = |fields: &[(&str, &str)], expected: &str| {
            assert!(told(fields, false, Method::Get, &limits).starts_with(expected), "{fields:?}");
        };
        let long = "v".repeat(93);
        let fields = [("a-1", long.as_str()), ("a-2", &long), ("a-3", &long), ("a-4", "")];
        check(&fields[..2], "UntilClose");
        check(&fields[..3], "TooLarge(\"the response head is too long\")");
        check(&fields, "TooLarge(\"the response head has too many lines\")");
        check(&[("a-12", &long)], "TooLarge(\"a line of the response head is too long\")");
        let name = "n".repeat(NAME_BYTES_MAX + 1);
        check(&[(&name, "")], "TooLarge(\"a field name is too long\")");
    }
}
