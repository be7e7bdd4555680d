//! Collects what the families of behaviours need: scripts for paths, doors that listen, names, and what to expect.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use dragline_core::Outcome;
use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};

use super::act::Act;
use super::behaviour::{Ask, Behaviour, Sent};
use super::canary::Canaries;
use super::certificates::{Authority, Flaw};
use super::row::{Row, body_of};
use super::zone::Zone;

/// The cap on bodies, as received and as decoded, that behaviours about sizes are made for.
pub const BODY_BYTES_MAX: usize = 2 << 20;

/// The networks that must be allowed: the site, and addresses beside it at which nobody answers.
pub const ALLOW_NETWORKS: [&str; 2] = ["127.0.0.1/32", "127.0.0.8/29"];

/// What is played for a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// For a request of its own connection.
    pub(super) first: Vec<Act>,
    /// For a request on a connection that has served an earlier one; `None` plays the same.
    pub(super) later: Option<Vec<Act>>,
}

/// What waits behind a listening socket.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Requests, answered by scripts.
    Web,
    /// Requests behind a TLS handshake.
    Tls(Arc<ServerConfig>),
    /// These acts, whatever the client says; after the first bytes of the client when `listens`.
    Acts { acts: Arc<[Act]>, listens: bool },
    /// A TLS handshake that breaks off after this many bytes of the server's answer.
    Cut(Arc<ServerConfig>, usize),
}

/// What the families have written down.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) behaviours: Vec<Behaviour>,
    pub(super) scripts: BTreeMap<String, Script>,
    pub(super) doors: Vec<(TcpListener, Door)>,
    pub(super) zone: Zone,
    pub(super) canaries: Canaries,
    pub(super) authority: Authority,
    /// Sockets that are kept so that nobody else gets their ports.
    pub(super) held: Vec<Socket>,
    /// Where most behaviours are.
    pub(super) main: SocketAddr,
    /// Another origin.
    pub(super) other: SocketAddr,
    /// The same scripts in TLS.
    pub(super) secure: SocketAddr,
}

impl Book {
    /// Opens the doors that every family uses.
    pub(super) fn open() -> io::Result<Self> {
        let (main, other, secure) = (listener()?, listener()?, listener()?);
        let authority = Authority::new("the authority of a hostile site")?;
        let mut book = Self {
            behaviours: Vec::new(),
            scripts: BTreeMap::new(),
            doors: Vec::new(),
            zone: Zone::default(),
            canaries: Canaries::bind()?,
            held: Vec::new(),
            main: main.local_addr()?,
            other: other.local_addr()?,
            secure: secure.local_addr()?,
            authority,
        };
        let config = book.authority.server(Flaw::None, &["secure.hostile.test"])?;
        book.doors.extend([(main, Door::Web), (other, Door::Web), (secure, Door::Tls(config))]);
        Ok(book)
    }

    /// Opens a door of its own on 127.0.0.1.
    pub(super) fn door(&mut self, door: Door) -> io::Result<SocketAddr> {
        let listener = listener()?;
        let address = listener.local_addr()?;
        self.doors.push((listener, door));
        Ok(address)
    }

    /// Takes a port of 127.0.0.1 on which nothing listens.
    pub(super) fn refusing(&mut self) -> io::Result<SocketAddr> {
        self.hold(|_| Ok(()))
    }

    /// Takes a port of 127.0.0.1 whose queue of connections is full: another one is neither taken nor refused.
    pub(super) fn full(&mut self) -> io::Result<SocketAddr> {
        let address = self.hold(|socket| socket.listen(0))?;
        for _ in 0..4 {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            client.set_nonblocking(true)?;
            // Under way is all that it can be.
            drop(client.connect(&address.into()));
            self.held.push(client);
        }
        Ok(address)
    }

    fn hold(&mut self, prepare: impl FnOnce(&Socket) -> io::Result<()>) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        prepare(&socket)?;
        let address = socket.local_addr()?.as_socket();
        self.held.push(socket);
        address.ok_or_else(|| io::Error::other("the socket has no address of the Internet"))
    }

    /// Returns what `{origin}` and the like stand for.
    pub(super) fn words(&self) -> Vec<(&'static str, String)> {
        vec![
            ("origin", format!("http://{}", self.main)),
            ("other", format!("http://{}", self.other)),
            ("secure", format!("https://{}", self.secure)),
            ("port", self.main.port().to_string()),
            ("canary", format!("http://{}", self.canaries.v4)),
            ("canaryport", self.canaries.v4.port().to_string()),
            ("v6port", self.canaries.v6_port.to_string()),
            ("ownport", self.canaries.own_port.to_string()),
        ]
    }

    /// Writes down a response for a path of its own, and what to say of it.
    pub(super) fn rows(&mut self, family: &str, rows: &[Row]) {
        self.rows_at(family, rows, &format!("http://{}", self.main), Ask::Get);
    }

    /// As [`Book::rows`], asked at another origin or in another way.
    pub(super) fn rows_at(&mut self, family: &str, rows: &[Row], origin: &str, ask: Ask) {
        let words = self.words();
        for row in rows {
            let name = format!("{family}/{}", row.name);
            let body = body_of(&name);
            self.scripts.insert(format!("/{name}"), Script { first: row.acts(&body, &words), later: None });
            self.behaviours.push(Behaviour {
                url: format!("{origin}/{name}"),
                name,
                ask,
                accepted: row.accepted.to_vec(),
                statuses: row.statuses.to_vec(),
                sent: row.sent(&body),
                guarded: false,
            });
        }
    }

    /// Writes down a script for a path.
    pub(super) fn script(&mut self, path: impl Into<String>, acts: Vec<Act>) {
        self.scripts.insert(path.into(), Script { first: acts, later: None });
    }

    /// Writes down what to expect of a URL, with status 200 if it has one.
    pub(super) fn expect(
        &mut self,
        name: &str,
        url: String,
        accepted: &[Outcome],
        sent: Sent,
    ) -> &mut Behaviour {
        let behaviour = Behaviour {
            name: name.to_owned(),
            url,
            ask: Ask::Get,
            accepted: accepted.to_vec(),
            statuses: vec![200],
            sent,
            guarded: false,
        };
        let at = self.behaviours.len();
        self.behaviours.push(behaviour);
        &mut self.behaviours[at]
    }

    /// Writes down a script for a path of this name, and what to expect of it.
    pub(super) fn play(
        &mut self,
        name: &str,
        acts: Vec<Act>,
        accepted: &[Outcome],
        sent: Sent,
    ) -> &mut Behaviour {
        self.script(format!("/{name}"), acts);
        let url = format!("http://{}/{name}", self.main);
        self.expect(name, url, accepted, sent)
    }
}

fn listener() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}
