//! Reads a `Set-Cookie` field into its parts, without judging them.

use std::time::Duration;

use super::date;
use crate::time::Wall;

/// Bytes of name and value together (RFC 6265bis section 5.6).
const PAIR_BYTES_MAX: usize = 4_096;

/// Bytes of the value of an attribute; a longer one is as good as absent (RFC 6265bis section 5.6).
pub(super) const ATTRIBUTE_BYTES_MAX: usize = 1_024;

/// What a `Set-Cookie` field says. Of attributes that stand more than once the last counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SetCookie<'a> {
    /// The name; may be empty when the value is not.
    pub(super) name: &'a str,
    /// The value; may be empty when the name is not.
    pub(super) value: &'a str,
    /// `Expires`, when it could be read.
    pub(super) expires: Option<Wall>,
    /// `Max-Age`, when it could be read; zero for what asks to be forgotten.
    pub(super) max_age: Option<Duration>,
    /// `Domain` without a leading dot, as spelt; empty: as if absent.
    pub(super) domain: &'a str,
    /// `Path`, when it begins with a slash.
    pub(super) path: Option<&'a str>,
    /// `Secure`.
    pub(super) secure: bool,
}

impl<'a> SetCookie<'a> {
    /// Reads a field value; `None` when no cookie can come of it.
    ///
    /// Fields that are not UTF-8 are refused, which the standard leaves open: octets that are not text could not be
    /// told from a mistake in a record or a log.
    ///
    /// # Source
    /// RFC 6265bis section 5.6; that a nameless value holds no `=`: draft-ietf-httpbis-layered-cookies.
    pub(super) fn parse(field: &'a [u8]) -> Option<Self> {
        let is_forbidden = |octet: &u8| octet.is_ascii_control() && *octet != b'\t';
        if field.iter().any(is_forbidden) {
            return None;
        }
        let text = std::str::from_utf8(field).ok()?;
        let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let (name, value) = (trimmed(name), trimmed(value));
        if name.len() + value.len() > PAIR_BYTES_MAX || (name.is_empty() && value.is_empty()) {
            return None;
        }
        // Sent without its name, `=session=1` would reach the server as a cookie called `session`.
        if name.is_empty() && value.contains('=') {
            return None;
        }
        let mut cookie = Self { name, value, ..Self::default() };
        for attribute in attributes.split(';') {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            cookie.apply(trimmed(key), trimmed(value));
        }
        Some(cookie)
    }

    fn apply(&mut self, key: &str, value: &'a str) {
        if value.len() > ATTRIBUTE_BYTES_MAX {
            return;
        }
        if key.eq_ignore_ascii_case("expires") {
            self.expires = date::parse(value.as_bytes()).or(self.expires);
        } else if key.eq_ignore_ascii_case("max-age") {
            self.max_age = max_age(value).or(self.max_age);
        } else if key.eq_ignore_ascii_case("domain") {
            self.domain = value.strip_prefix('.').unwrap_or(value);
        } else if key.eq_ignore_ascii_case("path") {
            self.path = Some(value).filter(|path| path.starts_with('/'));
        } else if key.eq_ignore_ascii_case("secure") {
            self.secure = true;
        }
    }
}

/// Trims what the standard calls WSP, which is less than Rust's white space.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Reads whole seconds; a negative number is zero, one too long to hold is the longest.
fn max_age(value: &str) -> Option<Duration> {
    let (digits, negative) = value.strip_prefix('-').map_or((value, false), |digits| (digits, true));
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let seconds = if negative { 0 } else { digits.parse().unwrap_or(u64::MAX) };
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: SetCookie<'_> = SetCookie {
        name: "",
        value: "",
        expires: None,
        max_age: None,
        domain: "",
        path: None,
        secure: false,
    };

    fn check(field: &str, expected: Option<SetCookie<'_>>) {
        assert_eq!(SetCookie::parse(field.as_bytes()), expected, "{field:?}");
    }

    #[test]
    fn name_and_value_end_at_the_first_semicolon_and_part_at_the_first_equals_sign() {
        let check = |field, name, value| check(field, Some(SetCookie { name, value, ..NONE }));
        check("a=b", "a", "b");
        check(" \ta\t = b ", "a", "b");
        check("a=b=c", "a", "b=c");
        check("a=", "a", "");
        check("a=\"b;c\"", "a", "\"b");
        check("a=b, c=d", "a", "b, c=d");
        check("a b=c\td", "a b", "c\td");
        check("b", "", "b");
        check("=b", "", "b");
        check("a=b;", "a", "b");
        check("a=ü", "a", "ü");
        check("a=\u{a0}b", "a", "\u{a0}b");
    }

    #[test]
    fn what_holds_no_cookie_is_refused() {
        for field in ["", ";", "=", " = ; Path=/", "; a=b", "=a=b", "==a"] {
            check(field, None);
        }
        for control in ["a=\u{0}", "a=\u{1f}b", "a\u{7f}=b", "a=b; Path=/\u{8}", "a=b\u{b}", "a=b\u{d}"] {
            check(control, None);
        }
        assert_eq!(SetCookie::parse(b"a=\xe9"), None);
    }

    #[test]
    fn name_and_value_together_have_a_longest() {
        let longest = "v".repeat(4_095);
        let field = format!("n={longest}; Secure");
        check(&field, Some(SetCookie { name: "n", value: &longest, secure: true, ..NONE }));
        check(&format!("nn={longest}"), None);
        check(&format!("{longest}nn"), None);
    }

    #[test]
    fn attributes_are_read_without_case_and_the_last_counts() {
        let cookie = SetCookie { name: "a", value: "b", ..NONE };
        let check = |attributes: &str, expected| check(&format!("a=b; {attributes}"), Some(expected));
        check("SECURE=no", SetCookie { secure: true, ..cookie });
        check("; ;HttpOnly; SameSite=Strict; x=y;;", cookie);
        check("domain=a.org; Domain = .B.org", SetCookie { domain: "B.org", ..cookie });
        check("Domain=a.org; Domain", SetCookie { domain: "", ..cookie });
        check("Domain=..a.org", SetCookie { domain: ".a.org", ..cookie });
        check("path=/x; PATH=/y z", SetCookie { path: Some("/y z"), ..cookie });
        check("Path=/x; Path=y", SetCookie { path: None, ..cookie });
        check("Path=\"/\"", SetCookie { path: None, ..cookie });
        let when = Some(Wall::from_secs(784_111_777));
        check("Expires=Sun, 06 Nov 1994 08:49:37 GMT", SetCookie { expires: when, ..cookie });
        check("Expires=Sun, 06 Nov 1994 08:49:37 GMT; expires=0", SetCookie { expires: when, ..cookie });
    }

    #[test]
    fn a_max_age_is_whole_seconds() {
        let check = |value: &str, expected: Option<u64>| {
            let max_age = expected.map(Duration::from_secs);
            let expected = SetCookie { name: "a", value: "b", max_age, ..NONE };
            check(&format!("a=b; Max-Age={value}"), Some(expected));
        };
        check("0", Some(0));
        check("60", Some(60));
        check("007", Some(7));
        check("-1", Some(0));
        check("99999999999999999999999", Some(u64::MAX));
        check("60; Max-Age=soon", Some(60));
        for junk in ["", "-", "+1", "1.5", "1s", "--1", "1 2"] {
            check(junk, None);
        }
    }

    #[test]
    fn an_attribute_that_is_too_long_is_as_good_as_absent() {
        let cookie = SetCookie { name: "a", value: "b", ..NONE };
        let longest = format!("/{}", "p".repeat(1_023));
        check(&format!("a=b; Path={longest}"), Some(SetCookie { path: Some(&longest), ..cookie }));
        check(&format!("a=b; Path=/x; Path={longest}p"), Some(SetCookie { path: Some("/x"), ..cookie }));
        check(&format!("a=b; Secure={longest}p"), Some(cookie));
    }
}
