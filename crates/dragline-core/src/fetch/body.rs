//! Holds what a request sends: bytes, or a stream that can be opened again for another attempt.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use url::form_urlencoded;

/// The content of a request.
#[derive(Clone, Debug, Default)]
pub enum RequestBody {
    /// None.
    #[default]
    None,
    /// These bytes, with `Content-Length`.
    Bytes {
        /// The content.
        content: Bytes,
        /// The `Content-Type`, unless the request's own fields name one.
        content_type: Option<&'static str>,
    },
    /// A stream.
    Stream(BodyStream),
}

impl RequestBody {
    /// Makes content of bytes whose type the request's own fields tell.
    pub fn bytes(content: impl Into<Bytes>) -> Self {
        Self::Bytes { content: content.into(), content_type: None }
    }

    /// Makes content as a form sends it (`application/x-www-form-urlencoded`).
    pub fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let content = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let content_type = Some("application/x-www-form-urlencoded");
        Self::Bytes { content: content.into(), content_type }
    }

    /// Makes content of a value as JSON.
    ///
    /// # Errors
    /// When the value cannot be JSON, such as a map with keys that are no text.
    pub fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let content = serde_json::to_vec(value)?.into();
        Ok(Self::Bytes { content, content_type: Some("application/json") })
    }

    /// Makes content of a stream; see [`BodyStream::new`].
    pub fn stream<S>(length: Option<u64>, open: impl Fn() -> S + Send + Sync + 'static) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        Self::Stream(BodyStream::new(length, open))
    }

    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// What opens the content: one pass over it.
type Open = dyn Fn() -> Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>> + Send + Sync;

/// Content that is made while it is sent.
#[derive(Clone)]
pub struct BodyStream {
    length: Option<u64>,
    open: Arc<Open>,
}

impl BodyStream {
    /// Takes a function that opens the content from its start: once for each attempt and each hop that sends it.
    ///
    /// `length` is the number of bytes, which is announced and kept to; without it the content is sent in chunks.
    pub fn new<S>(length: Option<u64>, open: impl Fn() -> S + Send + Sync + 'static) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        Self { length, open: Arc::new(move || Box::pin(open())) }
    }

    /// Returns the number of bytes, when it is known.
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Opens the content from its start.
    pub fn open(&self) -> Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>> {
        (self.open)()
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyStream").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_json_name_their_type() {
        let check = |body: RequestBody, expected: &str, expected_type: &str| match body {
            RequestBody::Bytes { content, content_type } => {
                assert_eq!((content.as_ref(), content_type), (expected.as_bytes(), Some(expected_type)));
            }
            other => panic!("{other:?}"),
        };
        let form = RequestBody::form([("a", "1 & 2"), ("\u{fc}", "")]);
        check(form, "a=1+%26+2&%C3%BC=", "application/x-www-form-urlencoded");
        check(RequestBody::json(&["a", "b"]).unwrap(), "[\"a\",\"b\"]", "application/json");
    }
}
