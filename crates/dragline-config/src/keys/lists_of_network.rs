//! The keys of the network's lists of tables: `[[proxy]]`, `[[route]]`, `[[request]]` and `[[auth]]`.

use super::{checked, texts};
use crate::fields::request_field;
use crate::network::{
    AuthKind, AuthPlan, PlainHttpPlan, ProxyPlan, ProxySchemePlan, RequestPlan, RoutePlan, SecretPlan,
};
use crate::schema::Kind::{Choice, Text, Texts};
use crate::schema::{Field, Fields};

/// The keys of `[[proxy]]`.
pub(super) static PROXY: Fields<ProxyPlan> = &[&[
    Field::required(
        "name",
        Text(|proxy, text| checked::name(text).map(|name| proxy.name = name)),
        "\"office\"",
        "stands in records: lower-case letters, digits, _",
    ),
    Field::required(
        "url",
        Text(|proxy, text| texts::proxy_url(text, proxy)),
        "\"http://127.0.0.1:3128\"",
        "http:// | socks5:// | socks5h:// (the proxy resolves names), host and port",
    ),
    Field::optional(
        "user",
        Text(|proxy, text| texts::user(text).map(|user| proxy.user = Some(user))),
        "\"crawler\"",
        "who we are to it",
    ),
    Field::optional(
        "password_env",
        Text(|proxy, text| texts::variable(text).map(|name| proxy.password.env = Some(name))),
        "\"OFFICE_PROXY_PASSWORD\"",
        "environment variable with the password",
    ),
    Field::instead(
        "password_file",
        Text(|proxy, text| checked::filled(text).map(|file| proxy.password.file = Some(file.into()))),
        "\"office.password\"",
        "or a file with it, relative to this file",
    ),
    Field::new(
        "plain_http",
        Choice(&[
            ("tunnel", |proxy| proxy.plain_http = PlainHttpPlan::Tunnel),
            ("absolute", |proxy| proxy.plain_http = PlainHttpPlan::Absolute),
        ]),
        "\"tunnel\"",
        "http:// targets: tunnel (CONNECT) | absolute (the proxy resolves the name once more)",
    ),
]];

/// The keys of `[[route]]`.
pub(super) static ROUTE: Fields<RoutePlan> = &[&[
    Field::required(
        "hosts",
        Texts(
            |route| route.hosts.clear(),
            |route, text| texts::host_pattern(text).map(|host| route.hosts.push(host)),
        ),
        "[\"*.example.org\"]",
        "patterns of host names, * is any text",
    ),
    Field::required(
        "proxies",
        Texts(
            |route| route.proxies.clear(),
            |route, text| checked::name(text).map(|name| route.proxies.push(name)),
        ),
        "[\"office\"]",
        "names of proxies, used in turn; []: these hosts are reached directly",
    ),
]];

/// The keys of `[[request]]`.
pub(super) static REQUEST: Fields<RequestPlan> = &[&[
    Field::required(
        "hosts",
        Texts(
            |request| request.hosts.clear(),
            |request, text| texts::host_pattern(text).map(|host| request.hosts.push(host)),
        ),
        "[\"*.example.org\"]",
        "patterns of host names, * is any text",
    ),
    Field::new(
        "headers",
        Texts(|request| request.headers.clear(), header),
        "[]",
        "fields that are sent, such as [\"Accept-Language: en\"]",
    ),
    Field::optional(
        "http_versions",
        Texts(
            |request| request.http_versions.clear(),
            |request, text| texts::http_version(text, &mut request.http_versions),
        ),
        "[\"1.1\", \"2\"]",
        "in place of fetch.http_versions",
    ),
]];

/// The keys of `[[auth]]`.
pub(super) static AUTH: Fields<AuthPlan> = &[&[
    Field::required(
        "origin",
        Text(|auth, text| texts::origin(text).map(|origin| auth.origin = origin)),
        "\"https://example.org\"",
        "scheme, host and port that are shown them, and nobody else",
    ),
    Field::required(
        "kind",
        Choice(&[
            ("basic", |auth| auth.kind = AuthKind::Basic),
            ("digest", |auth| auth.kind = AuthKind::Digest),
            ("bearer", |auth| auth.kind = AuthKind::Bearer),
        ]),
        "\"basic\"",
        "basic | digest | bearer",
    ),
    Field::optional(
        "user",
        Text(|auth, text| texts::user(text).map(|user| auth.user = Some(user))),
        "\"crawler\"",
        "basic and digest: who we are",
    ),
    Field::optional(
        "password_env",
        Text(|auth, text| texts::variable(text).map(|name| auth.password.env = Some(name))),
        "\"EXAMPLE_PASSWORD\"",
        "environment variable with the password",
    ),
    Field::instead(
        "password_file",
        Text(|auth, text| checked::filled(text).map(|file| auth.password.file = Some(file.into()))),
        "\"example.password\"",
        "or a file with it, relative to this file",
    ),
    Field::instead(
        "token_env",
        Text(|auth, text| texts::variable(text).map(|name| auth.token.env = Some(name))),
        "\"EXAMPLE_TOKEN\"",
        "bearer: environment variable with the token",
    ),
    Field::instead(
        "token_file",
        Text(|auth, text| checked::filled(text).map(|file| auth.token.file = Some(file.into()))),
        "\"example.token\"",
        "or a file with it, relative to this file",
    ),
]];

fn header(request: &mut RequestPlan, text: &str) -> Result<(), String> {
    let (name, value) = request_field(text)?;
    if name.eq_ignore_ascii_case("authorization") {
        return Err("Authorization cannot be given here: [[auth]] shows it to one origin only".into());
    }
    if request.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
        return Err(format!("{name} stands there twice: join its values by commas"));
    }
    request.headers.push((name, value));
    Ok(())
}

/// A proxy before its keys are read.
pub(super) fn blank_proxy() -> ProxyPlan {
    ProxyPlan {
        name: String::new(),
        scheme: ProxySchemePlan::Http,
        host: String::new(),
        port: 0,
        user: None,
        password: SecretPlan::default(),
        plain_http: PlainHttpPlan::Tunnel,
    }
}
