//! Runs a scripted name server on loopback, over UDP and TCP.

#![expect(clippy::unwrap_used, reason = "a helper of tests: a server that cannot be run ends the test")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::thread;

/// What the server does with a question.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Gives these addresses, as far as they are of the family asked for, with this time to live in seconds.
    Addresses(Vec<IpAddr>, u32),
    /// Gives no records and this response code.
    Code(u8),
    /// Says that the answer does not fit.
    Truncated,
    /// Says nothing.
    Silence,
}

/// What the server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The name, in lower case, without the last dot.
    pub(crate) name: String,
    /// Whether addresses of IPv6 are asked for, not of IPv4.
    pub(crate) six: bool,
    /// Whether it came over TCP.
    pub(crate) tcp: bool,
    /// The question of its kind about its name, from 1.
    pub(crate) nth: usize,
}

type Script = Box<dyn Fn(&Question) -> Told + Send + Sync>;

/// The name server.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Script,
    asked: Mutex<Vec<Question>>,
    stopped: AtomicBool,
}

impl Dns {
    pub(crate) fn run(script: impl Fn(&Question) -> Told + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            asked: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let over_udp = Arc::clone(&shared);
        thread(move || over_udp.serve_udp(&socket));
        let over_tcp = Arc::clone(&shared);
        thread(move || over_tcp.serve_tcp(&listener));
        Self { address, shared }
    }

    /// Gives every name this address and time to live.
    pub(crate) fn gives(address: &str, ttl: u32) -> Self {
        let address: IpAddr = address.parse().unwrap();
        Self::run(move |_| Told::Addresses(vec![address], ttl))
    }

    /// Returns the questions about a name, in order.
    pub(crate) fn asked(&self, name: &str) -> Vec<Question> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|question| question.name == name).cloned().collect()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        let waker = UdpSocket::bind("127.0.0.1:0").unwrap();
        drop(waker.send_to(&[0], self.address));
    }
}

impl Shared {
    fn serve_udp(&self, socket: &UdpSocket) {
        let mut packet = [0; 1_024];
        while let Ok((count, from)) = socket.recv_from(&mut packet) {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            if let Some(answer) = self.answer(&packet[..count], false) {
                drop(socket.send_to(&answer, from));
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let mut stream = stream.unwrap();
            let mut len = [0; 2];
            while stream.read_exact(&mut len).is_ok() {
                let mut packet = vec![0; u16::from_be_bytes(len).into()];
                stream.read_exact(&mut packet).unwrap();
                let Some(answer) = self.answer(&packet, true) else { break };
                let len = u16::try_from(answer.len()).unwrap().to_be_bytes();
                stream.write_all(&[len.as_slice(), &answer].concat()).unwrap();
            }
        }
    }

    fn answer(&self, packet: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let mut at = 12;
        let mut labels = Vec::new();
        while let Some(len) = packet.get(at).map(|len| usize::from(*len)).filter(|len| *len > 0) {
            labels.push(String::from_utf8_lossy(packet.get(at + 1..=at + len)?).to_ascii_lowercase());
            at += len + 1;
        }
        let kind = packet.get(at + 1..at + 3)?;
        let question = packet.get(12..at + 5)?;
        let six = kind == [0, 28];
        let name = labels.join(".");
        let mut asked = self.asked.lock().unwrap();
        let nth = 1 + asked.iter().filter(|earlier| earlier.name == name && earlier.six == six).count();
        let parsed = Question { name, six, tcp, nth };
        asked.push(parsed.clone());
        drop(asked);
        let told = (self.script)(&parsed);
        let (flags, code, addresses, ttl) = match &told {
            Told::Silence => return None,
            Told::Code(code) => (0x84, *code, &[][..], 0),
            Told::Truncated => (0x86, 0, &[][..], 0),
            Told::Addresses(addresses, ttl) => (0x84, 0, addresses.as_slice(), *ttl),
        };
        let addresses: Vec<&IpAddr> = addresses.iter().filter(|address| address.is_ipv6() == six).collect();
        let count = u8::try_from(addresses.len()).unwrap();
        let mut answer = packet.get(..2)?.to_vec();
        answer.extend([flags, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        answer.extend(question);
        for address in addresses {
            // The name is that of the question, which begins at byte 12.
            answer.extend([0xc0, 12, kind[0], kind[1], 0, 1]);
            answer.extend(ttl.to_be_bytes());
            match address {
                IpAddr::V4(address) => answer.extend([&[0, 4][..], &address.octets()].concat()),
                IpAddr::V6(address) => answer.extend([&[0, 16][..], &address.octets()].concat()),
            }
        }
        Some(answer)
    }
}
