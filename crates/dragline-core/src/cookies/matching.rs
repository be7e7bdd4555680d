//! Says where a cookie belongs: which hosts and paths get it, and which names nobody may claim.

use std::net::Ipv4Addr;

/// Whether a host of a URL is an address, which has no domains above it.
pub(super) fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

/// Returns the site of a host: its registrable domain, or the host itself when it has none. No cookie leaves its site.
pub(super) fn site_of(host: &str) -> &str {
    if is_address(host) { host } else { psl::domain_str(host).unwrap_or(host) }
}

/// Whether a name is one under which strangers register names, such as `com`, `co.uk` or `github.io`.
///
/// # Source
/// The public suffix list, its private part included; a name of one label is a suffix even when it is not listed.
pub(super) fn is_public_suffix(domain: &str) -> bool {
    let name = domain.strip_suffix('.').unwrap_or(domain);
    psl::suffix_str(name).is_none_or(|suffix| suffix == name)
}

/// Whether a host is `domain` or lies below it; both in lower case.
///
/// # Source
/// RFC 6265bis section 5.1.3.
pub(super) fn domain_matches(host: &str, domain: &str) -> bool {
    let Some(before) = host.strip_suffix(domain) else { return false };
    before.is_empty() || (before.ends_with('.') && !domain.is_empty() && !is_address(host))
}

/// Whether a cookie of `cookie_path` goes to a request of `path`.
///
/// # Source
/// RFC 6265bis section 5.1.4.
pub(super) fn path_matches(path: &str, cookie_path: &str) -> bool {
    let Some(after) = path.strip_prefix(cookie_path) else { return false };
    after.is_empty() || cookie_path.ends_with('/') || after.starts_with('/')
}

/// Returns the path of a cookie that names none: that of the request up to its last slash.
///
/// # Source
/// RFC 6265bis section 5.1.4.
pub(super) fn default_path(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((folder, _)) if folder.starts_with('/') => folder,
        _ => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Copy + PartialEq + std::fmt::Debug>(input: &str, found: T, expected: T) {
        assert_eq!(found, expected, "{input}");
    }

    #[test]
    fn a_domain_matches_itself_and_what_lies_below() {
        let check = |host: &str, domain: &str, expected| {
            check(&format!("{host} {domain}"), domain_matches(host, domain), expected);
        };
        check("a.org", "a.org", true);
        check("www.a.org", "a.org", true);
        check("x.www.a.org", "a.org", true);
        check("a.org", "www.a.org", false);
        check("aa.org", "a.org", false);
        check("a.org.", "a.org", false);
        check("a.org.", "", false);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "0.0.1", false);
        check("[::1]", "[::1]", true);
        check("[::1]", "1]", false);
    }

    #[test]
    fn a_path_matches_whole_segments() {
        let check = |path: &str, cookie_path: &str, expected| {
            check(&format!("{path} {cookie_path}"), path_matches(path, cookie_path), expected);
        };
        check("/", "/", true);
        check("/a", "/", true);
        check("/a", "/a", true);
        check("/a/b", "/a", true);
        check("/a/b", "/a/", true);
        check("/ab", "/a", false);
        check("/a", "/a/", false);
        check("/A", "/a", false);
    }

    #[test]
    fn the_default_path_is_the_folder() {
        let check = |path: &str, expected| check(path, default_path(path), expected);
        check("/", "/");
        check("/a", "/");
        check("/a/", "/a");
        check("/a/b", "/a");
        check("/a/b/c", "/a/b");
        check("//", "/");
        check("", "/");
        check("a/b", "/");
    }

    #[test]
    fn a_public_suffix_is_nobodys_own() {
        let check = |domain: &str, expected| check(domain, is_public_suffix(domain), expected);
        for suffix in ["com", "com.", "co.uk", "github.io", "localhost", "unheardof", "xn--p1ai", ""] {
            check(suffix, true);
        }
        for own in ["a.com", "a.com.", "bbc.co.uk", "me.github.io", "a.localhost"] {
            check(own, false);
        }
    }

    #[test]
    fn a_site_is_the_registrable_domain_or_the_host() {
        let check = |host: &str, expected| check(host, site_of(host), expected);
        check("www.a.co.uk", "a.co.uk");
        check("a.org.", "a.org");
        check("x.me.github.io", "me.github.io");
        check("github.io", "github.io");
        check("localhost", "localhost");
        check("127.0.0.1", "127.0.0.1");
        check("[::1]", "[::1]");
    }
}
