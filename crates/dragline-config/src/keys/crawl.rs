//! The keys that say who crawls what.

use dragline_core::CanonicalUrl;
use dragline_core::pattern::Pattern;
use dragline_core::rules::{ScopeMode, SeedRedirects};

use super::checked;
use super::draft::Draft;
use crate::schema::Kind::{Choice, Number, Size, Text, Texts};
use crate::schema::{Field, length, narrow};

/// Sections `agent` to `scope`.
pub(super) static IDENTITY: &[Field<Draft>] = &[
    Field::new("version", Number(1..=1, |_, _| {}), "1", "format of this file"),
    Field::new(
        "agent.name",
        Text(|draft, text| checked::product(text).map(|name| draft.plan.rules.agent.name = name)),
        "\"dragline\"",
        "product token matched against robots.txt: letters, - and _",
    ),
    Field::new(
        "agent.version",
        Text(|draft, text| checked::version(text).map(|version| draft.plan.rules.agent.version = version)),
        concat!("\"", env!("CARGO_PKG_VERSION"), "\""),
        "version behind the token",
    ),
    Field::new(
        "agent.contact",
        Text(|draft, text| checked::contact(text).map(|contact| draft.plan.rules.agent.contact = contact)),
        "\"\"",
        "URL or e-mail address of the operator; needed for hosts outside loopback and private ranges",
    ),
    Field::new(
        "agent.from",
        Text(|draft, text| checked::mail(text).map(|from| draft.plan.rules.agent.from = from)),
        "\"\"",
        "e-mail address sent as From; \"\" sends none",
    ),
    Field::new(
        "seeds.urls",
        Texts(
            |draft| draft.seed_urls.clear(),
            |draft, text| {
                let url = CanonicalUrl::parse(text).map_err(|error| error.to_string())?;
                draft.seed_urls.push(url);
                Ok(())
            },
        ),
        "[]",
        "where the crawl starts, with the URLs of the command line",
    ),
    Field::new(
        "seeds.files",
        Texts(
            |draft| draft.seed_files.clear(),
            |draft, text| checked::filled(text).map(|file| draft.seed_files.push(file)),
        ),
        "[]",
        "files with one URL a line, # comments; relative to this file",
    ),
    Field::new(
        "scope.mode",
        Choice(&[
            ("exact", |draft| draft.plan.rules.scope.mode = ScopeMode::Exact),
            ("host", |draft| draft.plan.rules.scope.mode = ScopeMode::Host),
            ("domain", |draft| draft.plan.rules.scope.mode = ScopeMode::Domain),
            ("any", |draft| draft.plan.rules.scope.mode = ScopeMode::Any),
        ]),
        "\"host\"",
        "how far from the seeds: exact (origin) | host | domain (registrable) | any",
    ),
    Field::new(
        "scope.seed_redirects",
        Choice(&[
            ("domain", |draft| draft.plan.rules.scope.seed_redirects = SeedRedirects::Domain),
            ("any", |draft| draft.plan.rules.scope.seed_redirects = SeedRedirects::Any),
            ("off", |draft| draft.plan.rules.scope.seed_redirects = SeedRedirects::Off),
        ]),
        "\"domain\"",
        "a redirected seed brings its new host into scope: domain (same one) | any | off",
    ),
    Field::new(
        "scope.include",
        Texts(
            |draft| draft.plan.rules.scope.include.clear(),
            |draft, text| {
                checked::filled(text).map(|text| draft.plan.rules.scope.include.push(Pattern::new(&text)))
            },
        ),
        "[]",
        "patterns on the whole URL, * is any text; empty: all in scope",
    ),
    Field::new(
        "scope.exclude",
        Texts(
            |draft| draft.plan.rules.scope.exclude.clear(),
            |draft, text| {
                checked::filled(text).map(|text| draft.plan.rules.scope.exclude.push(Pattern::new(&text)))
            },
        ),
        "[]",
        "such as [\"*/calendar/*\", \"*?sessionid=*\"]",
    ),
    Field::new(
        "scope.depth_max",
        Number(0..=1_000_000, |draft, value| draft.plan.rules.scope.depth_max = narrow(value)),
        "20",
        "links from a seed",
    ),
    Field::new(
        "scope.urls_max",
        Number(0..=u64::MAX, |draft, value| draft.plan.rules.scope.urls_max = value),
        "0",
        "URLs fetched; 0: no limit",
    ),
    Field::new(
        "scope.urls_per_host_max",
        Number(0..=u64::MAX, |draft, value| draft.plan.rules.scope.urls_per_host_max = value),
        "100_000",
        "URLs fetched of one host; 0: no limit",
    ),
    Field::new(
        "scope.url_bytes_max",
        Size(32..=65_535, |draft, value| draft.plan.rules.scope.url_bytes_max = length(value)),
        "\"8KiB\"",
        "longer links are counted and dropped",
    ),
];

/// Section `traps`.
pub(super) static TRAPS: &[Field<Draft>] = &[
    Field::new(
        "traps.path_segments_max",
        Number(1..=65_535, |draft, value| draft.plan.rules.traps.path_segments_max = length(value)),
        "20",
        "segments of a path",
    ),
    Field::new(
        "traps.segment_repeats_max",
        Number(1..=65_535, |draft, value| draft.plan.rules.traps.segment_repeats_max = length(value)),
        "3",
        "times the same segment may stand in a path",
    ),
    Field::new(
        "traps.query_bytes_max",
        Size(0..=65_535, |draft, value| draft.plan.rules.traps.query_bytes_max = length(value)),
        "\"1KiB\"",
        "length of a query",
    ),
    Field::new(
        "traps.links_per_page_max",
        Number(1..=10_000_000, |draft, value| draft.plan.rules.traps.links_per_page_max = length(value)),
        "10_000",
        "links taken from one page",
    ),
];
