//! The keys that say how hosts are treated.

use dragline_core::rules::{CrawlDelayOver, NofollowLinks};

use super::draft::Draft;
use super::lists;
use crate::schema::Kind::{Bool, Choice, Fraction, Number, Numbers, Size, Tables, Time};
use crate::schema::{Field, length, millis, narrow, secs};

const DAY: u64 = 24 * 3_600;

/// Sections `politeness`, `robots` and `retry`.
pub(super) static FIELDS: &[Field<Draft>] = &[
    Field::new(
        "politeness.concurrency",
        Number(1..=1_024, |draft, value| draft.plan.rules.politeness.concurrency = narrow(value)),
        "1",
        "fetches of one host at a time",
    ),
    Field::new(
        "politeness.delay",
        Time(millis(0, DAY), |draft, value| draft.plan.rules.politeness.delay = value),
        "\"1s\"",
        "least gap between two fetches of one host",
    ),
    Field::new(
        "politeness.adaptive",
        Bool(|draft, value| draft.plan.rules.politeness.adaptive = value),
        "true",
        "gap = factor x the host's smoothed latency, kept between delay and delay_max",
    ),
    Field::new(
        "politeness.factor",
        Fraction(0.0..=1_000.0, |draft, value| draft.plan.rules.politeness.factor = value),
        "5.0",
        "gap for each second of latency",
    ),
    Field::new(
        "politeness.delay_max",
        Time(millis(0, DAY), |draft, value| draft.plan.rules.politeness.delay_max = value),
        "\"60s\"",
        "longest adaptive gap",
    ),
    Field::new(
        "politeness.jitter",
        Fraction(0.0..=1.0, |draft, value| draft.plan.rules.politeness.jitter = value),
        "0.2",
        "how much penalties are spread, 0 to 1",
    ),
    Field::new(
        "politeness.backoff_max",
        Time(millis(1, 7 * DAY), |draft, value| draft.plan.rules.politeness.backoff_max = value),
        "\"1h\"",
        "longest Retry-After or penalty that is waited out; a host that asks for more is parked",
    ),
    Field::new(
        "politeness.give_up_after",
        Time(secs(1, 30 * DAY), |draft, value| draft.plan.rules.politeness.give_up_after = value),
        "\"1h\"",
        "a host that only refuses for so long is parked",
    ),
    Field::new(
        "politeness.rule",
        Tables(|reader, draft, elements| {
            draft.plan.rules.politeness.rules =
                reader.elements(lists::RULE, "politeness.rule", Default::default, elements);
        }),
        "[]",
        "exceptions by host; the first that matches wins",
    ),
    Field::new(
        "robots.obey",
        Bool(|draft, value| draft.plan.rules.robots.obey = value),
        "true",
        "fetch and obey robots.txt",
    ),
    Field::new(
        "robots.bytes_max",
        Size(500 << 10..=64 << 20, |draft, value| draft.plan.rules.robots.bytes_max = length(value)),
        "\"500KiB\"",
        "RFC 9309 2.5: at least 500 KiB",
    ),
    Field::new(
        "robots.cache",
        Time(secs(1, DAY), |draft, value| draft.plan.rules.robots.cache = value),
        "\"24h\"",
        "RFC 9309 2.4: not longer than 24 hours",
    ),
    Field::new(
        "robots.redirects",
        Number(5..=100, |draft, value| draft.plan.rules.robots.redirects_max = narrow(value)),
        "5",
        "RFC 9309 2.3.1.2: at least 5",
    ),
    Field::new(
        "robots.crawl_delay_max",
        Time(millis(0, 365 * DAY), |draft, value| draft.plan.rules.robots.crawl_delay_max = value),
        "\"60s\"",
        "longest Crawl-delay that is kept as asked",
    ),
    Field::new(
        "robots.crawl_delay_over",
        Choice(&[
            ("cap", |draft| draft.plan.rules.robots.crawl_delay_over = CrawlDelayOver::Cap),
            ("skip_host", |draft| draft.plan.rules.robots.crawl_delay_over = CrawlDelayOver::SkipHost),
        ]),
        "\"cap\"",
        "a longer one: cap (keep crawl_delay_max) | skip_host",
    ),
    Field::new(
        "robots.meta",
        Bool(|draft, value| draft.plan.rules.robots.meta = value),
        "true",
        "obey <meta name=robots> and X-Robots-Tag",
    ),
    Field::new(
        "robots.nofollow_links",
        Choice(&[
            ("skip", |draft| draft.plan.rules.robots.nofollow_links = NofollowLinks::Skip),
            ("follow", |draft| draft.plan.rules.robots.nofollow_links = NofollowLinks::Follow),
        ]),
        "\"skip\"",
        "links that say nofollow, ugc or sponsored: skip | follow",
    ),
    Field::new(
        "retry.attempts",
        Number(1..=100, |draft, value| draft.plan.rules.retry.attempts = narrow(value)),
        "3",
        "in all, the first included",
    ),
    Field::new(
        "retry.base",
        Time(millis(0, DAY), |draft, value| draft.plan.rules.retry.base = value),
        "\"1s\"",
        "the wait is drawn from 0 to base x 2^n",
    ),
    Field::new(
        "retry.max",
        Time(millis(0, DAY), |draft, value| draft.plan.rules.retry.max = value),
        "\"60s\"",
        "longest wait",
    ),
    Field::new(
        "retry.statuses",
        Numbers(
            400..=599,
            |draft| draft.plan.rules.retry.statuses.clear(),
            |draft, value| draft.plan.rules.retry.statuses.extend(u16::try_from(value)),
        ),
        "[408, 429, 500, 502, 503, 504]",
        "statuses worth another attempt",
    ),
];
