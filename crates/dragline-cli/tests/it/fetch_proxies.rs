//! Fetches through real proxies: tinyproxy and microsocks, on loopback, with and without the right password.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use dragline_testkit::{ChildGuard, Reply, Server, Site, ports, real, wait_until};
use serde_json::Value;

use crate::fetch_kit::{fetch_with, parse};
use crate::fetch_nginx::Nginx;
use crate::process::{PATIENCE, Place};

/// What is spoken to a proxy of ours.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Http,
    Socks,
}

/// A proxy that lets `me` with `s3cret` through; killed on drop.
struct Proxy {
    _process: ChildGuard,
    address: SocketAddr,
    kind: Kind,
    place: Place,
}

impl Proxy {
    /// Starts it; `None` when the program is not installed.
    fn start(kind: Kind) -> Option<Self> {
        let (place, address) = (Place::new(), ports::free_address().expect("a loopback port is free"));
        let mut command = match kind {
            Kind::Http => {
                let mut command = Command::new(real::require("tinyproxy")?);
                let config = format!(
                    "Port {}\nListen 127.0.0.1\nTimeout 20\nMaxClients 50\nBasicAuth me s3cret\nLogFile \"{}\"\n",
                    address.port(),
                    place.path("log").display()
                );
                command.arg("-d").arg("-c").arg(place.write("tinyproxy.conf", &config));
                command
            }
            Kind::Socks => {
                let mut command = Command::new(real::require("microsocks")?);
                command.args([
                    "-i",
                    "127.0.0.1",
                    "-u",
                    "me",
                    "-P",
                    "s3cret",
                    "-p",
                    &address.port().to_string(),
                ]);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = ChildGuard::start(&mut command).expect("the proxy starts");
        let up = wait_until(PATIENCE, || TcpStream::connect(address).is_ok());
        assert!(up, "the proxy does not start: {:?}", std::fs::read_to_string(place.path("log")));
        Some(Self { _process: process, address, kind, place })
    }

    /// Fetches through it, and returns the record.
    fn record(&self, url: &str, more: &str, password: &str, code: i32) -> Value {
        let scheme = if self.kind == Kind::Http { "http" } else { "socks5" };
        let config = format!(
            "{more}\n[[proxy]]\nname = 'office'\nurl = '{scheme}://{}'\nuser = 'me'\npassword_env = 'PASSWORD'\n",
            self.address
        );
        self.record_by(&config, url, password, code)
    }

    /// Fetches by a configuration of its own, and returns the record.
    fn record_by(&self, config: &str, url: &str, password: &str, code: i32) -> Value {
        self.place.write("proxy.toml", config);
        let arguments = ["-c", "proxy.toml", url, "--timeout=20s"];
        let ended = fetch_with(&self.place, &arguments, "", &[("PASSWORD", password)]);
        ended.assert(code, &[]);
        assert!(!ended.stdout.contains(password) && !ended.stderr.contains(password), "{ended}");
        parse(&ended.stdout).remove(0)
    }
}

fn site() -> Server {
    Server::start(Site::new().on("/", Reply::html("behind"))).expect("a loopback port is free")
}

/// Checks what people need of either kind.
fn check(kind: Kind) {
    let Some(proxy) = Proxy::start(kind) else { return };
    let server = site();
    let url = server.url("/").to_string();

    let record = proxy.record(&url, "", "s3cret", 0);
    assert_eq!((&record["bytes"], &record["proxy"]), (&6.into(), &"office".into()), "{record}");
    assert_eq!(server.log().count_of("/"), 1);

    let record = proxy.record(&url, "", "wrong", 1);
    assert_eq!(record["outcome"], "proxy_error", "{record}");
    assert!(record["error"]["message"].as_str().is_some_and(|error| error.contains("office")), "{record}");
    assert_eq!(server.log().connections(), 1, "nobody is reached without the password");

    let nobody = format!("http://{}/", ports::free_address().expect("a loopback port is free"));
    let record = proxy.record(&nobody, "", "s3cret", 1);
    assert_eq!(record["outcome"], "connect_error", "the target's fault, not the proxy's: {record}");
}

/// Checks that the guard judges targets behind a proxy.
fn check_guard(kind: Kind) {
    let Some(proxy) = Proxy::start(kind) else { return };
    let canary = TcpListener::bind(("127.0.0.2", 0)).expect("loopback is a whole network here");
    canary.set_nonblocking(true).expect("a socket can be told so");
    let port = canary.local_addr().expect("it is bound").port();
    let names = "[dns]\nhosts = ['canary.test=127.0.0.2']\n";
    for target in [format!("http://127.0.0.2:{port}/"), format!("http://canary.test:{port}/")] {
        proxy.place.write(
            "proxy.toml",
            &format!("{names}[[proxy]]\nname = 'office'\nurl = 'http://{}'\n", proxy.address),
        );
        let ended = proxy.place.run(&[
            "fetch",
            "-c",
            "proxy.toml",
            "--ignore-robots",
            "--allow-net=127.0.0.1/32",
            "--timeout=20s",
            &target,
        ]);
        ended.assert(1, &[]);
        let record = parse(&ended.stdout).remove(0);
        assert_eq!(record["outcome"], "blocked", "{record}");
    }
    assert!(canary.accept().is_err(), "nobody came, and nobody is on the way");
}

#[test]
fn an_http_proxy_is_tunnelled_through_and_told_apart_from_its_targets() {
    check(Kind::Http);
}

#[test]
fn a_socks_proxy_is_tunnelled_through_and_told_apart_from_its_targets() {
    check(Kind::Socks);
}

#[test]
fn the_guard_holds_behind_proxies() {
    check_guard(Kind::Http);
    check_guard(Kind::Socks);
}

#[test]
fn plain_http_can_be_asked_for_in_absolute_form() {
    let Some(proxy) = Proxy::start(Kind::Http) else { return };
    let server = site();
    let url = server.url("/").to_string();
    let record = proxy.record_by(
        &format!(
            "[[proxy]]\nname = 'office'\nurl = 'http://{}'\nuser = 'me'\npassword_env = 'PASSWORD'\n\
             plain_http = 'absolute'\n",
            proxy.address
        ),
        &url,
        "s3cret",
        0,
    );
    assert_eq!((&record["bytes"], &record["proxy"]), (&6.into(), &"office".into()), "{record}");
    let log = std::fs::read_to_string(proxy.place.path("log")).unwrap_or_default();
    assert!(!log.contains("CONNECT 127.0.0.1"), "no tunnel is made: {log}");
}

#[test]
fn https_goes_through_proxies_end_to_end() {
    let Some(nginx) = Nginx::start("") else { return };
    for kind in [Kind::Http, Kind::Socks] {
        let Some(proxy) = Proxy::start(kind) else { return };
        let trusted = format!("[tls]\nca_files = ['{}']\n", nginx.authority().display());
        let record = proxy.record(&nginx.url("/page"), &trusted, "s3cret", 0);
        assert_eq!((&record["bytes"], &record["tls"]["version"]), (&5.into(), &"1.3".into()), "{record}");
        let record = proxy.record(&nginx.url("/page"), "", "s3cret", 1);
        assert_eq!(record["outcome"], "tls_error", "the proxy is no reason to trust: {record}");
    }
}

#[test]
fn routes_decide_which_hosts_take_which_proxy() {
    let (Some(office), Some(home)) = (Proxy::start(Kind::Http), Proxy::start(Kind::Socks)) else { return };
    let server = site();
    let port = server.addresses()[0].port();
    let entry = |name: &str, url: &str| {
        format!("[[proxy]]\nname = '{name}'\nurl = '{url}'\nuser = 'me'\npassword_env = 'PASSWORD'\n")
    };
    let config = format!(
        "[dns]\nhosts = ['a.test=127.0.0.1', 'b.test=127.0.0.1', 'c.test=127.0.0.1']\n{}{}\
         [[route]]\nhosts = ['a.test']\nproxies = []\n[[route]]\nhosts = ['b.*']\nproxies = ['home']\n\
         [[route]]\nhosts = ['*']\nproxies = ['office', 'home']\n",
        entry("office", &format!("http://{}", office.address)),
        entry("home", &format!("socks5://{}", home.address)),
    );
    let used = |host: &str| {
        let record = office.record_by(&config, &format!("http://{host}:{port}/"), "s3cret", 0);
        record["proxy"].clone()
    };
    assert_eq!(
        [used("a.test"), used("b.test"), used("c.test")],
        [Value::Null, "home".into(), "office".into()]
    );
}

#[test]
fn a_crawl_goes_through_proxies_too() {
    let Some(proxy) = Proxy::start(Kind::Socks) else { return };
    let server = site();
    let config = format!(
        "[[proxy]]\nname = 'office'\nurl = 'socks5://{}'\nuser = 'me'\npassword_file = 'password'\n",
        proxy.address
    );
    proxy.place.write("crawl.toml", &config);
    let crawl = |password: &str, code: i32| {
        proxy.place.write("password", password);
        proxy.place.crawl(&["-c", "crawl.toml", "--fresh", server.url("/").as_str()]).assert(code, &[]);
    };
    crawl("wrong", 4);
    assert_eq!(server.log().connections(), 0, "nobody is reached past the proxy");
    crawl("s3cret\n", 0);
    assert_eq!((server.log().count_of("/robots.txt"), server.log().count_of("/")), (1, 1));
}
