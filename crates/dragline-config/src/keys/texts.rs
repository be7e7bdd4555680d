//! Checks texts of the network's keys: versions, addresses, patterns, URLs of proxies, origins.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use dragline_core::CanonicalUrl;
use dragline_core::fetch::HttpVersion;
use dragline_core::pattern::Pattern;
use dragline_core::url::Origin;

use super::checked;
use crate::network::{ProxyPlan, ProxySchemePlan};

/// The port on which name servers listen.
const DNS_PORT: u16 = 53;

/// A version of HTTP, added to those that are offered.
pub(super) fn http_version(text: &str, versions: &mut Vec<HttpVersion>) -> Result<(), String> {
    let version = match text {
        "1.1" => HttpVersion::Http1,
        "2" => HttpVersion::Http2,
        _ => return Err(format!("{text:?} is no version that is spoken: \"1.1\" and \"2\" are")),
    };
    if versions.contains(&version) {
        return Err(format!("\"{text}\" stands there twice"));
    }
    versions.push(version);
    Ok(())
}

/// A name server: an address, with port 53 unless it names another.
pub(super) fn server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().ok();
    let address = address.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT)));
    let address = address.filter(|address| address.port() != 0 && !address.ip().is_unspecified());
    address.ok_or_else(|| format!("{text:?} is no address of a name server such as \"127.0.0.1:53\""))
}

/// A name with its addresses, as in `name=192.0.2.7,192.0.2.8`.
pub(super) fn fixed_host(text: &str, hosts: &mut BTreeMap<String, Vec<IpAddr>>) -> Result<(), String> {
    let form = "write it as \"name=192.0.2.7,192.0.2.8\"";
    let Some((name, addresses)) = text.split_once('=') else {
        return Err(format!("{text:?} has no =: {form}"));
    };
    let name = checked::host(name.trim())?;
    if name.starts_with('[') || name.parse::<IpAddr>().is_ok() {
        return Err(format!("{name:?} is an address already: only names are looked up"));
    }
    let mut read = Vec::new();
    for address in addresses.split(',').map(str::trim) {
        let address = address.trim_start_matches('[').trim_end_matches(']');
        read.push(address.parse().map_err(|_| format!("{address:?} is no IP address: {form}"))?);
    }
    match hosts.insert(name, read) {
        None => Ok(()),
        Some(_) => Err(format!("the name of {text:?} stands there twice: give it all its addresses at once")),
    }
}

/// A pattern of host names.
pub(super) fn host_pattern(text: &str) -> Result<Pattern, String> {
    let text = checked::filled(text)?;
    if text.contains(['/', '@', ' ']) || text.contains("://") {
        return Err(format!("{text:?} is no pattern of host names such as \"*.example.org\""));
    }
    let port = text.split_once(':').map(|(_, port)| port).filter(|port| !port.contains(':'));
    if port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(format!("{text:?} names a port: a pattern is of host names alone"));
    }
    // Addresses are matched without the brackets of URLs.
    let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
    Ok(Pattern::new(&text.to_ascii_lowercase()))
}

/// The URL of a proxy, without credentials.
pub(super) fn proxy_url(text: &str, proxy: &mut ProxyPlan) -> Result<(), String> {
    let form = "write it as \"http://127.0.0.1:3128\" or \"socks5://127.0.0.1:1080\"";
    let Some((scheme, authority)) = text.split_once("://") else {
        return Err(format!("no URL of a proxy: {form}"));
    };
    // Never echoed: it holds a password.
    if authority.contains('@') {
        return Err(
            "credentials do not belong into it: set `user`, and `password_env` or `password_file`".into()
        );
    }
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => ProxySchemePlan::Http,
        "socks5" => ProxySchemePlan::Socks5,
        "socks5h" => ProxySchemePlan::Socks5h,
        "https" => {
            return Err("a proxy is spoken to over plain http://; what goes through it may be https".into());
        }
        other => return Err(format!("{other:?} is no protocol of a proxy that is spoken: {form}")),
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let Some((host, port)) = authority.rsplit_once(':').filter(|(host, _)| !host.ends_with(':')) else {
        return Err(format!("{text:?} has no port: {form}"));
    };
    let Some(port) = port.parse().ok().filter(|port| *port != 0) else {
        return Err(format!("{port:?} is no port: {form}"));
    };
    let host = checked::host(host)?;
    (proxy.scheme, proxy.host, proxy.port) = (scheme, host, port);
    Ok(())
}

/// An origin: scheme, host and, unless it is the scheme's own, port.
pub(super) fn origin(text: &str) -> Result<Origin, String> {
    if text.contains('@') {
        return Err(
            "credentials do not belong into it: set `user`, and `password_env` or `password_file`".into()
        );
    }
    let url = CanonicalUrl::parse(text).map_err(|error| error.to_string())?;
    if url.path_and_query() == "/" {
        Ok(url.origin())
    } else {
        Err(format!("{text:?} has a path: credentials are for a whole origin, such as \"{}\"", url.origin()))
    }
}

/// The name of an environment variable. What is no name may be the secret itself, so it is not repeated.
pub(super) fn variable(text: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(good) {
        return Ok(text.into());
    }
    Err("this is no name of an environment variable: name the variable, not the secret in it".into())
}

/// A user name: visible, no line ends.
pub(super) fn user(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.len() <= 255 && !text.contains(|letter: char| letter.is_control()) {
        return Ok(text.into());
    }
    Err(format!("{text:?} is no user: write 1 to 255 bytes without control characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug>(
        read: impl Fn(&str) -> Result<T, String>,
        good: &[&str],
        bad: &[(&str, &str)],
    ) {
        for text in good {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        }
        for (text, words) in bad {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn texts_of_the_network_must_have_their_form() {
        let version = |text: &str| http_version(text, &mut vec![HttpVersion::Http1]);
        check(version, &["2"], &[("3", "no version"), ("1.1", "twice"), ("HTTP/2", "no version")]);
        check(
            server,
            &["127.0.0.1", "127.0.0.1:5353", "[::1]:53", "::1"],
            &[("", "no address"), ("dns.example:53", "no address"), ("127.0.0.1:0", "no address")],
        );
        check(
            |text| fixed_host(text, &mut BTreeMap::from([("taken".into(), Vec::new())])),
            &["a.example=192.0.2.7", "A = 192.0.2.7, 2001:db8::1", "b=[::1]"],
            &[
                ("a", "has no ="),
                ("a=", "no IP address"),
                ("a=b", "no IP address"),
                ("127.0.0.1=127.0.0.2", "an address already"),
                ("Taken=127.0.0.1", "twice"),
                ("a/b=127.0.0.1", "no host"),
            ],
        );
        check(
            host_pattern,
            &["*", "*.example.org", "[::1]", "::1", "127.0.0.*"],
            &[("", "empty"), ("http://a/", "no pattern"), ("a:80", "names a port"), ("a b", "no pattern")],
        );
        check(
            |text| proxy_url(text, &mut crate::keys::lists_of_network::blank_proxy()),
            &["http://127.0.0.1:3128", "HTTP://proxy:80/", "socks5://[::1]:1080", "socks5h://p.example:1"],
            &[
                ("127.0.0.1:3128", "no URL"),
                ("http://127.0.0.1", "has no port"),
                ("http://[::1]", "has no port"),
                ("http://a:0", "no port"),
                ("http://a:80/x", "no port"),
                ("https://a:443", "plain http://"),
                ("ftp://a:21", "no protocol"),
                ("http://u:p@a:1", "`password_env`"),
                ("http://a b:1", "no host"),
            ],
        );
        check(
            origin,
            &["https://example.org", "http://127.0.0.1:81/"],
            &[("example.org", "absolute"), ("https://a/b", "has a path"), ("https://u@a", "`user`")],
        );
        check(variable, &["MY_TOKEN", "a1"], &[("", "no name"), ("$A", "no name"), ("hunter-2", "no name")]);
        check(user, &["me", "m\u{fc}ller"], &[("", "1 to 255"), ("a\n", "control")]);
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        let mut proxy = crate::keys::lists_of_network::blank_proxy();
        assert!(!proxy_url("http://u:hunter2@a:1", &mut proxy).unwrap_err().contains("hunter2"));
        assert!(!origin("http://u:hunter2@a").unwrap_err().contains("hunter2"));
        assert!(!variable("hunter-2").unwrap_err().contains("hunter"));
    }

    #[test]
    fn a_pattern_has_one_spelling() {
        assert_eq!(host_pattern("[::1]").unwrap().as_str(), "::1");
        assert_eq!(host_pattern("*.Example.org").unwrap().as_str(), "*.example.org");
    }

    #[test]
    fn a_proxy_is_taken_apart() {
        let mut proxy = crate::keys::lists_of_network::blank_proxy();
        proxy_url("socks5h://[::1]:1080", &mut proxy).unwrap();
        assert_eq!((&*proxy.host, proxy.port, proxy.scheme), ("[::1]", 1_080, ProxySchemePlan::Socks5h));
    }
}
