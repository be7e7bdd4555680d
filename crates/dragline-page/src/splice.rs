//! Splices plain references onto a base's text: the hot path of a crawl, exact or not taken.

use dragline_core::CanonicalUrl;
use dragline_core::url::URL_BYTES_LIMIT;
use memchr::{memchr, memrchr};

/// Needs the decoder of values: `&`, which may begin a character reference.
const AMPERSAND: u8 = 1;
const PERCENT: u8 = 2;
const COLON: u8 = 4;
const QUERY: u8 = 8;
/// Anything the fast path leaves to the parser.
const UNUSUAL: u8 = 16;

/// What each octet of a reference asks for; 0 for those that stand for themselves anywhere in path and query.
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [UNUSUAL; 256];
    let plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$()*+,;=@/";
    let mut index = 0;
    while index < plain.len() {
        table[plain[index] as usize] = 0;
        index += 1;
    }
    table[b'&' as usize] = AMPERSAND;
    table[b'%' as usize] = PERCENT;
    table[b':' as usize] = COLON;
    table[b'?' as usize] = QUERY;
    table
}

/// The text of a canonical base and where its parts end.
#[derive(Debug)]
pub(crate) struct Base {
    url: CanonicalUrl,
    origin_len: usize,
    /// Up to and with the last slash of the path.
    folder_len: usize,
    path_end: usize,
    /// Whether dot segments can be taken off the path by looking for slashes alone.
    tidy: bool,
}

/// Whether character references were replaced, so that `&` is only an octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Yes,
    No,
}

impl Decoded {
    /// The classes that are left to the decoder and the parser.
    const fn refused(self) -> u8 {
        match self {
            Self::Yes => UNUSUAL,
            Self::No => UNUSUAL | AMPERSAND,
        }
    }
}

impl Base {
    /// Finds the parts; `None` when the URL has no path.
    pub(crate) fn new(url: CanonicalUrl) -> Option<Self> {
        let text = url.as_str();
        let origin_len = url.scheme().name().len() + "://".len() + url.authority().len();
        let path_end = memchr(b'?', text.as_bytes()).unwrap_or(text.len());
        let path = text.get(origin_len..path_end)?;
        let folder_len = origin_len + memrchr(b'/', path.as_bytes())? + 1;
        // The parser keeps empty segments, and what looks like a drive letter survives "..": left to it.
        let tidy = !path.contains("//") && !path.contains([':', '|']);
        Some(Self { origin_len, folder_len, path_end, tidy, url })
    }

    fn prefix(&self, len: usize) -> &str {
        self.url.as_str().get(..len).unwrap_or_default()
    }

    /// Returns the base itself.
    pub(crate) const fn url(&self) -> &CanonicalUrl {
        &self.url
    }

    /// Writes the resolved reference to `text` when it holds nothing unusual; else `text` is worth nothing.
    pub(crate) fn splice(&self, reference: &[u8], decoded: Decoded, text: &mut String) -> Option<()> {
        let scan = Scan::of(reference);
        if scan.seen & decoded.refused() != 0 {
            return None;
        }
        let reference = std::str::from_utf8(reference.get(..scan.len)?).ok()?;
        if scan.seen & PERCENT != 0 && hides_a_dot(reference) {
            return None;
        }
        let query_at = if scan.seen & QUERY == 0 { None } else { memchr(b'?', reference.as_bytes()) };
        let (path, query) = reference.split_at(query_at.unwrap_or(scan.len));
        let start = Start::of(path, self, scan.seen)?;
        if scan.dotted > 0 && !(scan.is_tidy() && start.can_drop_dots(self)) {
            return None;
        }
        text.clear();
        let (floor, below) = match start {
            Start::Page => {
                let len = if query.is_empty() { self.url.as_str().len() } else { self.path_end };
                text.push_str(self.prefix(len));
                (len, "")
            }
            Start::Folder(below) => {
                text.push_str(self.prefix(self.folder_len));
                (self.origin_len + 1, below)
            }
            Start::Root(below) => {
                text.push_str(self.prefix(self.origin_len + 1));
                (self.origin_len + 1, below)
            }
            Start::Host { scheme, host, below } => {
                text.push_str(scheme);
                text.push_str("://");
                text.push_str(host);
                text.push('/');
                (text.len(), below)
            }
        };
        if scan.dotted > 0 {
            push_segments(text, floor, below, scan.dotted);
        } else {
            text.push_str(below);
        }
        text.push_str(query);
        (text.len() <= URL_BYTES_LIMIT).then_some(())
    }
}

/// What one look at a reference tells.
struct Scan {
    /// Its length without the fragment.
    len: usize,
    /// The classes of its octets.
    seen: u8,
    /// Segments that begin with a dot, or look as if they did.
    dotted: u32,
    /// Whether two slashes stand side by side.
    doubled: bool,
}

impl Scan {
    #[inline]
    fn of(reference: &[u8]) -> Self {
        let mut scan = Self { len: reference.len(), seen: 0, dotted: 0, doubled: false };
        let mut after_slash = false;
        let mut at_start = true;
        for (index, &byte) in reference.iter().enumerate() {
            if byte == b'#' {
                scan.len = index;
                break;
            }
            scan.seen |= CLASSES.get(usize::from(byte)).copied().unwrap_or(UNUSUAL);
            scan.dotted += u32::from((at_start | after_slash) & (byte == b'.'));
            scan.doubled |= after_slash & (byte == b'/');
            after_slash = byte == b'/';
            at_start = false;
        }
        scan
    }

    /// Whether dot segments can be taken off by looking for slashes alone: the parser keeps empty segments, and what
    /// looks like a drive letter survives `..`.
    const fn is_tidy(&self) -> bool {
        !self.doubled && self.seen & COLON == 0
    }
}

/// What a reference keeps of its base, and the path it adds below that.
enum Start<'a> {
    /// The base's own path.
    Page,
    /// The folder of the base.
    Folder(&'a str),
    /// The origin of the base.
    Root(&'a str),
    /// Nothing, or the scheme.
    Host { scheme: &'a str, host: &'a str, below: &'a str },
}

impl<'a> Start<'a> {
    /// Looks at a reference's path; `None` when it begins with something other than a plain path or host.
    fn of(path: &'a str, base: &'a Base, seen: u8) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("//") {
            return Self::host(base.url.scheme().name(), rest);
        }
        if let Some(below) = path.strip_prefix('/') {
            return Some(Self::Root(below));
        }
        if path.is_empty() {
            return Some(Self::Page);
        }
        let colon_first = || path.find([':', '/']).is_some_and(|at| path.as_bytes().get(at) == Some(&b':'));
        if seen & COLON == 0 || !colon_first() {
            return Some(Self::Folder(path));
        }
        match path.strip_prefix(base.prefix(base.origin_len)) {
            Some("") => return Some(Self::Root("")),
            Some(rest) if rest.starts_with('/') => return rest.strip_prefix('/').map(Self::Root),
            _ => {}
        }
        let (scheme, rest) = path.split_once("://")?;
        if matches!(scheme, "http" | "https") { Self::host(scheme, rest) } else { None }
    }

    fn host(scheme: &'a str, rest: &'a str) -> Option<Self> {
        let (host, below) = rest.split_once('/').unwrap_or((rest, ""));
        is_plain_host(host).then_some(Self::Host { scheme, host, below })
    }

    /// Whether dot segments can be taken off what the base gives.
    const fn can_drop_dots(&self, base: &Base) -> bool {
        base.tidy || !matches!(self, Self::Folder(_))
    }
}

/// Appends a path in which `dotted` segments begin with a dot; `text` ends with a slash and keeps `floor` bytes.
fn push_segments(text: &mut String, floor: usize, mut path: &str, mut dotted: u32) {
    while dotted > 0 {
        if let Some(rest) = path.strip_prefix("../") {
            pop_segment(text, floor);
            path = rest;
        } else if let Some(rest) = path.strip_prefix("./") {
            path = rest;
        } else if path == ".." {
            return pop_segment(text, floor);
        } else if path == "." {
            return;
        } else {
            let Some((segment, rest)) = path.split_once('/') else { break };
            dotted += u32::from(!segment.starts_with('.'));
            text.push_str(segment);
            text.push('/');
            path = rest;
        }
        dotted -= 1;
    }
    text.push_str(path);
}

/// Drops the last segment of a text that ends with a slash, but keeps `floor` bytes.
fn pop_segment(text: &mut String, floor: usize) {
    let without_slash = text.as_bytes().get(..text.len().saturating_sub(1)).unwrap_or_default();
    let parent_len = memrchr(b'/', without_slash).map_or(floor, |slash| slash + 1);
    text.truncate(parent_len.max(floor));
}

/// Whether a `%2e` stands in the reference: the parser takes it for a dot.
fn hides_a_dot(reference: &str) -> bool {
    reference.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"%2e"))
}

/// Whether a host is its own canonical spelling: lower-case labels, none of them Punycode, and no IPv4 address.
fn is_plain_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let last_label = host.rsplit('.').next().unwrap_or_default();
    host.len() < 254
        && host.bytes().all(plain)
        && last_label.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && !host.starts_with('.')
        && !host.contains("..")
        && !host.contains("--")
}
