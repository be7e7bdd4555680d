//! The keys that say how the network is reached: names, TLS, cookies, proxies, fields and credentials.

use super::draft::Draft;
use super::{checked, lists_of_network, texts};
use crate::network::{ResolverPlan, RootsPlan};
use crate::schema::Field;
use crate::schema::Kind::{Bool, Choice, Tables, Text, Texts};

/// Sections `dns`, `tls` and `cookies`, and the lists `proxy`, `route`, `request` and `auth`.
pub(super) static FIELDS: &[Field<Draft>] = &[
    Field::new(
        "dns.resolver",
        Choice(&[
            ("system", |draft| draft.plan.network.dns.resolver = ResolverPlan::System),
            ("hickory", |draft| draft.plan.network.dns.resolver = ResolverPlan::Hickory),
        ]),
        "\"system\"",
        "system (reads /etc/hosts) | hickory (our own: respects times to live)",
    ),
    Field::new(
        "dns.servers",
        Texts(
            |draft| draft.plan.network.dns.servers.clear(),
            |draft, text| texts::server(text).map(|server| draft.plan.network.dns.servers.push(server)),
        ),
        "[]",
        "such as [\"127.0.0.1:53\"], with hickory only; empty: those of /etc/resolv.conf",
    ),
    Field::new(
        "dns.hosts",
        Texts(
            |draft| draft.plan.network.dns.hosts.clear(),
            |draft, text| texts::fixed_host(text, &mut draft.plan.network.dns.hosts),
        ),
        "[]",
        "such as [\"name=192.0.2.7,192.0.2.8\"]: names that nobody is asked for",
    ),
    Field::new(
        "tls.roots",
        Choice(&[
            ("system", |draft| draft.plan.network.tls.roots = RootsPlan::System),
            ("mozilla", |draft| draft.plan.network.tls.roots = RootsPlan::Mozilla),
        ]),
        "\"system\"",
        "authorities that are trusted: system | mozilla (as this program was built)",
    ),
    Field::new(
        "tls.ca_files",
        Texts(
            |draft| draft.plan.network.tls.ca_files.clear(),
            |draft, text| checked::filled(text).map(|file| draft.plan.network.tls.ca_files.push(file.into())),
        ),
        "[]",
        "PEM files of authorities that are trusted too; relative to this file",
    ),
    Field::new(
        "tls.client_cert",
        Text(|draft, text| {
            draft.plan.network.tls.client_cert = (!text.is_empty()).then(|| text.into());
            Ok(())
        }),
        "\"\"",
        "PEM file of our own certificate, for servers that ask for one",
    ),
    Field::new(
        "tls.client_key",
        Text(|draft, text| {
            draft.plan.network.tls.client_key = (!text.is_empty()).then(|| text.into());
            Ok(())
        }),
        "\"\"",
        "PEM file of its key",
    ),
    Field::new(
        "tls.insecure_hosts",
        Texts(
            |draft| draft.plan.network.tls.insecure_hosts.clear(),
            |draft, text| {
                texts::host_pattern(text).map(|host| draft.plan.network.tls.insecure_hosts.push(host))
            },
        ),
        "[]",
        "patterns of hosts whose certificate may be wrong; a warning names them",
    ),
    Field::new(
        "cookies.enabled",
        Bool(|draft, value| draft.plan.network.cookies = value),
        "false",
        "keep cookies and send them back, in memory only",
    ),
    Field::new(
        "proxy",
        Tables(|reader, draft, elements| {
            let (keys, blank) = (lists_of_network::PROXY, lists_of_network::blank_proxy);
            draft.plan.network.proxies = reader.elements(keys, "proxy", blank, elements);
        }),
        "[]",
        "proxies; without any [[route]] all hosts are reached through them, in turn",
    ),
    Field::new(
        "route",
        Tables(|reader, draft, elements| {
            let keys = lists_of_network::ROUTE;
            draft.plan.network.routes = reader.elements(keys, "route", Default::default, elements);
        }),
        "[]",
        "which hosts go through which proxies; the first that matches wins, the others are reached directly",
    ),
    Field::new(
        "request",
        Tables(|reader, draft, elements| {
            let keys = lists_of_network::REQUEST;
            draft.plan.network.requests = reader.elements(keys, "request", Default::default, elements);
        }),
        "[]",
        "what requests to some hosts carry; the first that matches wins",
    ),
    Field::new(
        "auth",
        Tables(|reader, draft, elements| {
            let keys = lists_of_network::AUTH;
            draft.plan.network.auth = reader.elements(keys, "auth", Default::default, elements);
        }),
        "[]",
        "credentials, each shown to one origin only; secrets stand in the environment or in files",
    ),
];
