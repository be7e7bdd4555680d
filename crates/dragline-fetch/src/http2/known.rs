//! Remembers which origins speak HTTP/1.1 only, so that they are not asked again for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::dial::Target;
use crate::route::Route;

/// How long an origin is taken at its word.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Origins that are remembered.
const ORIGINS_MAX: usize = 4_096;

/// An origin by one route; what is offered over TLS makes no difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    host: Box<str>,
    port: u16,
    route: Route,
}

impl Key {
    pub(super) fn of(target: &Target<'_>) -> Self {
        let route = Route { http2: true, ..target.route };
        Self { host: target.host.into(), port: target.port, route }
    }
}

/// The origins that chose HTTP/1.1.
#[derive(Debug, Default)]
pub(super) struct Http1Origins(BTreeMap<Key, Instant>);

impl Http1Origins {
    /// Remembers an origin.
    pub(super) fn remember(&mut self, key: Key, now: Instant) {
        if self.0.len() >= ORIGINS_MAX {
            self.forget_old(now);
        }
        if self.0.len() >= ORIGINS_MAX {
            self.0.pop_first();
        }
        self.0.insert(key, now + REMEMBERED);
    }

    /// Whether an origin is remembered.
    pub(super) fn knows(&self, key: &Key, now: Instant) -> bool {
        self.0.get(key).is_some_and(|until| *until > now)
    }

    /// Forgets what was learnt too long ago.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.0.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn key(host: &str, proxy: Option<u16>, http2: bool) -> Key {
        let route = Route { tls: true, http2, waiver: None, proxy };
        Key::of(&Target { host, port: 443, route })
    }

    fn check(origins: &Http1Origins, key: &Key, now: Instant, expected: bool) {
        assert_eq!(origins.knows(key, now), expected, "{key:?}");
    }

    #[test]
    fn origins_are_known_for_a_while_by_their_route_alone() {
        let now = clock::now();
        let mut origins = Http1Origins::default();
        origins.remember(key("a.org", None, true), now);
        check(&origins, &key("a.org", None, false), now, true);
        check(&origins, &key("a.org", Some(0), true), now, false);
        check(&origins, &key("b.org", None, true), now, false);
        check(&origins, &key("a.org", None, true), now + REMEMBERED, false);
    }

    #[test]
    fn the_memory_is_bounded() {
        let now = clock::now();
        let mut origins = Http1Origins::default();
        for number in 0..ORIGINS_MAX + 10 {
            origins.remember(key(&format!("h{number}.org"), None, true), now);
        }
        assert_eq!(origins.0.len(), ORIGINS_MAX);
        origins.remember(key("z.org", None, true), now + REMEMBERED);
        assert_eq!(origins.0.len(), 1);
    }
}
