//! Answers for names: from the operator's list, from memory, or by a look-up that all who ask at the time share.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::memory::{Answer, Found, Memory};
use super::servers::Servers;
use super::system;
use crate::options::{DnsOptions, ResolverKind};
use crate::setup::TransportSetupError;
use crate::{clock, thread};

/// Names that are remembered.
const NAMES_MAX: usize = 16_384;
/// Bytes of a name, with its last dot (RFC 1035 section 2.3.4); no resolver is asked for longer ones.
const NAME_BYTES_MAX: usize = 254;
/// Look-ups by the system at a time, in the whole process; the others wait.
const THREADS_MAX: usize = 32;

/// The resolver of a process.
#[derive(Debug)]
pub(crate) struct Resolver {
    fixed: BTreeMap<String, Arc<[IpAddr]>>,
    source: Source,
    state: Mutex<State>,
}

/// Who is asked.
#[derive(Debug)]
enum Source {
    /// A call that blocks, on threads that come and go.
    Call(fn(&str) -> Found),
    /// Name servers.
    Servers(Box<Servers>),
}

#[derive(Debug)]
struct State {
    memory: Memory,
    /// Who waits for the names that are being looked up.
    asked: BTreeMap<Box<str>, Vec<oneshot::Sender<Answer>>>,
    /// Names that wait for a thread.
    queue: VecDeque<Box<str>>,
    threads: usize,
}

impl Resolver {
    /// Makes a resolver that answers for the fixed names by itself and asks for the others as the options say.
    ///
    /// # Errors
    /// When the name servers of the system are to be asked and are not known.
    pub(crate) fn new(options: &DnsOptions) -> Result<Arc<Self>, TransportSetupError> {
        let source = match &options.resolver {
            ResolverKind::System => Source::Call(system::look_up),
            ResolverKind::Hickory { servers } => Source::Servers(Box::new(Servers::new(servers)?)),
        };
        Ok(Self::asking(source, &options.hosts))
    }

    fn asking(source: Source, fixed: &BTreeMap<String, Vec<IpAddr>>) -> Arc<Self> {
        let fixed = fixed
            .iter()
            .map(|(name, addresses)| (undotted(name).to_ascii_lowercase(), addresses.as_slice().into()))
            .collect();
        let memory = Memory::new(NAMES_MAX);
        let state = State { memory, asked: BTreeMap::new(), queue: VecDeque::new(), threads: 0 };
        Arc::new(Self { fixed, source, state: Mutex::new(state) })
    }

    /// Whether the operator gave the addresses of a name.
    pub(crate) fn is_fixed(&self, name: &str) -> bool {
        self.fixed.contains_key(undotted(name))
    }

    /// Returns what is known of a name without asking.
    pub(crate) fn cached(&self, name: &str) -> Option<Answer> {
        if let Some(addresses) = self.fixed.get(undotted(name)) {
            return Some(Ok(Arc::clone(addresses)));
        }
        let now = clock::now();
        self.lock().memory.get(name, now).cloned()
    }

    /// Looks a name up, together with whoever asks for it at the same time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the look-up to the others, and its answer to the memory.
    pub(crate) async fn resolve(self: &Arc<Self>, name: &str) -> Answer {
        if name.len() > NAME_BYTES_MAX {
            return Err("the name is too long".into());
        }
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
        if let Source::Servers(servers) = &self.source {
            drop(state);
            if let Err(error) = servers.ask(name, &Arc::downgrade(self)) {
                self.answer(name, &Found::failed(&format!("no thread for the look-up: {error}")));
            }
            return;
        }
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
                self.answer(name, &Found::failed(&format!("no thread for the look-up: {error}")));
            }
        }
    }

    /// Looks up queued names until there is none.
    fn work(&self) {
        let Source::Call(look_up) = &self.source else { return };
        loop {
            let mut state = self.lock();
            let Some(name) = state.queue.pop_front() else {
                state.threads -= 1;
                return;
            };
            drop(state);
            self.answer(&name, &look_up(&name));
        }
    }

    /// Gives everybody who asked for a name what came of its look-up.
    pub(super) fn answer(&self, name: &str, found: &Found) {
        let now = clock::now();
        let mut state = self.lock();
        let waiting = state.asked.remove(name).unwrap_or_default();
        state.queue.retain(|queued| &**queued != name);
        state.memory.put(name, found, now);
        drop(state);
        for sender in waiting {
            // Nobody waits any more when the send fails; the answer is remembered all the same.
            drop(sender.send(found.answer.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the dot that may end an absolute name.
fn undotted(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    static ASKED: AtomicUsize = AtomicUsize::new(0);

    fn scripted(name: &str) -> Found {
        ASKED.fetch_add(1, Ordering::SeqCst);
        match name.strip_prefix("good") {
            Some(_) => {
                Found { answer: Ok([IpAddr::from([192, 0, 2, 1])].into()), ttl: Duration::from_secs(60) }
            }
            None => Found::failed("no such name"),
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
        let resolver = Resolver::asking(Source::Call(scripted), &fixed);
        check(&resolver.cached("fixed").unwrap(), "[192.0.2.7]");
        check(&resolver.cached("fixed.").unwrap(), "[192.0.2.7]");
        assert!(resolver.cached("good").is_none());
        check(&resolver.resolve("bad").await, "no such name");
        check(&resolver.resolve(&"good.".repeat(51)).await, "the name is too long");
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
