//! Runs one worker of a handler pool: gives it pages under credits, and prepares its answers on its own thread.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Recipient};
use dragline_core::frontier::{OfferBatch, OfferFrom, OfferSource, Token};
use dragline_core::hints::SeenHints;
use dragline_core::ledger::Answer;
use dragline_core::roster::WorkerId;
use dragline_core::rules::{CrawlRules, ScopeRules};
use dragline_core::url::Fingerprinter;
use dragline_core::{FailKind, Handled, LinkRefusal, Outlinks, Page, Verdict};
use dragline_telemetry::events::HandlerFinished;
use dragline_telemetry::labels::HandlerOutcome;
use dragline_telemetry::{LabelId, Telemetry};

use crate::clock::Clock;
use crate::handler::{HandlePage, HandleResult, Recruit};
use crate::lanes::{LaneQueue, Outbox};
use crate::messages::{HandlePages, PagesHandled, WorkerDied, WorkerStarted};
use crate::post::{Mailbox, Post};
use crate::spawn::Tasks;
use crate::supervisor::Supervisor;

/// Answers in one message to the supervisor.
const ANSWERS_MAX: usize = 32;

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

    fn started(&mut self, ctx: &mut Context<Self>) {
        let HostParts { route, worker, credits, .. } = self.parts;
        ctx.set_mailbox_capacity(credits + 1);
        let actor = (self.parts.recruit)();
        let answers = Outbox::new();
        for _ in 0..credits {
            let (parts, actor) = (self.parts.clone(), actor.clone());
            let (pages, answers) = (Rc::clone(&self.pages), Rc::clone(&answers));
            self.tasks.spawn(Credit { parts, actor, pages, answers }.run());
        }
        let supervisor = self.parts.supervisor.clone();
        self.tasks.spawn(answers.run(ANSWERS_MAX, move |answers| {
            supervisor.send(PagesHandled { route, worker, answers });
        }));
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
    pages: Rc<LaneQueue<(Token, Arc<Page>)>>,
    answers: Rc<Outbox<(Token, Answer)>>,
}

impl Credit {
    async fn run(self) {
        let HostParts { route, worker, .. } = self.parts;
        let context = &self.parts.context;
        loop {
            let (token, page) = self.pages.next().await;
            let began = context.clock.now();
            let reply = self.actor.send(HandlePage(Arc::clone(&page))).await;
            let duration = context.clock.now() - began;
            let Ok(result) = reply else {
                // The actor is gone; its pages are the supervisor's to give to another.
                self.parts.supervisor.send(WorkerDied { route, worker });
                return;
            };
            let answer = self.prepare(&page, result);
            if let Some(&handler) = context.labels.get(route) {
                let outcome = outcome(&answer);
                let event = HandlerFinished { handler, url: page.url.as_str(), outcome, duration };
                event.record(&context.telemetry);
            }
            self.answers.push((token, answer));
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
