//! Decides in which encoding a page is written, and decodes it.
//!
//! In this order: a byte order mark, the `charset` of the `Content-Type` field, a declaration in the first 1,024
//! bytes, UTF-8 when the body is valid UTF-8, and a guess from at most 64 KiB. Only the last two look at the whole
//! body, and they are put off until an octet outside ASCII must be decoded.
//!
//! # Source
//! HTML, 13.2.3 (determining the character encoding); Encoding, 6.1.

use std::borrow::Cow;
use std::cell::OnceCell;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use dragline_core::{Headers, Page};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use crate::scanner::{Scanner, TagKind};

/// How far into a body a declaration of its encoding is looked for.
const PRESCAN_BYTES_MAX: usize = 1_024;

/// How much of a body is looked at to guess its encoding.
const GUESS_BYTES_MAX: usize = 64 << 10;

/// Returns the body of a page as text; borrowed when it is valid UTF-8. What cannot be decoded becomes U+FFFD.
pub fn text(page: &Page) -> Cow<'_, str> {
    Charset::of(page).decode_body()
}

/// Returns the encoding of a page, such as `UTF-8` or `windows-1252`.
pub fn encoding(page: &Page) -> &'static Encoding {
    Charset::of(page).encoding()
}

/// The encoding of one page, looked for when it is needed.
#[derive(Debug)]
pub struct Charset<'a> {
    body: &'a [u8],
    host: &'a str,
    declared: Option<&'static Encoding>,
    guessed: OnceCell<&'static Encoding>,
}

impl<'a> Charset<'a> {
    /// Looks for a mark or a declaration.
    pub fn of(page: &'a Page) -> Self {
        Self::of_response(&page.body, &page.headers, page.url.host())
    }

    /// As [`Charset::of`], for a body that is no page: a response with its fields and the host it came from.
    pub fn of_response(body: &'a [u8], headers: &Headers, host: &'a str) -> Self {
        let declared = Encoding::for_bom(body)
            .map(|(encoding, _)| encoding)
            .or_else(|| Encoding::for_label(label_in(headers.get("content-type")?)?))
            .or_else(|| prescan(body.get(..PRESCAN_BYTES_MAX).unwrap_or(body)));
        Self { body, host, declared, guessed: OnceCell::new() }
    }

    /// For text that was decoded before.
    pub fn utf8() -> Self {
        Self { body: b"", host: "", declared: Some(UTF_8), guessed: OnceCell::new() }
    }

    /// Whether every ASCII octet of the body stands for itself, so that markup can be found without decoding.
    pub fn is_ascii_compatible(&self) -> bool {
        self.declared.is_none_or(Encoding::is_ascii_compatible)
    }

    /// Returns the encoding, guessed if nothing declares it.
    pub fn encoding(&self) -> &'static Encoding {
        self.declared.unwrap_or_else(|| self.guessed.get_or_init(|| guess(self.body, self.host)))
    }

    /// Decodes the whole body; a byte order mark at its beginning is dropped.
    pub fn decode_body(&self) -> Cow<'a, str> {
        self.encoding().decode_with_bom_removal(self.body).0
    }

    /// Decodes a part of the body.
    pub fn decode<'b>(&self, bytes: &'b [u8]) -> Cow<'b, str> {
        if self.is_ascii_compatible()
            && bytes.is_ascii()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Cow::Borrowed(text);
        }
        self.encoding().decode_without_bom_handling(bytes).0
    }
}

/// Returns the value of `charset=` in a media type or the content of a `<meta>`.
///
/// # Source
/// HTML, 2.6.5 (extracting a character encoding from a meta element).
fn label_in(value: &[u8]) -> Option<&[u8]> {
    let mut rest = value;
    loop {
        let at = rest.windows(7).position(|seven| seven.eq_ignore_ascii_case(b"charset"))?;
        rest = rest.get(at + 7..)?.trim_ascii_start();
        let Some(label) = rest.strip_prefix(b"=") else { continue };
        let label = label.trim_ascii_start();
        return match label.first()? {
            quote @ (b'"' | b'\'') => label.get(1..)?.split(|byte| byte == quote).next(),
            _ => label.split(|byte| byte.is_ascii_whitespace() || *byte == b';').next(),
        };
    }
}

/// Looks for an XML declaration or a `<meta>` that names the encoding.
fn prescan(head: &[u8]) -> Option<&'static Encoding> {
    xml_declaration(head)
        .or_else(|| Scanner::new(head).find_map(|tag| declared_by_meta(&tag)))
        .map(as_scanned)
}

/// Returns the encoding that a `<meta>` declares.
fn declared_by_meta(tag: &crate::scanner::Tag<'_>) -> Option<&'static Encoding> {
    if tag.kind != TagKind::Meta {
        return None;
    }
    let attributes = &tag.attributes;
    if let Some(label) = attributes.charset {
        return Encoding::for_label(label);
    }
    let declares = attributes.http_equiv?.trim_ascii().eq_ignore_ascii_case(b"content-type");
    if declares { Encoding::for_label(label_in(attributes.content?)?) } else { None }
}

/// Whoever could read a declaration in ASCII does not read UTF-16; the rest is the standard's list of exceptions.
fn as_scanned(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == UTF_16BE || encoding == UTF_16LE {
        UTF_8
    } else if encoding == X_USER_DEFINED {
        WINDOWS_1252
    } else {
        encoding
    }
}

/// Returns the encoding an XML declaration names.
fn xml_declaration(head: &[u8]) -> Option<&'static Encoding> {
    let declaration = head.strip_prefix(b"<?xml")?.split(|byte| *byte == b'>').next()?;
    let at = declaration.windows(8).position(|eight| eight == b"encoding")?;
    let value = declaration.get(at + 8..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let quote = value.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    Encoding::for_label(value.get(1..)?.split(|byte| byte == quote).next()?)
}

/// Guesses the encoding of an undeclared body; the host's top-level domain is a hint.
fn guess(body: &[u8], host: &str) -> &'static Encoding {
    match std::str::from_utf8(body) {
        Ok(_) => return UTF_8,
        // A body cut inside a character is still UTF-8.
        Err(error) if error.error_len().is_none() => return UTF_8,
        Err(_) => {}
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let sample = body.get(..GUESS_BYTES_MAX).unwrap_or(body);
    detector.feed(sample, sample.len() == body.len());
    let domain = host.rsplit('.').next().filter(|label| {
        // The detector insists on this.
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    });
    detector.guess(domain.map(str::as_bytes), Utf8Detection::Deny)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page;

    fn check(content_type: &str, body: &[u8], expected: (&str, &str)) {
        let page = page("http://a.org/", &[("content-type", content_type)], body);
        assert_eq!((encoding(&page).name(), &*text(&page)), expected);
    }

    #[test]
    fn the_strongest_declaration_wins() {
        check("text/html; charset=koi8-r", b"\xEF\xBB\xBF\xC3\xA9", ("UTF-8", "é"));
        check(
            "text/html; charset=\"ISO-8859-1\"",
            b"<meta charset=utf-8>\xE9",
            ("windows-1252", "<meta charset=utf-8>é"),
        );
        check("text/html;charset=nonsense", b"<meta charset=koi8-r>", ("KOI8-R", "<meta charset=koi8-r>"));
        check("text/html", b"<meta charset=utf-16>\xC3\xA9", ("UTF-8", "<meta charset=utf-16>é"));
        check("text/html", b"\xFF\xFE<\0p\0", ("UTF-16LE", "<p"));
    }

    #[test]
    fn declarations_are_found_in_the_first_kilobyte() {
        let meta = "<meta http-equiv=Content-Type content='text/html; x=charset ; CharSet = big5;'>";
        check("", meta.as_bytes(), ("Big5", meta));
        let xml = "<?xml version='1.0' encoding='gbk'?>";
        check("", xml.as_bytes(), ("GBK", xml));
        check("", b"<!--<meta charset=gbk>-->\xC3\xA9", ("UTF-8", "<!--<meta charset=gbk>-->é"));
        let far = format!("{}<meta charset=gbk>", " ".repeat(1_020));
        check("", far.as_bytes(), ("UTF-8", &far));
    }

    #[test]
    fn undeclared_bodies_are_utf8_or_guessed() {
        check("", "día".as_bytes(), ("UTF-8", "día"));
        check("", b"cut \xC3", ("UTF-8", "cut \u{FFFD}"));
        let russian = "Всем привет, это страница о погоде в Москве и области.";
        let (bytes, ..) = encoding_rs::WINDOWS_1251.encode(russian);
        check("", &bytes, ("windows-1251", russian));
    }
}
