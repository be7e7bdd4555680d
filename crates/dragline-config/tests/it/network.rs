//! Reads the keys of the network: names, TLS, proxies, routes, fields, credentials, and what people get wrong.

use std::path::Path;

use dragline_config::{
    AuthKind, ConfigErrors, Loader, NetworkPlan, PlainHttpPlan, Plan, ProxySchemePlan, ResolverPlan,
    RootsPlan,
};
use dragline_core::fetch::{AtCap, HttpVersion};

fn load(name: &str, text: &str) -> Result<Plan, ConfigErrors> {
    Loader::new().seeds_optional().text(name, text).load().map(|(plan, _)| plan)
}

/// Checks the mistakes of one file, each on one line.
fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = match load("d.toml", text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected, "{text}");
}

fn network(text: &str) -> NetworkPlan {
    load("d.toml", text).unwrap_or_else(|errors| panic!("{errors}")).network
}

#[test]
fn every_key_of_a_fetch_reaches_its_limit() {
    let text = "[fetch]\nhttp_versions = ['2', '1.1']\nrate_min = 0\nat_cap = 'truncate'\nhead_lines_max = 9\n\
                head_line_bytes_max = '2KiB'\ninterim_max = 3\ncoding_layers_max = 1\nratio_max = 7\n\
                dns_timeout = '2s'\n";
    let fetch = load("d.toml", text).unwrap().fetch;
    assert_eq!(fetch.http_versions, [HttpVersion::Http2, HttpVersion::Http1]);
    let limits = &fetch.limits;
    assert_eq!((limits.rate_min, limits.at_cap, limits.head_lines_max), (0, AtCap::Truncate, 9));
    assert_eq!((limits.head_line_bytes_max, limits.interim_max), (2_048, 3));
    assert_eq!((limits.coding_layers_max, limits.ratio_max, limits.dns_timeout.as_secs()), (1, 7, 2));
}

#[test]
fn names_and_trust_are_read() {
    let read = network(
        "[dns]\nresolver = 'hickory'\nservers = ['127.0.0.1', '[::1]:5353']\n\
         hosts = ['A.example=192.0.2.7,192.0.2.8', 'b=::1']\n\
         [tls]\nroots = 'mozilla'\ninsecure_hosts = ['*.Test']\n[cookies]\nenabled = true\n",
    );
    assert_eq!(read.dns.resolver, ResolverPlan::Hickory);
    assert_eq!(
        read.dns.servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["127.0.0.1:53", "[::1]:5353"]
    );
    assert_eq!(read.dns.hosts["a.example"].len(), 2);
    assert_eq!(read.dns.hosts["b"], ["::1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!((read.tls.roots, read.cookies), (RootsPlan::Mozilla, true));
    assert!(read.tls.insecure_hosts[0].matches("a.test"));
}

#[test]
fn proxies_routes_fields_and_credentials_are_read() {
    let read = network(
        "[[proxy]]\nname = 'a'\nurl = 'http://proxy:3128'\nuser = 'me'\npassword_env = 'A_PASSWORD'\n\
         plain_http = 'absolute'\n[[proxy]]\nname = 'b'\nurl = 'socks5h://127.0.0.1:1080'\n\
         [[route]]\nhosts = ['*.intern']\nproxies = []\n[[route]]\nhosts = ['*']\nproxies = ['b', 'a']\n\
         [[request]]\nhosts = ['*.de']\nheaders = ['Accept-Language: de', 'X-A: b']\nhttp_versions = ['1.1', '2']\n\
         [[auth]]\norigin = 'https://Example.org:443/'\nkind = 'bearer'\ntoken_env = 'TOKEN'\n\
         [[auth]]\norigin = 'http://127.0.0.1:81'\nkind = 'digest'\nuser = 'me:too'\npassword_env = 'P'\n",
    );
    let proxy = &read.proxies[0];
    assert_eq!((&*proxy.host, proxy.port, proxy.user.as_deref()), ("proxy", 3_128, Some("me")));
    assert_eq!((proxy.scheme, proxy.plain_http), (ProxySchemePlan::Http, PlainHttpPlan::Absolute));
    assert_eq!(
        (proxy.password.env.as_deref(), read.proxies[1].scheme),
        (Some("A_PASSWORD"), ProxySchemePlan::Socks5h)
    );
    assert_eq!((read.routes[0].proxies.len(), &read.routes[1].proxies), (0, &vec!["b".into(), "a".into()]));
    assert_eq!(read.requests[0].headers[0], ("Accept-Language".into(), "de".into()));
    assert_eq!(read.requests[0].http_versions, [HttpVersion::Http1, HttpVersion::Http2]);
    assert_eq!(
        (read.auth[0].origin.to_string(), read.auth[0].kind),
        ("https://example.org".into(), AuthKind::Bearer)
    );
    assert_eq!(
        (read.auth[1].origin.to_string(), read.auth[1].kind),
        ("http://127.0.0.1:81".into(), AuthKind::Digest)
    );
}

#[test]
fn files_are_looked_for_beside_the_file_that_names_them() {
    let text = "[tls]\nca_files = ['ca.pem', '/ca.pem']\nclient_cert = 'c.pem'\nclient_key = 'k.pem'\n\
                [[proxy]]\nname = 'a'\nurl = 'http://a:1'\nuser = 'u'\npassword_file = 'p'\n\
                [[auth]]\norigin = 'http://a'\nkind = 'bearer'\ntoken_file = 't'\n";
    let read = load("/etc/x/d.toml", text).unwrap().network;
    let path = |path: &'static str| Path::new(path);
    assert_eq!(read.tls.ca_files, [path("/etc/x/ca.pem"), path("/ca.pem")]);
    assert_eq!(read.tls.client_cert.as_deref(), Some(path("/etc/x/c.pem")));
    assert_eq!(read.tls.client_key.as_deref(), Some(path("/etc/x/k.pem")));
    assert_eq!(read.proxies[0].password.file.as_deref(), Some(path("/etc/x/p")));
    assert_eq!(read.auth[0].token.file.as_deref(), Some(path("/etc/x/t")));
    let set = Loader::new().seeds_optional().set("tls.ca_files=[\"ca.pem\"]").load().unwrap().0;
    assert_eq!(set.network.tls.ca_files, [path("ca.pem")]);
}

#[test]
fn wrong_names_and_versions_say_the_way_out() {
    check(
        "[fetch]\nhttp_versions = ['3', '2']",
        &["d.toml:2:18: `fetch.http_versions[0]`: \"3\" is no version that is spoken: \"1.1\" and \"2\" are"],
    );
    check(
        "[fetch]\nhttp_versions = ['2']",
        &[
            "d.toml:2:17: `fetch.http_versions` lacks \"1.1\", which every server may choose (write [\"1.1\"] or [\"1.1\", \"2\"])",
        ],
    );
    check(
        "[fetch]\nat_cap = 'cut'",
        &[
            "d.toml:2:10: `fetch.at_cap` is \"cut\", expected \"fail\" or \"truncate\" (expected \"fail\" or \"truncate\")",
        ],
    );
    check(
        "[dns]\nservers = ['127.0.0.1:53']",
        &[
            "d.toml:2:11: `dns.servers` are asked by hickory only: the system has servers of its own (set dns.resolver = \"hickory\", or remove them)",
        ],
    );
    check(
        "[dns]\nresolver = 'hickory'\nservers = ['dns.example']\nhosts = ['a', 'b=x', 'c=127.0.0.1', 'c=127.0.0.2']",
        &[
            "d.toml:3:12: `dns.servers[0]`: \"dns.example\" is no address of a name server such as \"127.0.0.1:53\"",
            "d.toml:4:10: `dns.hosts[0]`: \"a\" has no =: write it as \"name=192.0.2.7,192.0.2.8\"",
            "d.toml:4:15: `dns.hosts[1]`: \"x\" is no IP address: write it as \"name=192.0.2.7,192.0.2.8\"",
            "d.toml:4:37: `dns.hosts[3]`: the name of \"c=127.0.0.2\" stands there twice: give it all its addresses at once",
        ],
    );
    check(
        "[tls]\nclient_cert = 'c.pem'\ninsecure_hosts = ['https://a/']",
        &[
            "d.toml:2:15: `tls.client_cert` without `tls.client_key` (name the file of the certificate's key too)",
            "d.toml:3:19: `tls.insecure_hosts[0]`: \"https://a/\" is no pattern of host names such as \"*.example.org\"",
        ],
    );
    check(
        "[tls]\nclient_key = 'k.pem'",
        &["d.toml:2:14: `tls.client_key` without `tls.client_cert` (name the file of the certificate too)"],
    );
}

#[test]
fn proxies_and_routes_that_do_not_fit_are_named() {
    check(
        "[[proxy]]\nname = 'a'\nurl = 'http://me:hunter2@a:1'\n[[proxy]]\nname = 'a'\nurl = 'ftp://a:1'",
        &[
            "d.toml:3:7: `proxy[0].url`: credentials do not belong into it: set `user`, and `password_env` or `password_file`",
            "d.toml:5:8: another proxy of this name: \"a\" stands at d.toml:2 (give it a name of its own)",
            "d.toml:6:7: `proxy[1].url`: \"ftp\" is no protocol of a proxy that is spoken: write it as \"http://127.0.0.1:3128\" or \"socks5://127.0.0.1:1080\"",
        ],
    );
    check(
        "[[proxy]]\nname = 'office'\nurl = 'http://a:1'\n[[route]]\nhosts = []\nproxies = ['ofice', 'home']",
        &[
            "d.toml:2:8: no [[route]] names the proxy \"office\": nothing would go through it (add it to the proxies of a [[route]], or remove it)",
            "d.toml:5:9: `route[0].hosts` is empty: it matches no host",
            "d.toml:6:12: `route[0].proxies[0]`: no [[proxy]] is named \"ofice\" (did you mean \"office\"?)",
            "d.toml:6:21: `route[0].proxies[1]`: no [[proxy]] is named \"home\" (there are: office)",
        ],
    );
    check(
        "[[route]]\nhosts = ['*']\nproxies = ['a']",
        &["d.toml:3:12: `route[0].proxies[0]`: no [[proxy]] is named \"a\" (there is no [[proxy]])"],
    );
    check(
        "[[proxy]]\nname = 'a'\nurl = 'socks5://a:1'\nuser = 'me'\nplain_http = 'absolute'\n\
         [[proxy]]\nname = 'b'\nurl = 'http://a:1'\npassword_env = 'P'\npassword_file = 'p'",
        &[
            "d.toml:4:8: `proxy[0].user` without a password (add password_env or password_file)",
            "d.toml:5:14: `proxy[0].plain_http`: a SOCKS proxy has tunnels only (remove it)",
            "d.toml:9:16: `proxy[1]` has a password and no `user` (add user)",
            "d.toml:10:17: both `password_env` and `password_file` in `proxy[1]` (keep one of them)",
        ],
    );
}

#[test]
fn fields_and_credentials_that_do_not_fit_are_named() {
    check(
        "[[request]]\nhosts = ['a']\nheaders = ['X', \"X-A: a\\nb\", 'Host: b', 'Authorization: c', 'X-B: 1', 'x-b: 2']",
        &[
            "d.toml:3:12: `request[0].headers[0]`: a field is written \"Name: value\": there is no colon",
            "d.toml:3:17: `request[0].headers[1]`: the value of X-A holds a line end, which would begin another field",
            "d.toml:3:30: `request[0].headers[2]`: Host cannot be given: it follows from the URL",
            "d.toml:3:41: `request[0].headers[3]`: Authorization cannot be given here: [[auth]] shows it to one origin only",
            "d.toml:3:71: `request[0].headers[5]`: x-b stands there twice: join its values by commas",
        ],
    );
    check(
        "[[request]]\nhosts = ['a']",
        &["d.toml:1:1: `request[0]` changes nothing (give it headers or http_versions)"],
    );
    check(
        "[[auth]]\norigin = 'https://a/x'\nkind = 'basic'\nuser = 'me'\npassword_env = '$P'\n\
         [[auth]]\norigin = 'https://a'\nkind = 'bearer'\nuser = 'me'\n\
         [[auth]]\norigin = 'https://a'\nkind = 'digest'\ntoken_file = 't'",
        &[
            "d.toml:2:10: `auth[0].origin`: \"https://a/x\" has a path: credentials are for a whole origin, such as \"https://a\"",
            "d.toml:5:16: `auth[0].password_env`: this is no name of an environment variable: name the variable, not the secret in it",
            "d.toml:8:8: `auth[1]` has no token (add token_env or token_file)",
            "d.toml:8:8: `auth[1]` is \"bearer\", which has neither user nor password (remove them, or set kind = \"basic\")",
            "d.toml:11:10: credentials of https://a stand at d.toml:7 too (keep one of them)",
            "d.toml:12:8: `auth[2]` has no user (add user)",
            "d.toml:12:8: `auth[2]` has no password (add password_env or password_file)",
            "d.toml:12:8: `auth[2]` has a token, which only \"bearer\" shows (remove it, or set kind = \"bearer\")",
        ],
    );
    check(
        "[[auth]]\nkind = 'basic'\nuser = 'm:e'\npassword_file = 'p'\norigin = 'http://a'",
        &["d.toml:3:8: `auth[0].user` holds a colon, which would end it in Basic credentials"],
    );
}

#[test]
fn a_line_that_may_hold_a_secret_is_not_shown() {
    for text in [
        "[[proxy]]\nname = 'a'\nurl = 'http://me:hunter2@a:1'",
        "[[proxy]]\nname = 'a'\nurl = 'http://a:1'\nuser = 'u'\npassword = 'hunter2'",
        "[[auth]]\norigin = 'http://a'\nkind = 'bearer'\ntoken_env = 'hunter-2'",
        "[[auth]]\norigin = 'http://me:hunter2@a'\nkind = 'basic'\nuser = 'u'\npassword_env = 'P'",
        "[[request]]\nhosts = ['a']\nheaders = [\"X-Key: hunter2\\n\"]",
    ] {
        let shown = load("d.toml", text).unwrap_err().render(false);
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("d.toml:"), "{shown}");
    }
}
