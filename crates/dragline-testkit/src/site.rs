//! Maps the paths of one host to answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dragline_core::url::normalise_escapes;

use crate::reply::Reply;

/// Answers paths that no route names; `None` leaves them to the site's 404.
type Fallback = Arc<dyn Fn(&str) -> Option<Reply> + Send + Sync>;

/// What one host serves: routes by path and query, a fallback, and how long every answer takes.
///
/// A path is looked up as it came, then with its escapes normalised and without an empty query, so that every
/// spelling of a URL finds its page.
#[derive(Default)]
pub struct Site {
    routes: BTreeMap<String, Route>,
    fallback: Option<Fallback>,
    delay: Duration,
}

/// Answers one path: the first request with the first reply, and so on; the last is repeated.
#[derive(Debug)]
struct Route {
    replies: Vec<Reply>,
    asked: AtomicUsize,
}

impl Site {
    /// Makes a site without pages: every path is a 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers a path (with its query, if it has one) always alike.
    #[must_use]
    pub fn on(self, path: impl Into<String>, reply: Reply) -> Self {
        self.on_each(path, vec![reply])
    }

    /// Answers the first request for a path with the first reply, the second with the second; the last is repeated.
    #[must_use]
    pub fn on_each(mut self, path: impl Into<String>, replies: Vec<Reply>) -> Self {
        self.routes.insert(path.into(), Route { replies, asked: AtomicUsize::new(0) });
        self
    }

    /// Answers what no route names; `None` leaves it a 404.
    #[must_use]
    pub fn fallback(mut self, answer: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Self {
        self.fallback = Some(Arc::new(answer));
        self
    }

    /// Waits this long before every answer.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Returns how long every answer takes.
    pub(crate) const fn answer_delay(&self) -> Duration {
        self.delay
    }

    /// Returns the answer to a request for this path and query.
    pub fn reply(&self, path: &str) -> Reply {
        let route = self.routes.get(path).or_else(|| {
            let usual = normalise_escapes(path);
            self.routes.get(usual.strip_suffix('?').unwrap_or(&usual))
        });
        let of_route = route.and_then(Route::next);
        let found = of_route.or_else(|| self.fallback.as_ref().and_then(|answer| answer(path)));
        found.unwrap_or_else(|| Reply::status(404))
    }
}

impl Route {
    fn next(&self) -> Option<Reply> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.replies.get(asked).or(self.replies.last()).cloned()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("routes", &self.routes.len()).field("delay", &self.delay).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(site: &Site, path: &str, expected: &str) {
        let bytes = site.reply(path).bytes(false, false);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.rsplit("\r\n").next(), Some(expected), "{path}");
    }

    #[test]
    fn a_path_is_found_in_every_spelling() {
        let site = Site::new().on("/~a", Reply::html("tilde")).on("/%7eb", Reply::html("as written"));
        for path in ["/~a", "/%7Ea", "/%7ea", "/~a?"] {
            check(&site, path, "tilde");
        }
        check(&site, "/%7eb", "as written");
        check(&site, "/~b", "404 Not Found\n");
    }

    #[test]
    fn replies_come_in_order_and_the_last_is_repeated() {
        let site = Site::new().on_each("/", vec![Reply::html("one"), Reply::html("two")]);
        for expected in ["one", "two", "two"] {
            check(&site, "/", expected);
        }
    }

    #[test]
    fn the_fallback_is_asked_last() {
        let site = Site::new()
            .on("/a", Reply::html("route"))
            .fallback(|path| path.strip_prefix("/day/").map(|day| Reply::html(format!("day {day}"))));
        check(&site, "/a", "route");
        check(&site, "/day/7", "day 7");
        check(&site, "/b", "404 Not Found\n");
    }
}
