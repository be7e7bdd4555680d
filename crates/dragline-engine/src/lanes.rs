//! Feeds the long-lived tasks of one arbiter from a local queue, and gathers what they make into batches.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::words::panic_message;

/// A queue within one arbiter: any number of lanes wait on it.
#[derive(Debug)]
pub(crate) struct LaneQueue<T> {
    items: RefCell<VecDeque<T>>,
    ready: Notify,
}

impl<T> LaneQueue<T> {
    /// Starts empty.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { items: RefCell::new(VecDeque::new()), ready: Notify::new() })
    }

    /// Adds work, in order, and wakes one lane for each.
    pub(crate) fn extend(&self, work: impl IntoIterator<Item = T>) {
        let mut items = self.items.borrow_mut();
        for item in work {
            items.push_back(item);
            self.ready.notify_one();
        }
    }

    /// Takes the oldest work, waiting for some.
    ///
    /// # Cancel safety
    /// Dropping it takes nothing.
    pub(crate) async fn next(&self) -> T {
        loop {
            let taken = self.items.borrow_mut().pop_front();
            match taken {
                Some(item) => return item,
                None => self.ready.notified().await,
            }
        }
    }
}

/// Gathers results within one arbiter and hands them on in batches of bounded size.
pub(crate) struct Outbox<T> {
    items: RefCell<Vec<T>>,
    filled: Notify,
    most: usize,
    send: Box<dyn Fn(Vec<T>)>,
}

impl<T> Outbox<T> {
    /// Starts empty; batches of at most `most` go through `send`.
    pub(crate) fn new(most: usize, send: impl Fn(Vec<T>) + 'static) -> Rc<Self> {
        let items = RefCell::new(Vec::new());
        Rc::new(Self { items, filled: Notify::new(), most, send: Box::new(send) })
    }

    /// Adds a result; the batch goes out once the tasks that are ready now have run.
    pub(crate) fn push(&self, item: T) {
        let mut items = self.items.borrow_mut();
        items.push(item);
        if items.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Sends batches for ever.
    ///
    /// # Cancel safety
    /// Dropping it leaves what is not sent in the outbox.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            self.filled.notified().await;
            // Whoever is ready in this turn of the arbiter gets its result into the same batch.
            tokio::task::yield_now().await;
            self.flush();
        }
    }

    /// Sends what is there at once.
    pub(crate) fn flush(&self) {
        let mut batch = std::mem::take(&mut *self.items.borrow_mut());
        while batch.len() > self.most {
            let rest = batch.split_off(self.most);
            (self.send)(std::mem::replace(&mut batch, rest));
        }
        if !batch.is_empty() {
            (self.send)(batch);
        }
    }
}

/// Runs a future to its end or to its panic. It is pinned where it was made, since moving a large one costs.
///
/// # Errors
/// Returns the panic's message when the future panicked.
///
/// # Cancel safety
/// As the future's own.
pub(crate) async fn isolate<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic_message(&*panic))),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::spawn::Tasks;

    #[actix_rt::test]
    async fn every_item_is_taken_once_in_order() {
        let queue = LaneQueue::new();
        let taken = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            let (queue, taken) = (Rc::clone(&queue), Rc::clone(&taken));
            tasks.spawn(async move {
                loop {
                    let item: u32 = queue.next().await;
                    taken.borrow_mut().push(item);
                }
            });
        }
        tokio::task::yield_now().await;
        queue.extend(0..10);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*taken.borrow(), (0..10).collect::<Vec<_>>());
    }

    #[actix_rt::test]
    async fn results_of_one_turn_go_out_together_in_bounded_batches() {
        let sent = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = Tasks::default();
        let log = Rc::clone(&sent);
        let outbox = Outbox::new(2, move |batch| log.borrow_mut().push(batch));
        tasks.spawn(Rc::clone(&outbox).run());
        (0..5).for_each(|item| outbox.push(item));
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*sent.borrow(), [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[actix_rt::test]
    async fn a_panic_becomes_its_message() {
        let number = 7;
        let panicking = async {
            assert_eq!(number, 8, "the numbers differ");
        };
        let message = isolate(pin!(panicking)).await.unwrap_err();
        assert!(message.contains("the numbers differ"), "{message}");
        assert_eq!(isolate(pin!(async { 3 })).await, Ok(3));
    }
}
