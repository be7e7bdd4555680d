//! Remembers every request a server was asked, so that a crawler's manners can be judged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Requests that are remembered; later ones are only counted.
const REQUESTS_MAX: usize = 1_000_000;

/// One request, as a server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The `Host` field, or the server's own address when there was none.
    pub host: Box<str>,
    /// The method.
    pub method: Box<str>,
    /// Path and query as they stood in the request line.
    pub path: Box<str>,
    /// The `User-Agent` field; empty when there was none.
    pub user_agent: Arc<str>,
    /// When the request was whole, counted from the start of the server.
    pub at: Duration,
    /// The connection it came over, from 1.
    pub connection: u64,
}

/// What a server was asked, in the order of arrival; clones share it.
#[derive(Clone, Debug, Default)]
pub struct RequestLog(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    requests: Vec<LoggedRequest>,
    forgotten: u64,
    connections: u64,
    connections_refused: u64,
}

impl RequestLog {
    /// Returns every request, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.with(|entries| entries.requests.clone())
    }

    /// Returns how many requests there were.
    pub fn count(&self) -> u64 {
        self.with(|entries| entries.forgotten + u64::try_from(entries.requests.len()).unwrap_or(u64::MAX))
    }

    /// Returns how many requests there were for this path and query, on any host.
    pub fn count_of(&self, path: &str) -> usize {
        self.with(|entries| entries.requests.iter().filter(|request| &*request.path == path).count())
    }

    /// Returns how often each URL (host and path) was asked.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.with(|entries| {
            let mut counts = BTreeMap::new();
            for request in &entries.requests {
                *counts.entry(format!("{}{}", request.host, request.path)).or_default() += 1;
            }
            counts
        })
    }

    /// Returns the paths asked of one host, oldest first.
    pub fn paths(&self, host: &str) -> Vec<Box<str>> {
        self.with(|entries| {
            let of_host = entries.requests.iter().filter(|request| &*request.host == host);
            of_host.map(|request| request.path.clone()).collect()
        })
    }

    /// Returns the times between one request of a host and the next, in order.
    pub fn gaps(&self, host: &str) -> Vec<Duration> {
        self.with(|entries| {
            let of_host = entries.requests.iter().filter(|request| &*request.host == host);
            let times: Vec<_> = of_host.map(|request| request.at).collect();
            times.iter().zip(times.iter().skip(1)).map(|(one, next)| next.saturating_sub(*one)).collect()
        })
    }

    /// Returns how many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.with(|entries| entries.connections)
    }

    /// Returns how many connections were closed at once because too many were open.
    pub fn connections_refused(&self) -> u64 {
        self.with(|entries| entries.connections_refused)
    }

    pub(crate) fn add(&self, request: LoggedRequest) {
        self.with(|entries| {
            if entries.requests.len() < REQUESTS_MAX {
                entries.requests.push(request);
            } else {
                entries.forgotten += 1;
            }
        });
    }

    /// Counts a connection and returns its number, from 1.
    pub(crate) fn add_connection(&self) -> u64 {
        self.with(|entries| {
            entries.connections += 1;
            entries.connections
        })
    }

    pub(crate) fn add_refused(&self) {
        self.with(|entries| entries.connections_refused += 1);
    }

    fn with<T>(&self, use_entries: impl FnOnce(&mut Entries) -> T) -> T {
        use_entries(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_their_order_and_gaps_are_per_host() {
        let log = RequestLog::default();
        for (host, path, millis) in [("a", "/1", 0), ("b", "/1", 5), ("a", "/2", 30), ("a", "/1", 70)] {
            log.add(LoggedRequest {
                host: host.into(),
                method: "GET".into(),
                path: path.into(),
                user_agent: "test".into(),
                at: Duration::from_millis(millis),
                connection: 1,
            });
        }
        assert_eq!(log.paths("a"), ["/1".into(), "/2".into(), "/1".into()]);
        assert_eq!(log.gaps("a"), [30, 40].map(Duration::from_millis));
        assert!(log.gaps("b").is_empty());
        assert_eq!(log.count_of("/1"), 3);
        assert_eq!(log.counts().get("a/1"), Some(&2));
        assert_eq!(log.count(), 4);
    }
}
