//! Holds a fetched page as handlers see it: immutable, and shared without copying its body.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::fetch::{BodyHold, Phases};
use crate::headers::Headers;
use crate::time::Wall;
use crate::url::CanonicalUrl;

/// A fetched page: where it was, how it was reached, and what the server sent.
#[derive(Debug)]
pub struct Page {
    /// The URL that was fetched.
    pub url: CanonicalUrl,
    /// The status of the response.
    pub status: u16,
    /// The fields of the response head.
    pub headers: Headers,
    /// The decoded body.
    pub body: Bytes,
    /// Whether the body was cut at a cap.
    pub truncated: bool,
    /// Links from the nearest seed; a seed has 0.
    pub depth: u32,
    /// The label under which it was offered; routes may ask for one.
    pub label: Option<Arc<str>>,
    /// What the offerer attached, for handlers: any text, JSON by custom.
    pub data: Option<Arc<str>>,
    /// The page that linked to it first.
    pub referrer: Option<CanonicalUrl>,
    /// The redirects that led here, oldest first; empty when there were none.
    pub chain: Arc<[CanonicalUrl]>,
    /// The attempt that succeeded, from 1.
    pub attempt: u32,
    /// How long each phase of the fetch took.
    pub phases: Phases,
    /// When the fetch ended.
    pub fetched_at: Wall,
    /// The address that served it.
    pub peer: Option<SocketAddr>,
    /// Bytes of the body as received, before decoding.
    pub body_wire_bytes: u64,
    /// Keeps the body's bytes credits until the page is dropped.
    pub hold: Option<BodyHold>,
}

impl Page {
    /// Returns the media type without parameters, in the server's spelling; empty when it named none.
    pub fn content_type(&self) -> &str {
        let value = self.headers.get_str("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// Whether the media type is HTML or XHTML.
    pub fn is_html(&self) -> bool {
        let media_type = self.content_type();
        ["text/html", "application/xhtml+xml"].iter().any(|html| media_type.eq_ignore_ascii_case(html))
    }
}
