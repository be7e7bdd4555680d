//! Decides whether a request's `Host` names this machine, against DNS rebinding.

use std::net::IpAddr;

/// Whether a `Host` field names the loopback: an address of it, or `localhost`, with any port.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        let check = |host: &str, expected| assert_eq!(is_loopback(host), expected, "{host}");
        check("127.0.0.1:9911", true);
        check("127.0.0.1", true);
        check("localhost:9911", true);
        check("LOCALHOST", true);
        check("[::1]:9911", true);
        check("[::1]", true);
        check("rebound.example:9911", false);
        check("127.0.0.1.example", false);
        check("192.0.2.1:9911", false);
        check("", false);
    }
}
