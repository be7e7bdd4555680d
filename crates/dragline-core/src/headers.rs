//! Holds a response head as it was received, with its fields found but not copied.

use std::fmt;

use bytes::Bytes;

/// The fields of a response head in the order and spelling received; cheap to clone.
///
/// The raw head is kept once; fields are ranges into it. Values may hold any octets but CR, LF and NUL.
#[derive(Clone, Default)]
pub struct Headers {
    head: Bytes,
    fields: Vec<Field>,
}

#[derive(Clone, Copy)]
struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

impl Headers {
    /// Finds the fields in a raw head: a status line, then `name: value` lines, ended by LF or CRLF.
    ///
    /// Lines without a colon are left out; judging the framing is the transport's work.
    pub fn parse(head: Bytes) -> Self {
        let mut fields = Vec::with_capacity(16);
        let mut at = memchr::memchr(b'\n', &head).map_or(head.len(), |end| end + 1);
        while at < head.len() {
            let rest = head.get(at..).unwrap_or_default();
            let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..len).unwrap_or_default();
            if let Some(colon) = memchr::memchr(b':', line) {
                let name = trimmed(line.get(..colon).unwrap_or_default());
                let value = trimmed(line.get(colon + 1..).unwrap_or_default());
                fields.push(Field { name: span(&head, name), value: span(&head, value) });
            }
            at += len + 1;
        }
        Self { fields, head }
    }

    /// Makes headers from pairs, for tests and simulated transports.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut head = String::from("HTTP/1.1 200 OK\r\n");
        for (name, value) in pairs {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Self::parse(Bytes::from(head))
    }

    /// Returns the first value of a field; names are compared without case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Returns the first value of a field when it is UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns every value of a field, in the order received.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Returns every field as (name, value), in the order and spelling received.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.slice(field.name), self.slice(field.value)))
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Returns the head as received, status line included.
    pub fn raw(&self) -> &Bytes {
        &self.head
    }

    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        self.head.get(start as usize..end as usize).unwrap_or_default()
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Returns where `part`, a subslice of `whole`, stands in it.
fn span(whole: &[u8], part: &[u8]) -> (u32, u32) {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    (position(start), position(start + part.len()))
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.iter().map(|(name, value)| {
            (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
        });
        f.debug_map().entries(pairs).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_order_and_spelling() {
        let head =
            b"HTTP/1.1 200 OK\r\nX-A:  one \nSet-Cookie: a\r\nset-cookie: b\r\nno colon\r\nEmpty:\r\n\r\n";
        let headers = Headers::parse(Bytes::from_static(head));
        let found: Vec<_> = headers.iter().collect();
        let expected: Vec<(&[u8], &[u8])> =
            vec![(b"X-A", b"one"), (b"Set-Cookie", b"a"), (b"set-cookie", b"b"), (b"Empty", b"")];
        assert_eq!(found, expected);
        assert_eq!(headers.get_all("SET-COOKIE").count(), 2);
        assert_eq!(headers.get_str("x-a"), Some("one"));
        assert_eq!(headers.get("absent"), None);
    }

    #[test]
    fn an_empty_head_has_no_fields() {
        assert!(Headers::parse(Bytes::new()).is_empty());
        assert!(Headers::default().is_empty());
    }
}
