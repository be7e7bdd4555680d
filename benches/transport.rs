//! Measures what one fetch costs the client: this transport beside a bare awc loop that streams, and wrk when installed.
//!
//! Usage: `taskset -c 1 cargo bench --bench transport [SECONDS] [1k|10k|50k] [alone]` with nginx installed, which runs
//! on core 0. Every line is CPU time a request, medians of five rounds in turn, 64 at a time, for bodies of 1, 10 and
//! 50 KB. The transport has everything on: guard, tap, caps, timings, one watched deadline. `alone` leaves the others
//! out, for a profiler. At last come TLS handshakes, each with one request: full ones, and those that resume a session.

use std::cell::Cell;
use std::fs;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline::core::fetch::{FetchLimits, FetchRequest};
use dragline::core::{CanonicalUrl, Outcome};
use dragline::fetch::{
    AwcTransportFactory, BodyBudget, TlsOptions, Transport, TransportFactory, TransportOptions,
};
use futures_util::StreamExt;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LANES: usize = 64;
const ROUNDS: usize = 5;
const SIZES: [(&str, usize); 3] = [("1k", 1_000), ("10k", 10_000), ("50k", 50_000)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1.5);
    let alone = arguments.iter().any(|argument| argument == "alone");
    let is_chosen = |(name, _): &(&str, usize)| {
        let named = |name: &str| arguments.iter().any(|argument| argument == name);
        named(name) || !SIZES.iter().any(|(name, _)| named(name))
    };
    let sizes: Vec<(&str, usize)> = SIZES.into_iter().filter(is_chosen).collect();
    let span = Duration::from_secs_f64(seconds);
    let Some(site) = Site::start() else {
        println!("nginx is not installed: nothing to measure against");
        return;
    };
    dragline::actix::System::new().block_on(async move {
        println!(
            "{:6} {:>12} {:>12} {:>8} {:>12}   us of client CPU a request",
            "body", "awc", "transport", "ratio", "wrk"
        );
        for (name, bytes) in sizes {
            let url = site.url(name);
            let (mut bare, mut ours, mut limit) = (Vec::new(), Vec::new(), Vec::new());
            let (client, transport) = (client(), transport());
            let same = url.clone();
            let one_bare = move || one_bare(client.clone(), same.clone(), bytes);
            let same = url.clone();
            let one_ours = move || one_ours(Rc::clone(&transport), same.clone(), bytes);
            for _ in 0..ROUNDS {
                ours.push(measure(span, one_ours.clone()).await);
                if !alone {
                    bare.push(measure(span, one_bare.clone()).await);
                    limit.extend(wrk(&url, span));
                }
            }
            let (bare, ours, limit) = (median(bare), median(ours), median(limit));
            println!("{name:6} {bare:12.2} {ours:12.2} {:8.2} {limit:12.2}", bare / ours);
        }
        if !alone {
            measure_tls(&site, span).await;
        }
    });
}

/// Prints what a new TLS connection costs, with a private authority of one link and a certificate on P-256.
async fn measure_tls(site: &Site, span: Duration) {
    for (what, port, resumed) in [("full", site.tls_port, false), ("resumed", site.resuming_port, true)] {
        let url = CanonicalUrl::parse(&format!("https://localhost:{port}/1k")).expect("a URL");
        let transport = transport_trusting(site);
        let same = (Rc::clone(&transport), url.clone());
        let shares = Rc::new(Cell::new((0_u64, 0_u64)));
        let counted = Rc::clone(&shares);
        let one = move || one_handshake(Rc::clone(&same.0), same.1.clone(), Rc::clone(&counted));
        one_ours(transport, url, 1_000).await;
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            costs.push(measure(span, one.clone()).await);
        }
        let (cost, (all, again)) = (median(costs), shares.get());
        // Tickets are for one use, so that a burst at the start finds too few of them.
        assert!(if resumed { again > all * 9 / 10 } else { again == 0 }, "{again} of {all} were resumed");
        println!("tls {what:8} {cost:8.1} us of client CPU, {:.0} handshakes a CPU second", 1e6 / cost);
    }
}

/// Fetches once over a connection of its own, and counts it, and whether its session was resumed.
async fn one_handshake(transport: Rc<dyn Transport>, url: CanonicalUrl, shares: Rc<Cell<(u64, u64)>>) {
    let response = transport.fetch(FetchRequest::get(url, Arc::default())).await;
    assert_eq!((response.outcome, response.reused), (Outcome::Ok, false), "{:?}", response.error);
    let (all, again) = shares.get();
    shares.set((all + 1, again + u64::from(response.tls.is_some_and(|tls| tls.resumed))));
}

/// Runs one loop per lane for a while; returns microseconds of CPU a request.
async fn measure<F: Future<Output = ()> + 'static>(
    span: Duration,
    one: impl Fn() -> F + Clone + 'static,
) -> f64 {
    let run = async |span: Duration| {
        let end = Instant::now() + span;
        let count = Rc::new(Cell::new(0_u64));
        let lanes: Vec<_> = (0..LANES)
            .map(|_| {
                let (one, count) = (one.clone(), Rc::clone(&count));
                dragline::actix::spawn(async move {
                    while Instant::now() < end {
                        one().await;
                        count.set(count.get() + 1);
                    }
                })
            })
            .collect();
        for lane in lanes {
            lane.await.expect("no lane panics");
        }
        count.get()
    };
    run(span / 8).await;
    let begun = cpu_nanos("/proc/thread-self/schedstat");
    let count = run(span).await;
    (cpu_nanos("/proc/thread-self/schedstat") - begun) as f64 / 1_000.0 / count as f64
}

fn client() -> awc::Client {
    let connector = awc::Connector::new().limit(0);
    awc::Client::builder().connector(connector).disable_redirects().disable_timeout().finish()
}

fn transport() -> Rc<dyn Transport> {
    open(options())
}

fn transport_trusting(site: &Site) -> Rc<dyn Transport> {
    let mut options = options();
    options.tls.extra_roots =
        TlsOptions::read_ca_file(site.root.join("ca.pem")).expect("the file was written");
    options.dns.hosts.insert("localhost".into(), vec![[127, 0, 0, 1].into()]);
    open(options)
}

fn options() -> TransportOptions {
    let mut options = TransportOptions::new("bench/1", Arc::new(BodyBudget::new(128 << 20)));
    options.guard.allow_networks = vec!["127.0.0.0/8".parse().expect("a network")];
    options
}

fn open(options: TransportOptions) -> Rc<dyn Transport> {
    AwcTransportFactory::new(options).expect("the options are right").open()
}

async fn one_bare(client: awc::Client, url: CanonicalUrl, bytes: usize) {
    let request = client.get(url.as_str()).no_decompress();
    let mut response = request.send_body(actix_http::body::None::new()).await.expect("nginx answers");
    let mut received = 0;
    while let Some(chunk) = response.next().await {
        received += chunk.expect("nginx goes on").len();
    }
    assert_eq!(received, bytes);
}

async fn one_ours(transport: Rc<dyn Transport>, url: CanonicalUrl, bytes: usize) {
    thread_local! {
        static LIMITS: Arc<FetchLimits> = Arc::default();
    }
    let request = FetchRequest::get(url, LIMITS.with(Arc::clone));
    let response = transport.fetch(request).await;
    assert_eq!((response.outcome, response.body.len()), (Outcome::Ok, bytes), "{:?}", response.error);
}

/// Runs wrk for a while; microseconds of its CPU a request, or nothing when it is not installed.
fn wrk(url: &CanonicalUrl, span: Duration) -> Option<f64> {
    let seconds = format!("{}s", span.as_secs_f64().ceil());
    let lanes = LANES.to_string();
    let mut command = Command::new("wrk");
    let command = command.args(["-t1", "-c", lanes.as_str(), "-d", seconds.as_str(), url.as_str()]);
    let child = command.stdout(Stdio::piped()).spawn().ok()?;
    let task = format!("/proc/{}/task", child.id());
    let watch = std::thread::spawn(move || {
        let mut last = 0;
        while let Ok(threads) = fs::read_dir(&task) {
            let used = threads
                .flatten()
                .map(|thread| cpu_nanos(&format!("{}/schedstat", thread.path().display())))
                .sum();
            last = last.max(used);
            std::thread::sleep(Duration::from_millis(5));
        }
        last
    });
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("requests in"))?;
    let count: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(watch.join().ok()? as f64 / 1_000.0 / count)
}

fn cpu_nanos(path: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A real nginx in a folder of its own.
struct Site {
    nginx: std::process::Child,
    root: std::path::PathBuf,
    port: u16,
    tls_port: u16,
    resuming_port: u16,
}

impl Site {
    fn start() -> Option<Self> {
        let root = std::env::temp_dir().join(format!("dragline-bench-{}", std::process::id()));
        fs::create_dir_all(&root).expect("the folder of temporary files is writable");
        for (name, bytes) in SIZES {
            fs::write(root.join(name), "x".repeat(bytes)).expect("there is space");
        }
        let free = || {
            std::net::TcpListener::bind("127.0.0.1:0")
                .and_then(|free| free.local_addr())
                .expect("a port")
                .port()
        };
        let (port, tls_port, resuming_port) = (free(), free(), free());
        write_certificates(&root);
        let folder = root.display();
        let conf = format!(
            "daemon off; pid {folder}/pid; error_log stderr crit; worker_processes 1; worker_cpu_affinity 01;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; keepalive_requests 100000000; sendfile on; tcp_nopush on; root {folder};\n\
             client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n\
             uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
             ssl_certificate {folder}/leaf.pem; ssl_certificate_key {folder}/leaf.key; ssl_protocols TLSv1.3;\n\
             server {{ listen 127.0.0.1:{port}; }}\n\
             server {{ listen 127.0.0.1:{tls_port} ssl; keepalive_timeout 0; ssl_session_tickets off; }}\n\
             server {{ listen 127.0.0.1:{resuming_port} ssl; keepalive_timeout 0; }} }}\n"
        );
        fs::write(root.join("conf"), conf).expect("there is space");
        let nginx = Command::new("nginx").arg("-c").arg(root.join("conf")).spawn().ok()?;
        let site = Self { nginx, root, port, tls_port, resuming_port };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(site)
    }

    fn url(&self, name: &str) -> CanonicalUrl {
        CanonicalUrl::parse(&format!("http://127.0.0.1:{}/{name}", self.port)).expect("a URL")
    }
}

/// Writes an authority and a certificate of it for localhost.
fn write_certificates(root: &std::path::Path) {
    let mut authority = rcgen::CertificateParams::new([]).expect("no names are right");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("there is chance");
    let certificate = authority.self_signed(&key).expect("the authority signs");
    let issuer = rcgen::Issuer::new(authority, key);
    let leaf_key = rcgen::KeyPair::generate().expect("there is chance");
    let leaf = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("the name is right");
    let leaf = leaf.signed_by(&leaf_key, &issuer).expect("the authority signs");
    let files =
        [("ca.pem", certificate.pem()), ("leaf.pem", leaf.pem()), ("leaf.key", leaf_key.serialize_pem())];
    for (name, pem) in files {
        fs::write(root.join(name), pem).expect("there is space");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // The master ends its worker on SIGTERM; SIGKILL would leave it behind.
        drop(Command::new("kill").arg(self.nginx.id().to_string()).status());
        drop(self.nginx.wait());
        drop(fs::remove_dir_all(&self.root));
    }
}
