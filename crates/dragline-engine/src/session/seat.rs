//! Starts the lanes of a session, on a thread of their own or on the arbiter that builds it.

use std::sync::Arc;
use std::thread::JoinHandle;

use dragline_core::fetch::FetchLimits;
use dragline_core::rules::CrawlRules;
use dragline_fetch::TransportFactory;
use dragline_telemetry::escape::LoggedUrls;

use super::build_error::SessionBuildError;
use super::crew::{self, Standing};
use super::front::Defaults;
use super::hub::Hub;
use super::overdue;
use crate::clock::Clock;
use crate::follow::{Follower, FollowerParts};
use crate::spawn::{self, Tasks};

/// What the lanes' thread is started with.
pub(super) struct Seat {
    pub(super) hub: Arc<Hub>,
    pub(super) clock: Clock,
    pub(super) rules: Arc<CrawlRules>,
    pub(super) limits: Arc<FetchLimits>,
    pub(super) transport: Arc<dyn TransportFactory>,
    pub(super) defaults: Defaults,
    pub(super) log_urls: LoggedUrls,
    pub(super) seed: u64,
}

/// Ends what nobody will carry out any more, however the lanes ended.
struct Gone(Arc<Hub>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.abandon("the thread that carries out its session's fetches has ended");
    }
}

impl Seat {
    /// Starts the lanes, on a thread of their own or here.
    pub(super) fn start(self, here: bool) -> Result<(Option<JoinHandle<()>>, Tasks), SessionBuildError> {
        let mut tasks = Tasks::default();
        if here {
            tasks.spawn(self.serve());
            return Ok((None, tasks));
        }
        let gone = Arc::clone(&self.hub);
        match spawn::system("dragline-session", move || self.serve()) {
            Ok(thread) => Ok((Some(thread), tasks)),
            Err(error) => {
                gone.abandon("its thread could not be started");
                Err(SessionBuildError::Thread(error.to_string().into()))
            }
        }
    }

    async fn serve(self) {
        let _gone = Gone(Arc::clone(&self.hub));
        let follower = Follower::new(FollowerParts {
            clock: self.clock,
            rules: self.rules,
            limits: self.limits,
            transport: self.transport.open(),
            cookies: self.defaults.cookies,
            keyring: self.defaults.keyring,
            log_urls: self.log_urls,
            telemetry: self.hub.telemetry().cloned(),
            seed: self.seed,
        });
        let mut tasks = Tasks::default();
        tasks.spawn(overdue::watch(Arc::clone(&self.hub)));
        crew::serve(self.hub, follower, Standing::default()).await;
    }
}
