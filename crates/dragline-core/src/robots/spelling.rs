//! Brings paths and path patterns into one percent-encoded spelling, so that they can be compared octet by octet.

use std::borrow::Cow;

/// Spells a path with its query as patterns are spelt; borrowed when nothing changes, which is the usual case.
///
/// Octets that RFC 3986 neither reserves nor leaves unreserved are escaped, needless escapes are decoded and the
/// digits of the others are in upper case. `*` and `$` are escaped, because in a pattern they are special
/// (RFC 9309 2.2.3), and `'`, because the WHATWG parser escapes it in queries only.
///
/// # Source
/// RFC 9309 section 2.2.2; RFC 3986 section 6.2.2.
pub(super) fn path(text: &str) -> Cow<'_, [u8]> {
    if text.bytes().all(stands_for_itself) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    append(&mut out, text.as_bytes());
    Cow::Owned(out)
}

/// Appends the spelling of a stretch of a pattern that holds no wildcard.
pub(super) fn append(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet == b'%' {
            match escaped(after) {
                Some(octet) if is_unreserved(octet) => out.push(octet),
                Some(octet) => push_escape(out, octet),
                None => {
                    out.push(b'%');
                    continue;
                }
            }
            rest = after.get(2..).unwrap_or_default();
        } else if stands_for_itself(octet) {
            out.push(octet);
        } else {
            push_escape(out, octet);
        }
    }
}

fn escaped(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn push_escape(out: &mut Vec<u8>, octet: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.extend([b'%', digit(octet >> 4), digit(octet & 15)]);
}

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// Whether an octet is spelt as itself: unreserved, or reserved and neither a wildcard nor `'`.
const fn stands_for_itself(octet: u8) -> bool {
    let reserved = matches!(
        octet,
        b':' | b'/'
            | b'?'
            | b'#'
            | b'['
            | b']'
            | b'@'
            | b'!'
            | b'&'
            | b'('
            | b')'
            | b'+'
            | b','
            | b';'
            | b'='
    );
    is_unreserved(octet) || reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_path_become_equal() {
        let check = |input: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&path(input)), expected, "{input}");
        };
        check("/a-b_c.d~e?f=g&h", "/a-b_c.d~e?f=g&h");
        check("/%62%61%7A/%7e", "/baz/~");
        check("/%2f%3F", "/%2F%3F");
        check("/ツ", "/%E3%83%84");
        check("/%e3%83%84", "/%E3%83%84");
        check("/a*b$c'd", "/a%2Ab%24c%27d");
        check("/{x}|\"<>^`", "/%7Bx%7D%7C%22%3C%3E%5E%60");
        check("/100%/%zz/%4", "/100%/%zz/%4");
        check("/%%41", "/%A");
    }

    #[test]
    fn a_usual_path_is_not_copied() {
        assert!(matches!(path("/a/b.html?c=d&e=1"), Cow::Borrowed(_)));
    }
}
