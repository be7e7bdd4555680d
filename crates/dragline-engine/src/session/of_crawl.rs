//! Gives a crawl its sessions: they share its hosts, robots.txt, connections and metrics, and end with it.

use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use dragline_core::fetch::FetchLimits;
use dragline_core::rules::CrawlRules;
use dragline_fetch::Transport;
use dragline_telemetry::Telemetry;
use dragline_telemetry::escape::LoggedUrls;

use super::crew::{self, Standing};
use super::executor::Executor;
use super::front::{Defaults, Session};
use super::hub::{Hub, HubParts};
use super::overdue;
use crate::clock::Clock;
use crate::fetcher::FetcherParts;
use crate::follow::{CrawlGate, FollowOptions, Follower, FollowerParts};

/// The sessions of one crawl. Dropping it cancels whatever they have not ended: the crawl is over, or will never be.
pub(crate) struct CrawlSessions(Arc<Hub>);

impl CrawlSessions {
    /// Makes the line of a crawl that has not begun; nothing is carried out before it has.
    pub(crate) fn new() -> Self {
        Self(Hub::new(HubParts {
            clock: Clock::start(),
            executor: OnceLock::new(),
            telemetry: OnceLock::new(),
            lanes_max: 1,
            is_sequential: false,
        }))
    }

    /// Runs the callbacks of its sessions on this executor; the first one counts.
    pub(crate) fn set_executor(&self, executor: &Executor) {
        drop(self.0.executor.set(executor.clone()));
    }

    /// Returns another session, with the crawl's rules and limits as they are now.
    pub(crate) fn session(&self, rules: &CrawlRules, limits: &FetchLimits) -> Session {
        Session::of_crawl(Arc::clone(&self.0), defaults(rules, limits))
    }

    /// Tells what was not known before the crawl began.
    pub(crate) fn begin(&self, telemetry: &Arc<Telemetry>, log_urls: LoggedUrls, lanes_max: usize) {
        self.0.begin(telemetry, log_urls, lanes_max);
    }

    /// Ends what waits for a lane beyond its deadline, for ever: on the thread of the supervisor, since that of the fetcher
    /// may be busy, or gone until it is started again.
    ///
    /// # Cancel safety
    /// Dropping it lets calls wait until a lane is free.
    pub(crate) fn watch_deadlines(&self) -> impl Future<Output = ()> + use<> {
        overdue::watch(Arc::clone(&self.0))
    }

    /// Returns what a fetcher needs to carry out its part.
    pub(crate) fn line(&self) -> SessionLine {
        SessionLine(Arc::clone(&self.0))
    }
}

impl Drop for CrawlSessions {
    fn drop(&mut self) {
        self.0.abandon("the crawl of its session has ended, or was never started");
    }
}

impl fmt::Debug for CrawlSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CrawlSessions").field(&self.0).finish()
    }
}

/// The line of a crawl's sessions, as the fetcher sees it that carries them out.
#[derive(Clone, Debug)]
pub(crate) struct SessionLine(Arc<Hub>);

impl SessionLine {
    /// Carries out what sessions start, on the calling arbiter and through the crawl's gate, over the connections of
    /// its fetcher.
    ///
    /// # Cancel safety
    /// Dropping it ends what it ran as `crashed`; what waits goes on with the next.
    pub(crate) async fn serve(
        self,
        gate: CrawlGate,
        parts: FetcherParts,
        transport: Rc<dyn Transport>,
        seed: u64,
    ) {
        let standing = Standing { cookies: parts.cookies.clone(), keyring: parts.keyring.clone() };
        let follower = Follower::through(
            gate,
            FollowerParts {
                clock: parts.clock,
                rules: parts.rules,
                limits: parts.limits,
                transport,
                cookies: parts.cookies,
                keyring: parts.keyring,
                log_urls: self.0.log_urls(),
                telemetry: Some(parts.telemetry),
                seed,
            },
        );
        self.0.renew();
        crew::serve(self.0, follower, standing).await;
    }
}

/// Makes the defaults of sessions that share a crawl's rules; cookies and credentials are added by its lanes.
fn defaults(rules: &CrawlRules, limits: &FetchLimits) -> Defaults {
    let redirects = rules.redirects_max;
    Defaults {
        headers: Arc::default(),
        cookies: None,
        credentials: Vec::new(),
        keyring: None,
        base_url: None,
        limits: Arc::new(limits.clone()),
        deadline: None,
        options: FollowOptions {
            redirects_max: (redirects > 0).then_some(redirects),
            robots: rules.robots.obey,
            attempts_max: 1,
        },
    }
}
