//! Owns every task and thread that the engine starts: dropping the owner ends them.

use std::future::Future;
use std::io;

use actix::dev::channel::channel;
use actix::{Actor, Addr, Context};
use actix_rt::task::JoinHandle;
use actix_rt::{Arbiter, ArbiterHandle};

/// Tasks of one actor on its own arbiter; dropping this aborts them.
#[derive(Debug, Default)]
pub struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    /// Starts a task on the calling arbiter.
    #[expect(clippy::disallowed_methods, reason = "this is the one helper that owns the handle")]
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        self.0.retain(|running| !running.is_finished());
        self.0.push(actix_rt::spawn(task));
    }
}

impl Tasks {
    /// Lets the tasks go on without their owner, until they end by themselves or their arbiter does.
    pub(crate) fn detach(mut self) {
        self.0.clear();
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// Starts a thread that runs `work` and ends; returns whether it could be started.
#[expect(clippy::disallowed_methods, reason = "it ends with what it is given to do, which its owner ends")]
pub(crate) fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> bool {
    match std::thread::Builder::new().name(name.to_owned()).spawn(work) {
        // Its end is told by what it shares with its owner.
        Ok(running) => {
            drop(running);
            true
        }
        Err(error) => {
            tracing::error!(target: "dragline::actor", thread = name, %error, "a thread could not be started");
            false
        }
    }
}

/// Starts a thread with an actix system of its own, on which the future runs that `make` makes there.
///
/// # Errors
/// When the system has no thread to give.
#[expect(clippy::disallowed_methods, reason = "the handle goes to the owner")]
pub(crate) fn system<F: Future<Output = ()>>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> std::io::Result<JoinThread> {
    let work = move || actix::System::new().block_on(make());
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// A thread that can be waited for.
pub(crate) type JoinThread = std::thread::JoinHandle<()>;

/// A thread with an arbiter, or a place on one that runs already.
#[derive(Debug)]
pub(crate) struct Seat {
    handle: ArbiterHandle,
    /// Present when the thread is ours to stop.
    owned: Option<Arbiter>,
}

impl Seat {
    /// Starts a thread of its own.
    pub(crate) fn thread() -> Self {
        let arbiter = Arbiter::new();
        Self { handle: arbiter.handle(), owned: Some(arbiter) }
    }

    /// Takes a place on the calling arbiter.
    ///
    /// # Panics
    /// When no arbiter runs on the calling thread.
    pub(crate) fn here() -> Self {
        Self { handle: Arbiter::current(), owned: None }
    }

    /// Starts an actor here, made on its own thread. Its mailbox has this capacity from the first message on, which
    /// may come long before the actor has started.
    #[expect(clippy::disallowed_methods, reason = "the actor's task ends with its addresses or its thread")]
    pub(crate) fn start<A: Actor<Context = Context<A>>>(
        &self,
        capacity: usize,
        make: impl FnOnce() -> A + Send + 'static,
    ) -> Addr<A> {
        let (sender, receiver) = channel(capacity);
        let started = self.handle.spawn_fn(move || {
            let ctx = Context::with_receiver(receiver);
            actix_rt::spawn(ctx.into_future(make()));
        });
        if !started {
            tracing::error!(target: "dragline::actor", "the thread of an actor is gone before it started");
        }
        Addr::new(sender)
    }
}

impl Drop for Seat {
    /// Asks the thread to stop; one that hangs in a handler is left behind.
    fn drop(&mut self) {
        if let Some(arbiter) = &self.owned {
            arbiter.stop();
        }
    }
}

/// Starts a thread that ends with the process: for worker processes, which are one function call and this.
///
/// # Errors
/// When the system gives no thread.
#[expect(clippy::disallowed_methods, reason = "the process is the owner")]
pub(crate) fn thread_of_process(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use actix::{Handler, Message};

    use super::*;

    struct Sums(u32);

    struct Add(u32);

    impl Message for Add {
        type Result = u32;
    }

    impl Actor for Sums {
        type Context = Context<Self>;
    }

    impl Handler<Add> for Sums {
        type Result = u32;

        fn handle(&mut self, Add(number): Add, _: &mut Context<Self>) -> u32 {
            self.0 += number;
            self.0
        }
    }

    #[actix_rt::test]
    async fn a_mailbox_holds_its_capacity_before_its_actor_has_started() {
        let sums = Seat::here().start(100, || Sums(0));
        let refused = (0..100).filter(|_| sums.try_send(Add(1)).is_err()).count();
        assert_eq!(refused, 0);
        assert_eq!(sums.send(Add(1)).await, Ok(101), "each was handled, in order");
    }

    #[actix_rt::test]
    async fn an_actor_that_cannot_be_made_has_a_closed_mailbox() {
        let sums = Seat::here().start(1, || -> Sums { panic!("as the test wants") });
        assert_eq!(sums.send(Add(1)).await, Err(actix::MailboxError::Closed));
    }
}
