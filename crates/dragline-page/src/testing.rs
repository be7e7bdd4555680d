//! Makes pages for the tests of this crate.

use bytes::Bytes;
use dragline_core::{CanonicalUrl, Headers, Page, Phases, Wall};

pub(crate) fn page(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Page {
    Page {
        url: CanonicalUrl::parse(url).unwrap(),
        status: 200,
        headers: Headers::from_pairs(headers.iter().copied()),
        body: Bytes::copy_from_slice(body),
        truncated: false,
        depth: 0,
        label: None,
        data: None,
        referrer: None,
        chain: [].into(),
        attempt: 1,
        phases: Phases::default(),
        fetched_at: Wall::from_secs(1_795_194_003),
        peer: None,
        body_wire_bytes: 0,
        hold: None,
    }
}
