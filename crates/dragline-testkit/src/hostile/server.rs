//! Runs the hostile site: every door, the name server and the canaries, on one thread until drop.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use rustls::ServerConfig;
use socket2::Socket;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::act::{Act, HOLD_MAX, Next, Wire};
use super::behaviour::Behaviour;
use super::book::{Book, Door, Script};
use super::canary::Canaries;
use super::certificates::Trust;
use super::dns;
use super::families;
use super::tls;
use super::zone::Zone;
use crate::server::Request;
use crate::thread::ServerThread;

/// What a client sends along for one origin, and no other may see.
pub const SECRET: &str = "c4n4ry-secret";
/// The same as user and password of Basic credentials (RFC 7617), as they are sent.
const SECRET_AS_BASIC: &str = "YzRuNHJ5LXNlY3JldDpjNG40cnktc2VjcmV0";
/// Connections open at one time; one more is closed at once.
const CONNECTIONS_MAX: usize = 1_024;
/// Bytes of a request head: the longest URL, and room for fields.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// Paths at which a secret is expected begin with this.
pub(super) const OPEN_TO_SECRETS: &str = "/secret/";
/// The body, with status 404, of a path without a script.
pub(super) const UNKNOWN: &str = "unknown\n";
const UNKNOWN_HEAD: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\n";

/// The site; dropping it closes every socket.
#[derive(Debug)]
pub struct HostileSite {
    behaviours: Vec<Behaviour>,
    trust: Trust,
    hosts: BTreeMap<String, Vec<IpAddr>>,
    dns: SocketAddr,
    canaries: Canaries,
    shared: Arc<Shared>,
    _held: Vec<Socket>,
    _thread: ServerThread,
}

/// What the tasks of the site share.
#[derive(Debug)]
struct Shared {
    scripts: BTreeMap<String, Script>,
    zone: Zone,
    open: AtomicUsize,
    requests: AtomicUsize,
    rude: Mutex<Vec<String>>,
    leaks: Mutex<Vec<String>>,
}

impl HostileSite {
    /// Starts it.
    ///
    /// # Errors
    /// When ports cannot be bound, certificates cannot be made, or the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        let mut book = Book::open()?;
        families::write(&mut book)?;
        let Book { behaviours, scripts, doors, zone, canaries, authority, held, .. } = book;
        let questions = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        questions.set_nonblocking(true)?;
        let dns = questions.local_addr()?;
        let hosts = zone.fixed();
        let shared = Shared {
            scripts,
            zone,
            open: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            rude: Mutex::default(),
            leaks: Mutex::default(),
        };
        let shared = Arc::new(shared);
        let (listeners, doors): (Vec<StdListener>, Vec<Door>) = doors.into_iter().unzip();
        let serving = Arc::clone(&shared);
        let serve = move |listeners| serve_all(listeners, doors, questions, serving);
        let thread = ServerThread::start(listeners, serve)?;
        let trust = authority.trust;
        Ok(Self { behaviours, trust, hosts, dns, canaries, shared, _held: held, _thread: thread })
    }

    /// Returns everything it does, family by family.
    pub fn behaviours(&self) -> &[Behaviour] {
        &self.behaviours
    }

    /// Returns the authority that a client must trust.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Returns the names that always have the same addresses, for a client that does not ask the name server.
    pub const fn hosts(&self) -> &BTreeMap<String, Vec<IpAddr>> {
        &self.hosts
    }

    /// Returns the address of the name server (UDP).
    pub const fn dns(&self) -> SocketAddr {
        self.dns
    }

    /// Returns how many connections reached an address that nobody may reach.
    pub fn canary_hits(&self) -> usize {
        self.canaries.hits()
    }

    /// Returns how many requests were read.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Returns the heads of requests that no client may send: whoever sends them can be led to send others.
    pub fn rude_requests(&self) -> Vec<String> {
        self.shared.rude.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the paths at which [`SECRET`] arrived though it was meant for another origin.
    pub fn leaks(&self) -> Vec<String> {
        self.shared.leaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve_all(
    listeners: Vec<TcpListener>,
    doors: Vec<Door>,
    questions: StdUdpSocket,
    shared: Arc<Shared>,
) {
    let mut tasks = JoinSet::new();
    for (listener, door) in listeners.into_iter().zip(doors) {
        tasks.spawn(accept_all(listener, door, Arc::clone(&shared)));
    }
    tasks.spawn(answer_questions(questions, shared));
    while tasks.join_next().await.is_some() {}
}

async fn answer_questions(questions: StdUdpSocket, shared: Arc<Shared>) {
    let Ok(questions) = UdpSocket::from_std(questions) else { return };
    let mut message = [0; 1_500];
    loop {
        let Ok((length, client)) = questions.recv_from(&mut message).await else { continue };
        if let Some(reply) = dns::answer(message.get(..length).unwrap_or_default(), &shared.zone) {
            // A client that is gone asks again or not at all.
            drop(questions.send_to(&reply, client).await);
        }
    }
}

async fn accept_all(listener: TcpListener, door: Door, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, door.clone(), Arc::clone(&shared)));
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, door: Door, shared: Arc<Shared>) {
    if shared.open.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_MAX {
        // A client that goes away in the middle is what most behaviours are for.
        drop(enter(stream, door, &shared).await);
    }
    shared.open.fetch_sub(1, Ordering::Relaxed);
}

async fn enter(stream: TcpStream, door: Door, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match door {
        Door::Web => answer_requests(Wire::Plain(stream), shared).await,
        Door::Tls(config) => {
            let stream = shake_hands(stream, config).await?;
            answer_requests(Wire::Tls(Box::new(stream)), shared).await
        }
        Door::Acts { acts, listens } => {
            let mut wire = Wire::Plain(stream);
            let mut heard = BytesMut::new();
            if listens && wire.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
            wire.play(&acts).await.map(drop)
        }
        Door::Cut(config, bytes) => tls::shake_hands_in_part(stream, config, bytes).await,
    }
}

async fn shake_hands(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    timeout(HOLD_MAX, TlsAcceptor::from(config).accept(stream)).await?
}

async fn answer_requests(mut wire: Wire, shared: &Shared) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(4 << 10);
    let mut served = 0_u32;
    while let Some(head) = timeout(HOLD_MAX, read_head(&mut wire, &mut buffer)).await?? {
        let Some(request) = Request::parse(&head) else { return Ok(()) };
        shared.requests.fetch_add(1, Ordering::Relaxed);
        shared.look_for_rudeness(&head);
        shared.look_for_secrets(&head, request.path);
        let next = match shared.script(&request) {
            None => wire.play(&[Act::send([UNKNOWN_HEAD, UNKNOWN].concat())]).await?,
            Some(Script { later: Some(later), .. }) if served > 0 => wire.play(later).await?,
            Some(script) => wire.play(&script.first).await?,
        };
        if next == Next::End {
            return Ok(());
        }
        served += 1;
    }
    Ok(())
}

/// Reads up to the empty line that ends a request head; `None` when the client has closed or the head is too long.
async fn read_head(wire: &mut Wire, buffer: &mut BytesMut) -> io::Result<Option<BytesMut>> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            return Ok(Some(buffer.split_to(end + 4)));
        }
        if buffer.len() > HEAD_BYTES_MAX || wire.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

impl Shared {
    /// Finds what is played: for this path of this host, for this path, or for this path with any query.
    fn script(&self, request: &Request<'_>) -> Option<&Script> {
        let host = request.host.rsplit_once(':').map_or(request.host, |(host, _)| host);
        let of_host = self.scripts.get(&format!("{host}{}", request.path));
        let plain = request.path.split('?').next().unwrap_or_default();
        of_host.or_else(|| self.scripts.get(request.path)).or_else(|| self.scripts.get(plain))
    }

    /// Looks at the form of a request: its target is one word of ASCII without fragment, its host stands once and
    /// names nobody, and no field announces content (RFC 9112 sections 3.2 and 6).
    fn look_for_rudeness(&self, head: &[u8]) {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let words: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
        let fields: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
        let named = |name: &str| {
            let named = fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.trim()).collect::<Vec<_>>()
        };
        let target_is_one =
            words.get(1).is_some_and(|target| target.starts_with('/') && !target.contains('#'));
        let hosts = named("host");
        let is_polite = words.len() == 3
            && text.is_ascii()
            && target_is_one
            && matches!(hosts.as_slice(), [host] if !host.is_empty() && !host.contains(['@', '/', ' ']))
            && named("transfer-encoding").is_empty()
            && named("content-length").iter().all(|length| *length == "0")
            && named("referer").iter().all(|referrer| !referrer.contains('@'));
        if !is_polite {
            self.rude.lock().unwrap_or_else(PoisonError::into_inner).push(text.into_owned());
        }
    }

    fn look_for_secrets(&self, head: &[u8], path: &str) {
        let holds = |secret: &str| memchr::memmem::find(head, secret.as_bytes()).is_some();
        if !path.starts_with(OPEN_TO_SECRETS) && (holds(SECRET) || holds(SECRET_AS_BASIC)) {
            self.leaks.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
        }
    }
}
