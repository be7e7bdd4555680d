//! Defines what a handler is: an actor that answers pages, or a closure that stands for one.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Recipient};
use dragline_core::pattern::Pattern;
use dragline_core::roster::PoolRules;
use dragline_core::{Handled, Page};

use crate::words::{panic_message, with_causes};

/// Asks a handler to handle a page; the answer is the acknowledgement.
///
/// Until the answer the page's lease is open: a handler that dies has its page given to another. Side effects inside
/// a handler are therefore at-least-once; links and items are applied exactly once.
#[derive(Clone, Debug)]
pub struct HandlePage(pub Arc<Page>);

impl Message for HandlePage {
    type Result = HandleResult;
}

/// A handler's answer.
pub type HandleResult = Result<Handled, HandleError>;

/// Why a handler could not handle a page: it ends failed(`handler_error`) and its links and items are dropped.
///
/// Made from any error by `?`.
#[derive(Debug)]
pub struct HandleError {
    pub(crate) message: Box<str>,
    pub(crate) panicked: bool,
}

impl HandleError {
    /// Says what went wrong.
    pub fn new(message: impl Into<Box<str>>) -> Self {
        Self { message: message.into(), panicked: false }
    }
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for HandleError {
    fn from(error: E) -> Self {
        Self::new(with_causes(&error))
    }
}

/// What a closure may return: `Handled`, or a `Result` of it.
pub trait IntoHandled {
    /// Turns the value into a handler's answer.
    ///
    /// # Errors
    /// When the closure failed.
    fn into_handled(self) -> HandleResult;
}

impl IntoHandled for Handled {
    fn into_handled(self) -> HandleResult {
        Ok(self)
    }
}

impl<E: Into<HandleError>> IntoHandled for Result<Handled, E> {
    fn into_handled(self) -> HandleResult {
        self.map_err(Into::into)
    }
}

/// Starts one worker on the calling arbiter and returns its address.
pub(crate) type Recruit = Arc<dyn Fn() -> Recipient<HandlePage> + Send + Sync>;

/// A handler, the pages it gets, and how its workers are run.
#[derive(Clone)]
pub struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) content_types: Vec<Pattern>,
    pub(crate) labels: Vec<Arc<str>>,
    pub(crate) pool: PoolRules,
    pub(crate) recruit: Recruit,
}

impl Route {
    /// Routes every page to actors made by `make`, one for each worker, each on a thread of its own.
    ///
    /// `make` is called on the worker's thread, again whenever a worker is replaced.
    pub fn actor<A>(name: &str, make: impl Fn() -> A + Send + Sync + 'static) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<HandlePage>,
    {
        Self::recruiting(name, Arc::new(move || make().start().recipient()))
    }

    /// Routes every page to a closure; a panic in it ends only its page, as failed(`handler_panic`).
    pub fn closure<F, R>(name: &str, handle: F) -> Self
    where
        F: Fn(&Page) -> R + Send + Sync + 'static,
        R: IntoHandled,
    {
        let handle: PageFn = Arc::new(move |page| handle(page).into_handled());
        Self::recruiting(name, Arc::new(move || Closure(Arc::clone(&handle)).start().recipient()))
    }

    fn recruiting(name: &str, recruit: Recruit) -> Self {
        Self {
            name: name.into(),
            content_types: Vec::new(),
            labels: Vec::new(),
            pool: PoolRules::default(),
            recruit,
        }
    }

    /// Takes only pages whose media type matches one of the patterns given (`text/html`, `image/*`); without case.
    #[must_use]
    pub fn content_type(mut self, pattern: &str) -> Self {
        self.content_types.push(Pattern::new(&pattern.to_ascii_lowercase()));
        self
    }

    /// Takes only pages offered under one of the labels given.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.labels.push(label.into());
        self
    }

    /// Sets how the workers are run.
    #[must_use]
    pub fn pool(mut self, rules: PoolRules) -> Self {
        self.pool = rules;
        self
    }

    /// Sets the number of workers, each on a thread of its own.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.pool.workers = workers;
        self
    }

    /// Returns the handler's name: a label value in metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the page goes this way.
    pub(crate) fn takes(&self, page: &Page) -> bool {
        let type_fits = self.content_types.is_empty() || {
            let media_type = page.content_type();
            self.content_types.iter().any(|pattern| {
                pattern.as_str().eq_ignore_ascii_case(media_type)
                    || pattern.matches(&media_type.to_ascii_lowercase())
            })
        };
        let label_fits =
            self.labels.is_empty() || page.label.as_ref().is_some_and(|label| self.labels.contains(label));
        type_fits && label_fits
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("name", &self.name).field("pool", &self.pool).finish_non_exhaustive()
    }
}

type PageFn = Arc<dyn Fn(&Page) -> HandleResult + Send + Sync>;

/// The actor that stands for a closure.
struct Closure(PageFn);

impl Actor for Closure {
    type Context = Context<Self>;
}

/// Calls the closure; its panic is this page's, not the actor's.
impl Handler<HandlePage> for Closure {
    type Result = HandleResult;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> HandleResult {
        catch_unwind(AssertUnwindSafe(|| (self.0)(&page))).unwrap_or_else(|panic| {
            Err(HandleError { message: panic_message(&*panic).into(), panicked: true })
        })
    }
}
