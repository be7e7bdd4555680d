//! Decides whether a page is HTML when its server did not say.

use dragline_core::Page;

/// What an HTML document begins with; a space or `>` must follow.
///
/// # Source
/// MIME Sniffing, 7.1 (identifying a resource with an unknown MIME type).
const PREFIXES: [&[u8]; 17] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// Whether the page is HTML: its server says so, or says nothing and the body begins like HTML.
pub fn is_html(page: &Page) -> bool {
    page.is_html() || (is_unknown(page.content_type()) && looks_like_html(&page.body))
}

/// The media types that say nothing.
fn is_unknown(media_type: &str) -> bool {
    ["", "unknown/unknown", "application/unknown", "*/*"]
        .iter()
        .any(|name| media_type.eq_ignore_ascii_case(name))
}

/// Whether a body begins like HTML. Unlike a browser's, this rule looks behind a UTF-8 byte order mark.
fn looks_like_html(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    PREFIXES.iter().any(|prefix| {
        body.get(..prefix.len()).is_some_and(|found| found.eq_ignore_ascii_case(prefix))
            && matches!(body.get(prefix.len()), Some(b' ' | b'>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page;

    fn check(headers: &[(&str, &str)], body: &[u8], expected: bool) {
        assert_eq!(is_html(&page("http://a.org/", headers, body)), expected, "{headers:?}");
    }

    #[test]
    fn what_the_server_says_counts() {
        check(&[("Content-Type", "TEXT/html; charset=x")], b"", true);
        check(&[("Content-Type", "application/xhtml+xml")], b"", true);
        check(&[("Content-Type", "text/plain")], b"<html>", false);
    }

    #[test]
    fn without_a_type_the_first_bytes_count() {
        check(&[], b" \n<!doctype html>", true);
        check(&[], b"\xEF\xBB\xBF<p>", true);
        check(&[("Content-Type", "")], b"<!-- x --><p>", true);
        check(&[], b"<abbr>", false);
        check(&[], b"<a", false);
        check(&[], b"{\"a\": 1}", false);
    }
}
