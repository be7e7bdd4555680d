//! Asks name servers for the addresses of a name, on one thread with a runtime of its own.
//!
//! The look-ups of a process share that thread, so that none ends with the arbiter that happened to begin it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Resolver;
use super::memory::Found;
use crate::setup::TransportSetupError;
use crate::thread;

/// Look-ups at a time; the others wait.
const LOOK_UPS_MAX: usize = 128;
/// How long one answer is waited for, and how often is asked: three times within the usual limit of 5 s, so that a
/// lost packet or two do not matter.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_400);
const RETRIES: usize = 2;
/// How long the addresses of one family wait for those of the other.
const OTHER_FAMILY_TIMEOUT: Duration = Duration::from_millis(300);
/// How long answers are good, whatever their records say.
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(3_600);
/// How long it is remembered at most that there is no such name.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(60);

/// The name servers of a process.
pub(super) struct Servers {
    resolver: TokioResolver,
    /// The way to the thread, once there is one.
    inbox: Mutex<Option<mpsc::UnboundedSender<Box<str>>>>,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Servers")
    }
}

impl Servers {
    /// Makes a resolver that asks these servers, or those of the system's configuration when there are none.
    ///
    /// # Errors
    /// When that configuration cannot be read or names none.
    pub(super) fn new(servers: &[SocketAddr]) -> Result<Self, TransportSetupError> {
        let fault = |error: NetError| TransportSetupError::Dns(error.to_string());
        let servers = if servers.is_empty() {
            let (config, _) = read_system_conf().map_err(fault)?;
            config.name_servers().to_vec()
        } else {
            servers.iter().map(name_server).collect()
        };
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options();
        let resolver = builder.build().map_err(fault)?;
        Ok(Self { resolver, inbox: Mutex::default() })
    }

    /// Asks for a name; `owner` is given the answer.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn ask(&self, name: &str, owner: &Weak<Resolver>) -> io::Result<()> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let unsent = match inbox.as_ref() {
            Some(sender) => match sender.send(name.into()) {
                Ok(()) => return Ok(()),
                Err(unsent) => unsent.0,
            },
            None => name.into(),
        };
        // The first name, or the thread ended by a panic: begin anew.
        let (sender, receiver) = mpsc::unbounded_channel();
        let (resolver, owner) = (self.resolver.clone(), Weak::clone(owner));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        thread::detached("dragline-dns", move || runtime.block_on(serve(&resolver, receiver, &owner)))?;
        drop(sender.send(unsent));
        *inbox = Some(sender);
        Ok(())
    }
}

fn name_server(server: &SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let connections = vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())];
    NameServerConfig::new(server.ip(), true, connections)
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = ATTEMPT_TIMEOUT;
    options.attempts = RETRIES;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.max_active_requests = 2 * LOOK_UPS_MAX;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.preserve_intermediates = true;
    options
}

/// Looks up the names that arrive, until the owner is gone.
async fn serve(
    resolver: &TokioResolver,
    mut names: mpsc::UnboundedReceiver<Box<str>>,
    owner: &Weak<Resolver>,
) {
    let mut look_ups = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = look_ups.join_next() => {}
            name = names.recv(), if look_ups.len() < LOOK_UPS_MAX => {
                let Some(name) = name else { return };
                let resolver = resolver.clone();
                let owed = Owed { owner: Weak::clone(owner), name, found: None };
                look_ups.spawn(async move {
                    let found = look_up(&resolver, &owed.name).await;
                    owed.pay(found);
                });
            }
        }
    }
}

/// A name whose askers are owed an answer: they get one however the look-up ends.
struct Owed {
    owner: Weak<Resolver>,
    name: Box<str>,
    found: Option<Found>,
}

impl Owed {
    fn pay(mut self, found: Found) {
        self.found = Some(found);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.upgrade() {
            let found = self.found.take();
            owner.answer(&self.name, &found.unwrap_or_else(|| Found::failed("the look-up was given up")));
        }
    }
}

/// Asks for both families at a time; IPv4 addresses come first, since more machines can use them.
async fn look_up(resolver: &TokioResolver, name: &str) -> Found {
    let Ok(mut absolute) = Name::from_ascii(name) else {
        return Found::failed("the name cannot be asked for");
    };
    absolute.set_fqdn(true);
    let mut four = pin!(resolver.lookup(absolute.clone(), RecordType::A));
    let mut six = pin!(resolver.lookup(absolute, RecordType::AAAA));
    let (first, is_four) = tokio::select! {
        biased;
        found = &mut four => (found, true),
        found = &mut six => (found, false),
    };
    let is_good = first.as_ref().is_ok_and(|lookup| addresses(lookup).next().is_some());
    let patience = if is_good { OTHER_FAMILY_TIMEOUT } else { Duration::MAX };
    let second = if is_four {
        tokio::time::timeout(patience, six).await
    } else {
        tokio::time::timeout(patience, four).await
    };
    let second = second.unwrap_or(Err(NetError::Timeout));
    if is_four { join(&first, &second) } else { join(&second, &first) }
}

fn addresses(lookup: &Lookup) -> impl Iterator<Item = IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr())
}

/// Puts the answers for both families together.
fn join(four: &Result<Lookup, NetError>, six: &Result<Lookup, NetError>) -> Found {
    let lookups = || four.iter().chain(six);
    let records = lookups().flat_map(Lookup::answers);
    let ttl = records.map(|record| Duration::from_secs(record.ttl.into())).min().unwrap_or_default();
    let found = Found::addresses(lookups().flat_map(addresses), ttl.clamp(TTL_MIN, TTL_MAX));
    match (four, six) {
        _ if found.answer.is_ok() => found,
        (Err(error), Ok(_)) | (Ok(_), Err(error)) if !is_negative(error) => failed(error),
        (Err(error), Err(other)) => failed(if is_negative(error) { other } else { error }),
        (Err(error), _) | (_, Err(error)) => failed(error),
        (Ok(_), Ok(_)) => found,
    }
}

/// Whether a server said that there is nothing, as opposed to not saying anything of use.
const fn is_negative(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(_)))
}

fn failed(error: &NetError) -> Found {
    let words = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let exists = none.response_code != ResponseCode::NXDomain;
            let words = if exists { "the name has no address" } else { "there is no such name" };
            let ttl = none.negative_ttl.map(|secs| Duration::from_secs(secs.into()));
            let found = Found::failed(words);
            let ttl = ttl.map_or(found.ttl, |ttl| ttl.clamp(TTL_MIN, NEGATIVE_TTL_MAX));
            return Found { ttl, ..found };
        }
        NetError::Dns(DnsError::ResponseCode(code)) => format!("the name server failed: {code}"),
        NetError::Timeout | NetError::NoConnections => "no name server answered in time".into(),
        other => other.to_string(),
    };
    Found::failed(&words)
}
