//! Decodes what the scanner found, attribute values and the text of a title, as the tokenizer of the standard does.

use std::borrow::Cow;

use memchr::memchr3;

use crate::charset::Charset;

/// Characters of a title that are kept.
const TITLE_CHARS_MAX: usize = 1_000;

/// Bytes of a title that are looked at: a title that is never closed swallows the rest of the document.
const TITLE_BYTES_MAX: usize = 64 << 10;

/// Decodes an attribute value: charset, line ends, NUL and character references.
///
/// The query of a URL is taken as UTF-8 in every encoding; browsers encode it in the page's own.
pub fn attribute<'a>(charset: &Charset<'_>, raw: &'a [u8]) -> Cow<'a, str> {
    let text = charset.decode(raw);
    if memchr3(b'&', b'\0', b'\r', raw).is_none() {
        return text;
    }
    match normalised(text) {
        Cow::Borrowed(text) => htmlize::unescape_attribute(text),
        Cow::Owned(text) => Cow::Owned(htmlize::unescape_attribute(text).into_owned()),
    }
}

/// Decodes a title and collapses its white space; `None` when nothing is left.
pub fn title(charset: &Charset<'_>, raw: &[u8]) -> Option<Box<str>> {
    let raw = raw.trim_ascii_start();
    let text = normalised(charset.decode(raw.get(..TITLE_BYTES_MAX).unwrap_or(raw)));
    let text = htmlize::unescape(text);
    let mut title = String::with_capacity(text.len().min(TITLE_CHARS_MAX));
    for word in text.split_ascii_whitespace() {
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(word);
    }
    if let Some((cut, _)) = title.char_indices().nth(TITLE_CHARS_MAX) {
        title.truncate(cut);
        title.truncate(title.trim_end().len());
    }
    if title.is_empty() { None } else { Some(title.into()) }
}

/// Does what the standard does to the stream of characters: CRLF and CR become LF, NUL becomes U+FFFD.
fn normalised(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(['\r', '\0']) {
        return text;
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{FFFD}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_values_are_decoded() {
        let check = |raw: &str, expected: &str| {
            assert_eq!(attribute(&Charset::utf8(), raw.as_bytes()), expected);
        };
        check("a?b=1&amp;copy=2&copy=3&lt", "a?b=1&copy=2&copy=3<");
        check("a\r\nb\rc\0&#13;", "a\nb\nc\u{FFFD}\r");
        check("plain", "plain");
    }

    #[test]
    fn titles_are_collapsed_and_cut() {
        let check = |raw: &str, expected: Option<&str>| {
            assert_eq!(title(&Charset::utf8(), raw.as_bytes()).as_deref(), expected);
        };
        check(" a\r\n &amp;\tb ", Some("a & b"));
        check(" \n", None);
        check(&"é ".repeat(2_000), Some("é ".repeat(500).trim_end()));
    }
}
