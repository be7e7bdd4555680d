//! Is the handler of a simulation: follows links, makes items, and fails where it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, ActorContext, Context, Handler, ResponseFuture};
use dragline_core::{Handled, Page, Verdict};
use dragline_disk::{Disk, Open};
use dragline_engine::session::Session;
use dragline_engine::{HandleError, HandlePage, HandleResult, Route};
use dragline_sink::ITEMS_FILE;

use super::faults::{FaultPlan, HandlerFault};
use super::mutant::Mutant;
use super::sink::OUT;
use super::web::WorldWeb;
use super::world::World;
use crate::disk::SimDisk;

/// The name of the route.
pub(super) const HANDLER: &str = "simulated";

/// What every worker of a simulation has in common.
pub(super) struct Script {
    pub(super) world: Arc<World>,
    pub(super) faults: Arc<FaultPlan>,
    /// Whether it follows links, which the built-in handler does otherwise.
    pub(super) follows: bool,
    pub(super) timeout: Duration,
    pub(super) mutant: Option<Mutant>,
    pub(super) web: WorldWeb,
    pub(super) told: Mutex<Told>,
}

/// What handlers have told the simulation.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How often a page was begun.
    begun: BTreeMap<String, u32>,
    /// When workers were born, with the life.
    pub(super) births: Vec<(usize, Duration)>,
    /// An answer that comes too late for its page, when a mutant takes it for another one.
    stray: Option<HandleResult>,
}

/// One worker's actor.
struct SimHandler {
    script: Arc<Script>,
    disk: SimDisk,
    session: Session,
}

impl Script {
    /// Makes the route of one life, whose output is on this disk.
    pub(super) fn route(self: &Arc<Self>, life: usize, disk: &SimDisk, session: &Session) -> Route {
        let (script, disk, session) = (Arc::clone(self), disk.clone(), session.clone());
        Route::actor(HANDLER, move || {
            let at = script.web.now();
            script.told(|told| told.births.push((life, at)));
            SimHandler { script: Arc::clone(&script), disk: disk.clone(), session: session.clone() }
        })
    }

    pub(super) fn told<T>(&self, tell: impl FnOnce(&mut Told) -> T) -> T {
        tell(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what goes wrong with a page this time.
    fn fault(&self, url: &str) -> Option<HandlerFault> {
        let fault = self.faults.handlers.get(url).copied()?;
        let first = self.told(|told| {
            let begun = told.begun.entry(url.into()).or_default();
            *begun += 1;
            *begun == 1
        });
        let once = matches!(fault, HandlerFault::LoseReply | HandlerFault::Stop | HandlerFault::Retry);
        (first || !once).then_some(fault)
    }

    /// Returns how long a page takes: most none, some up to half of what is borne.
    fn work(&self, url: &str) -> Duration {
        let drawn = self.world.hash(url, 7);
        if drawn % 1_000 >= self.faults.slow_mille {
            return Duration::ZERO;
        }
        let half = u64::try_from(self.timeout.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(drawn / 1_000 % half)
    }

    /// Returns what a handler fetches itself before it answers: mostly of the page's own host.
    fn asks(&self, page: &Page) -> Option<String> {
        let drawn = self.world.hash(page.url.as_str(), 11);
        if drawn % 1_000 >= self.faults.asks_mille {
            return None;
        }
        let other = usize::try_from(drawn / 1_000).unwrap_or(0) % (2 * self.world.hosts.len());
        let host = if other < self.world.hosts.len() { other } else { self.world.host_of(&page.url)? };
        Some(self.world.asked_url(host, drawn % 3))
    }

    /// Keeps the answer to a page that is given up, and gives it for the next.
    fn misplace(&self, answer: HandleResult, fault: Option<HandlerFault>) -> HandleResult {
        self.told(|told| match fault {
            Some(HandlerFault::Late) => {
                told.stray = Some(answer);
                Ok(Handled::default())
            }
            _ => told.stray.take().unwrap_or(answer),
        })
    }

    fn handle(&self, page: &Page) -> Result<Handled, HandleError> {
        let mut handled = Handled::default();
        let url = page.url.as_str();
        if self.follows {
            let body = String::from_utf8_lossy(&page.body);
            let found: Vec<_> =
                body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            let forgets = self.mutant == Some(Mutant::LinkLost) && self.world.hash(url, 9).is_multiple_of(10);
            let kept = found.len().saturating_sub(usize::from(forgets));
            for link in found.iter().take(kept) {
                handled.link(&page.url, link);
            }
        }
        for number in 0..self.world.items(url) {
            handled.item(&number)?;
        }
        Ok(handled)
    }
}

impl SimHandler {
    /// Writes the items of a page past the sink, as no handler may.
    fn write_early(&self, page: &Page, handled: &mut Handled) {
        let path = std::path::Path::new(OUT).join(ITEMS_FILE);
        let Ok(mut file) = self.disk.open(&path, Open::Append) else { return };
        for item in std::mem::take(&mut handled.items) {
            let line = format!(
                "{{\"handler\":\"{HANDLER}\",\"url\":\"{}\",\"item\":{}}}\n",
                page.url,
                item.as_json()
            );
            if file.append(line.as_bytes()).is_err() {
                return;
            }
        }
    }
}

impl Actor for SimHandler {
    type Context = Context<Self>;
}

/// Handles a page, or does what it is told to do instead.
impl Handler<HandlePage> for SimHandler {
    type Result = ResponseFuture<HandleResult>;

    fn handle(&mut self, HandlePage(page): HandlePage, ctx: &mut Context<Self>) -> Self::Result {
        let fault = self.script.fault(page.url.as_str());
        let mut answer = self.script.handle(&page);
        if let (Some(Mutant::ItemsEarly), Ok(handled)) = (self.script.mutant, &mut answer) {
            self.write_early(&page, handled);
        }
        if self.script.mutant == Some(Mutant::StaleAnswerTaken) {
            answer = self.script.misplace(answer, fault);
        }
        match fault {
            Some(HandlerFault::Error) => answer = Err(HandleError::new("as the simulation wants")),
            // Without a word to the panic hook: it is not news.
            Some(HandlerFault::Panic) => std::panic::resume_unwind(Box::new("as the simulation wants")),
            Some(HandlerFault::Stop) => ctx.stop(),
            Some(HandlerFault::Retry) => {
                answer =
                    Ok(Handled { verdict: Verdict::Retry(Duration::from_secs(1)), ..Handled::default() });
            }
            _ => {}
        }
        let late = 2 * self.script.timeout;
        let work = self.script.work(page.url.as_str());
        let asked =
            self.script.asks(&page).map(|url| self.session.get(url).deadline(self.script.timeout / 3));
        Box::pin(async move {
            if let Some(asked) = asked {
                // However it ends: what matters is that it does.
                drop(asked.start().await);
            }
            if !work.is_zero() {
                tokio::time::sleep(work).await;
            }
            match fault {
                Some(HandlerFault::Hang) => std::future::pending().await,
                Some(HandlerFault::Late) => {
                    tokio::time::sleep(late).await;
                    answer
                }
                Some(HandlerFault::LoseReply) => {
                    std::panic::resume_unwind(Box::new("as the simulation wants"))
                }
                _ => answer,
            }
        })
    }
}
