//! Resolves names by the system resolver, once per name at a time, with a short memory.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::{clock, thread};

/// How long addresses are remembered; getaddrinfo does not tell a record's own time to live.
const TTL: Duration = Duration::from_secs(60);
/// How long a failure is remembered.
const FAILURE_TTL: Duration = Duration::from_secs(2);
/// Names that are remembered.
const NAMES_MAX: usize = 16_384;
/// Look-ups at a time, in the whole process; the others wait.
const THREADS_MAX: usize = 32;

/// The addresses of a name, or the resolver's words.
pub(crate) type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

/// The resolver of a process.
#[derive(Debug)]
pub(crate) struct Resolver {
    fixed: BTreeMap<String, Arc<[IpAddr]>>,
    look_up: fn(&str) -> Answer,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeMap<Box<str>, Known>,
    /// Who waits for the names that are being looked up.
    asked: BTreeMap<Box<str>, Vec<oneshot::Sender<Answer>>>,
    queue: VecDeque<Box<str>>,
    threads: usize,
}

#[derive(Debug)]
struct Known {
    answer: Answer,
    until: Instant,
}

impl Resolver {
    /// Makes a resolver that answers for `fixed` names by itself and asks the system for the others.
    pub(crate) fn new(fixed: &BTreeMap<String, Vec<IpAddr>>) -> Arc<Self> {
        Self::asking(look_up, fixed)
    }

    fn asking(look_up: fn(&str) -> Answer, fixed: &BTreeMap<String, Vec<IpAddr>>) -> Arc<Self> {
        let fixed =
            fixed.iter().map(|(name, addresses)| (name.clone(), addresses.as_slice().into())).collect();
        Arc::new(Self { fixed, look_up, state: Mutex::default() })
    }

    /// Returns what is remembered of a name.
    pub(crate) fn cached(&self, name: &str) -> Option<Answer> {
        if let Some(addresses) = self.fixed.get(name) {
            return Some(Ok(Arc::clone(addresses)));
        }
        let now = clock::now();
        self.lock().known.get(name).filter(|known| known.until > now).map(|known| known.answer.clone())
    }

    /// Looks a name up, together with whoever asks for it at the same time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the look-up to the others, and its answer to the memory.
    pub(crate) async fn resolve(self: &Arc<Self>, name: &str) -> Answer {
        let (sender, receiver) = oneshot::channel();
        self.ask(name, sender);
        receiver.await.unwrap_or_else(|_| Err("the look-up was given up".into()))
    }

    fn ask(self: &Arc<Self>, name: &str, sender: oneshot::Sender<Answer>) {
        let mut state = self.lock();
        if let Some(waiting) = state.asked.get_mut(name) {
            waiting.push(sender);
            return;
        }
        state.asked.insert(name.into(), vec![sender]);
        state.queue.push_back(name.into());
        if state.threads == THREADS_MAX {
            return;
        }
        state.threads += 1;
        drop(state);
        let resolver = Arc::clone(self);
        if let Err(error) = thread::detached("dragline-dns", move || resolver.work()) {
            let mut state = self.lock();
            state.threads -= 1;
            // With other threads at work the name waits for one of them; with none, nobody would come.
            if state.threads == 0 {
                drop(state);
                self.answer(name, &Err(format!("no thread for the look-up: {error}").into()));
            }
        }
    }

    /// Looks up queued names until there is none.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            let Some(name) = state.queue.pop_front() else {
                state.threads -= 1;
                return;
            };
            drop(state);
            self.answer(&name, &(self.look_up)(&name));
        }
    }

    fn answer(&self, name: &str, answer: &Answer) {
        let now = clock::now();
        let mut state = self.lock();
        let waiting = state.asked.remove(name).unwrap_or_default();
        state.queue.retain(|queued| &**queued != name);
        if state.known.len() >= NAMES_MAX {
            state.known.retain(|_, known| known.until > now);
        }
        if state.known.len() >= NAMES_MAX {
            state.known.pop_first();
        }
        let ttl = if answer.is_ok() { TTL } else { FAILURE_TTL };
        state.known.insert(name.into(), Known { answer: answer.clone(), until: now + ttl });
        drop(state);
        for sender in waiting {
            // Nobody waits any more when the send fails; the answer is remembered all the same.
            drop(sender.send(answer.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the system; blocks for as long as that takes.
fn look_up(name: &str) -> Answer {
    let found = (name, 0).to_socket_addrs().map_err(|error| Arc::from(error.to_string()))?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    if addresses.is_empty() { Err("the name has no address".into()) } else { Ok(addresses.into()) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static ASKED: AtomicUsize = AtomicUsize::new(0);

    fn scripted(name: &str) -> Answer {
        ASKED.fetch_add(1, Ordering::SeqCst);
        match name.strip_prefix("good") {
            Some(_) => Ok([IpAddr::from([192, 0, 2, 1])].into()),
            None => Err("no such name".into()),
        }
    }

    fn check(answer: &Answer, expected: &str) {
        let told = match answer {
            Ok(addresses) => format!("{addresses:?}"),
            Err(message) => message.to_string(),
        };
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn every_name_is_answered_once_looked_up_and_then_remembered() {
        let fixed = BTreeMap::from([("fixed".to_owned(), vec![IpAddr::from([192, 0, 2, 7])])]);
        let resolver = Resolver::asking(scripted, &fixed);
        check(&resolver.cached("fixed").unwrap(), "[192.0.2.7]");
        assert!(resolver.cached("good").is_none());
        check(&resolver.resolve("bad").await, "no such name");
        check(&resolver.cached("bad").unwrap(), "no such name");
        // More names than threads, each asked for twice at a time and polled from last to first.
        let names: Vec<String> = (0..2 * THREADS_MAX).map(|number| format!("good{number}")).collect();
        let mut waiting: Vec<_> = names
            .iter()
            .chain(&names)
            .map(|name| {
                let (sender, receiver) = oneshot::channel();
                resolver.ask(name, sender);
                receiver
            })
            .collect();
        while let Some(receiver) = waiting.pop() {
            check(&receiver.await.unwrap(), "[192.0.2.1]");
        }
        for name in &names {
            check(&resolver.cached(name).unwrap(), "[192.0.2.1]");
        }
        assert!(ASKED.load(Ordering::SeqCst) > names.len());
        assert!(resolver.lock().asked.is_empty());
    }
}
