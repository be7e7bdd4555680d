//! Checks texts that must have a form: tokens, addresses, names.

use std::net::{IpAddr, SocketAddr};

use dragline_core::CanonicalUrl;
use ipnet::IpNet;

/// The longest text that is sent in a header field.
const HEADER_BYTES_MAX: usize = 1_024;
/// The longest name of a handler or sink: it becomes a label value.
const NAME_BYTES_MAX: usize = 64;

/// A product token as robots.txt knows it (RFC 9309 2.2.1).
pub(super) fn product(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-' || byte == b'_';
    if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(good) {
        return Ok(text.into());
    }
    Err(format!("{text:?} is no product token: only letters, - and _ can be matched against robots.txt"))
}

/// The version behind the product token (RFC 9110 5.6.2: a token).
pub(super) fn version(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(good) {
        return Ok(text.into());
    }
    Err(format!("{text:?} is no version: write letters, digits and dots, such as \"1.0\""))
}

/// A text that is sent as a header field: visible ASCII and spaces.
pub(super) fn header(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.len() <= HEADER_BYTES_MAX && text.bytes().all(good) && text.trim() == text {
        return Ok(text.into());
    }
    Err(format!(
        "{text:?} cannot be sent: only visible ASCII, at most {HEADER_BYTES_MAX} bytes, no space around it"
    ))
}

/// How to reach the operator: an absolute URL or an e-mail address; empty: none.
pub(super) fn contact(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    // Parentheses would end the comment of the User-Agent field (RFC 9110 5.6.5).
    let safe = header(text).is_ok_and(|text| !text.contains(['(', ')', '\\', ' ']));
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    if safe && (is_url && CanonicalUrl::parse(text).is_ok() || is_mail(text)) {
        return Ok(Some(text.into()));
    }
    Err(format!("{text:?} is neither a URL such as \"https://example.org/bot\" nor an e-mail address"))
}

/// An e-mail address; empty: none.
pub(super) fn mail(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if is_mail(text) && header(text).is_ok() && !text.contains(' ') {
        return Ok(Some(text.into()));
    }
    Err(format!("{text:?} is no e-mail address"))
}

fn is_mail(text: &str) -> bool {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
}

/// A network in CIDR notation, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network
        .map(|network| network.trunc())
        .ok_or_else(|| format!("{text:?} is no network such as \"127.0.0.0/8\""))
}

/// A host as it stands in a canonical URL.
pub(super) fn host(text: &str) -> Result<String, String> {
    // With a port behind it a port of its own is a mistake.
    match CanonicalUrl::parse(&format!("http://{text}:1/")) {
        Ok(url) if url.path_and_query() == "/" && url.port() == 1 && !text.contains(['@', '*']) => {
            Ok(url.host().into())
        }
        _ => Err(format!("{text:?} is no host such as \"intranet.example.org\"")),
    }
}

/// A loopback address and port; empty: none.
pub(super) fn listen(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(Some(address)),
        Ok(address) => Err(format!(
            "{address} is no loopback address: the admin server has no access control and must not be reachable \
             from elsewhere"
        )),
        Err(_) => Err(format!("{text:?} is no address and port such as \"127.0.0.1:9911\"")),
    }
}

/// A name that becomes a label value.
pub(super) fn name(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(good) {
        return Ok(text.into());
    }
    Err(format!("{text:?} is no name: write lower-case letters, digits and _, at most {NAME_BYTES_MAX}"))
}

/// A content type without parameters, in lower case.
pub(super) fn content_type(text: &str) -> Result<String, String> {
    let part = |part: &str| !part.is_empty() && version(part).is_ok() && !part.contains('*');
    match text.split_once('/') {
        Some((kind, subtype)) if part(kind) && part(subtype) => Ok(text.to_ascii_lowercase()),
        _ => Err(format!("{text:?} is no content type such as \"text/html\"")),
    }
}

/// A text that is not empty.
pub(super) fn filled(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(text.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug>(read: fn(&str) -> Result<T, String>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        }
        for text in bad {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn texts_must_have_their_form() {
        check(product, &["ExampleBot", "a-b_c"], &["", "Bot2", "a b", "ü"]);
        check(version, &["1.0", "2026-11-20"], &["", "1 0", "1/2", "1.0\r\nX: y"]);
        check(header, &["", "text/html, */*;q=0.1"], &["a\r\nb", "ü", " a"]);
        check(
            contact,
            &["", "https://example.org/bot", "a@b.org", "mailto:a@b.org"],
            &["me", "a@b.org)", "x://y"],
        );
        check(mail, &["", "a@b.org"], &["a", "@b", "a@b.org\n"]);
        check(network, &["127.0.0.0/8", "::1", "fd00::/8"], &["127.0.0.0/33", "localhost", ""]);
        check(host, &["intranet", "例え.jp", "10.0.0.1"], &["", "a/b", "a:80", "u@a", "*.a"]);
        check(listen, &["", "127.0.0.1:0", "[::1]:9911"], &["0.0.0.0:80", "localhost:80", "127.0.0.1"]);
        check(name, &["links", "a_1"], &["", "Links", "a-b", "ü"]);
        check(
            content_type,
            &["text/html", "application/xhtml+xml"],
            &["html", "text/*", "a/b/c", "text/html;q=1"],
        );
    }

    #[test]
    fn hosts_and_networks_are_kept_in_one_spelling() {
        assert_eq!(host("Intranet.Example").unwrap(), "intranet.example");
        assert_eq!(network("127.1.2.3/8").unwrap().to_string(), "127.0.0.0/8");
        assert_eq!(content_type("Text/HTML").unwrap(), "text/html");
    }
}
