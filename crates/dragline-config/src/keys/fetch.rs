//! The keys that say how one fetch is done, within which limits, to which addresses.

use dragline_core::fetch::AtCap;

use super::draft::Draft;
use super::{checked, texts};
use crate::schema::Kind::{Choice, Number, Size, Text, Texts, Time};
use crate::schema::{Field, length, millis, narrow};

const HOUR: u64 = 3_600;

/// Sections `fetch` and `security`.
pub(super) static FIELDS: &[Field<Draft>] = &[
    Field::new(
        "fetch.concurrency",
        Number(1..=65_536, |draft, value| draft.plan.fetch.concurrency = narrow(value)),
        "256",
        "fetches under way, whole process",
    ),
    Field::new(
        "fetch.fetchers",
        Number(0..=1_024, |draft, value| draft.plan.fetch.fetchers = (value > 0).then(|| narrow(value))),
        "0",
        "fetchers, each on a thread of its own; 0: one for each core",
    ),
    Field::new(
        "fetch.pages_max",
        Number(0..=1_048_576, |draft, value| draft.pages_max = narrow(value)),
        "0",
        "pages between lease and settle; 0: twice the concurrency",
    ),
    Field::new(
        "fetch.bodies_bytes_max",
        Size(64 << 10..=1 << 40, |draft, value| draft.plan.fetch.bodies_bytes_max = value),
        "\"128MiB\"",
        "bodies in memory, all fetches together",
    ),
    Field::new(
        "fetch.http_versions",
        Texts(
            |draft| draft.plan.fetch.http_versions.clear(),
            |draft, text| texts::http_version(text, &mut draft.plan.fetch.http_versions),
        ),
        "[\"1.1\"]",
        "add \"2\" to offer HTTP/2 over TLS; [[request]] makes exceptions",
    ),
    Field::new(
        "fetch.deadline",
        Time(millis(1, 24 * HOUR), |draft, value| draft.plan.fetch.limits.deadline = value),
        "\"60s\"",
        "whole fetch, to the last byte",
    ),
    Field::new(
        "fetch.dns_timeout",
        Time(millis(1, HOUR), |draft, value| draft.plan.fetch.limits.dns_timeout = value),
        "\"5s\"",
        "name resolution",
    ),
    Field::new(
        "fetch.connect_timeout",
        Time(millis(1, HOUR), |draft, value| draft.plan.fetch.limits.connect_timeout = value),
        "\"10s\"",
        "connecting and the TLS handshake together",
    ),
    Field::new(
        "fetch.first_byte_timeout",
        Time(millis(1, HOUR), |draft, value| draft.plan.fetch.limits.first_byte_timeout = value),
        "\"15s\"",
        "from the request to the first byte of the response",
    ),
    Field::new(
        "fetch.idle_body_timeout",
        Time(millis(1, HOUR), |draft, value| draft.plan.fetch.limits.idle_body_timeout = value),
        "\"10s\"",
        "between two reads of a body",
    ),
    Field::new(
        "fetch.rate_min",
        Size(0..=1 << 30, |draft, value| draft.plan.fetch.limits.rate_min = value),
        "\"1KiB\"",
        "bytes a second over 20 s, after the first 10 s of a response; 0: no such limit",
    ),
    Field::new(
        "fetch.body_bytes_max",
        Size(1..=64 << 30, |draft, value| draft.plan.fetch.limits.body_bytes_max = value),
        "\"10MiB\"",
        "one body, as received and as decoded, each",
    ),
    Field::new(
        "fetch.at_cap",
        Choice(&[
            ("fail", |draft| draft.plan.fetch.limits.at_cap = AtCap::Fail),
            ("truncate", |draft| draft.plan.fetch.limits.at_cap = AtCap::Truncate),
        ]),
        "\"fail\"",
        "a body over its cap: fail (too_large) | truncate (keep what was read)",
    ),
    Field::new(
        "fetch.head_bytes_max",
        Size(1 << 10..=16 << 20, |draft, value| draft.plan.fetch.limits.head_bytes_max = length(value)),
        "\"64KiB\"",
        "response head, status line included",
    ),
    Field::new(
        "fetch.head_lines_max",
        Number(8..=65_536, |draft, value| draft.plan.fetch.limits.head_lines_max = length(value)),
        "128",
        "lines of a response head",
    ),
    Field::new(
        "fetch.head_line_bytes_max",
        Size(1 << 10..=16 << 20, |draft, value| draft.plan.fetch.limits.head_line_bytes_max = length(value)),
        "\"16KiB\"",
        "one line of a response head",
    ),
    Field::new(
        "fetch.interim_max",
        Number(0..=1_000, |draft, value| draft.plan.fetch.limits.interim_max = narrow(value)),
        "10",
        "interim (1xx) responses before the final one",
    ),
    Field::new(
        "fetch.coding_layers_max",
        Number(0..=8, |draft, value| draft.plan.fetch.limits.coding_layers_max = length(value)),
        "2",
        "content codings one on top of the other",
    ),
    Field::new(
        "fetch.ratio_max",
        Number(2..=1_000_000, |draft, value| draft.plan.fetch.limits.ratio_max = value),
        "200",
        "decoded bytes for each received one, judged after the first MiB decoded",
    ),
    Field::new(
        "fetch.redirects_max",
        Number(0..=100, |draft, value| draft.plan.rules.redirects_max = narrow(value)),
        "10",
        "hops; in a crawl each hop is a URL of its own",
    ),
    Field::new(
        "fetch.accept",
        Text(|draft, text| checked::header(text).map(|accept| draft.plan.fetch.accept = accept)),
        "\"text/html, application/xhtml+xml;q=0.9, */*;q=0.1\"",
        "the Accept field that is sent",
    ),
    Field::new(
        "security.allow_networks",
        Texts(
            |draft| draft.plan.guard.allow_networks.clear(),
            |draft, text| checked::network(text).map(|network| draft.plan.guard.allow_networks.push(network)),
        ),
        "[]",
        "such as [\"127.0.0.0/8\"]: private, loopback and metadata addresses are refused otherwise",
    ),
    Field::new(
        "security.allow_hosts",
        Texts(
            |draft| draft.plan.guard.allow_hosts.clear(),
            |draft, text| checked::host(text).map(|host| draft.plan.guard.allow_hosts.push(host)),
        ),
        "[]",
        "hosts whose addresses may be private",
    ),
];
