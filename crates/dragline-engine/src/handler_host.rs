//! Runs one worker of a handler pool: gives it pages under credits, one after the other, and prepares its answers.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Recipient};
use dragline_core::frontier::{OfferBatch, OfferFrom, OfferSource, Token};
use dragline_core::hints::SeenHints;
use dragline_core::ledger::Answer;
use dragline_core::roster::{DiedWhile, WorkerId};
use dragline_core::rules::{CrawlRules, ScopeRules};
use dragline_core::url::Fingerprinter;
use dragline_core::{FailKind, Handled, LinkRefusal, Outlinks, Page, Verdict};
use dragline_telemetry::events::HandlerFinished;
use dragline_telemetry::labels::HandlerOutcome;
use dragline_telemetry::{LabelId, Telemetry};
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::clock::Clock;
use crate::handler::{HandlePage, HandleResult, Recruit};
use crate::lanes::{LaneQueue, Outbox};
use crate::messages::{HandlePages, PagesHandled, WorkerDied, WorkerStarted};
use crate::post::{Mailbox, Post};
use crate::spawn::Tasks;
use crate::supervisor::Supervisor;

/// Answers in one message to the supervisor.
const ANSWERS_MAX: usize = 32;

/// From this long on an answer is sent at once: nothing may keep it behind the next page, which may hang.
const SLOW: Duration = Duration::from_millis(1);

/// What every worker of a crawl needs to know.
#[derive(Clone, Debug)]
pub(crate) struct WorkerContext {
    pub(crate) clock: Clock,
    pub(crate) fingerprinter: Fingerprinter,
    pub(crate) hints: Arc<SeenHints>,
    pub(crate) rules: Arc<CrawlRules>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) labels: Arc<[LabelId]>,
}

/// What one worker is made from.
#[derive(Clone)]
pub(crate) struct HostParts {
    pub(crate) route: usize,
    pub(crate) worker: WorkerId,
    pub(crate) credits: usize,
    pub(crate) recruit: Recruit,
    pub(crate) context: WorkerContext,
    pub(crate) supervisor: Post<Supervisor>,
    pub(crate) mailbox: Mailbox,
}

/// One worker: the user's actor and the engine's tasks around it, all on one arbiter.
pub(crate) struct HandlerHost {
    parts: HostParts,
    pages: Rc<LaneQueue<(Token, Arc<Page>)>>,
    tasks: Tasks,
}

impl HandlerHost {
    pub(crate) fn new(parts: HostParts) -> Self {
        Self { parts, pages: LaneQueue::new(), tasks: Tasks::default() }
    }
}

impl Actor for HandlerHost {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        let HostParts { route, worker, credits, .. } = self.parts;
        let actor = (self.parts.recruit)();
        let supervisor = self.parts.supervisor.clone();
        let answers = Outbox::new(ANSWERS_MAX, move |answers| {
            supervisor.send(PagesHandled { route, worker, answers });
        });
        let turns = Rc::new(Semaphore::new(1));
        for _ in 0..credits {
            let (parts, actor, turns) = (self.parts.clone(), actor.clone(), Rc::clone(&turns));
            let (pages, answers) = (Rc::clone(&self.pages), Rc::clone(&answers));
            self.tasks.spawn(Credit { parts, actor, turns, pages, answers }.run());
        }
        self.tasks.spawn(answers.run());
        self.parts.supervisor.send(WorkerStarted { route, worker });
    }
}

/// Queues pages for the credits that are free.
impl Handler<HandlePages> for HandlerHost {
    type Result = ();

    fn handle(&mut self, HandlePages(pages): HandlePages, _: &mut Context<Self>) {
        self.parts.mailbox.started();
        self.pages.extend(pages);
    }
}

/// One handler credit: a task that has one page at a time with the user's actor.
struct Credit {
    parts: HostParts,
    actor: Recipient<HandlePage>,
    /// Held by the one credit that sends: an actor drains its mailbox without a pause, and no answer leaves until then.
    turns: Rc<Semaphore>,
    pages: Rc<LaneQueue<(Token, Arc<Page>)>>,
    answers: Rc<Outbox<(Token, Answer)>>,
}

impl Credit {
    async fn run(self) {
        let HostParts { route, worker, .. } = self.parts;
        let context = &self.parts.context;
        // The actor's pages are the supervisor's to give to another.
        let died = |during| self.parts.supervisor.send(WorkerDied { route, worker, during });
        loop {
            let (token, page) = self.pages.next().await;
            let Ok(turn) = self.turns.acquire().await else { return };
            if !self.actor.connected() {
                return died(DiedWhile::Idle);
            }
            let began = context.clock.now();
            let reply = self.actor.send(HandlePage(Arc::clone(&page)));
            yield_now().await;
            drop(turn);
            let Ok(result) = reply.await else { return died(DiedWhile::Handling) };
            let duration = context.clock.now() - began;
            let answer = self.prepare(&page, result);
            if let Some(&handler) = context.labels.get(route) {
                let outcome = outcome(&answer);
                let event = HandlerFinished { handler, url: page.url.as_str(), outcome, duration };
                event.record(&context.telemetry);
            }
            // Its bytes credits are free when the supervisor looks for some.
            drop(page);
            self.answers.push((token, answer));
            if duration >= SLOW {
                self.answers.flush();
            }
        }
    }

    /// Fingerprints the links and drops those the frontier has just seen, so that the supervisor only probes.
    fn prepare(&self, page: &Page, result: HandleResult) -> Answer {
        match result {
            Err(error) if error.panicked => Answer::Failed(FailKind::HandlerPanic, error.message),
            Err(error) => Answer::Failed(FailKind::HandlerError, error.message),
            Ok(Handled { outlinks, items, verdict, title }) => {
                let offer = offer(outlinks, page, &self.parts.context);
                Answer::Handled { verdict, offer: Some(Box::new(offer)), items, title }
            }
        }
    }
}

fn outcome(answer: &Answer) -> HandlerOutcome {
    match answer {
        Answer::Handled { verdict: Verdict::Done | Verdict::Retry(_), .. } => HandlerOutcome::Ok,
        Answer::Failed(FailKind::HandlerPanic, _) => HandlerOutcome::Panic,
        Answer::Failed(FailKind::HandlerTimeout, _) => HandlerOutcome::Timeout,
        Answer::Handled { verdict: Verdict::Failed(_), .. }
        | Answer::Failed(FailKind::HandlerError | FailKind::Fetch(_), _) => HandlerOutcome::Error,
    }
}

/// Links too deep are left to the frontier to refuse: a hint must never hide a URL that was not created.
fn offer(mut links: Outlinks, page: &Page, context: &WorkerContext) -> OfferBatch {
    let depth = page.depth.saturating_add(1);
    let ScopeRules { depth_max, url_bytes_max, .. } = context.rules.scope;
    let mut fingerprints = Vec::new();
    let (mut seen, mut too_long) = (0, 0);
    links.retain(|text| {
        if text.len() > url_bytes_max {
            too_long += 1;
            return false;
        }
        let fingerprint = context.fingerprinter.of_canonical(text);
        let known = depth <= depth_max && context.hints.seen(fingerprint, depth);
        if known {
            seen += 1;
        } else {
            fingerprints.push(fingerprint);
        }
        !known
    });
    links.refuse_many(LinkRefusal::TooLong, too_long);
    let from = OfferFrom { source: OfferSource::Link, depth, referrer: Some(page.url.clone()), data: None };
    OfferBatch { links, fingerprints, dropped_duplicates: seen, from }
}
