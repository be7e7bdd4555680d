//! Fetches over TLS from a real nginx with a private authority: who is trusted, and who we are.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use dragline_testkit::{ChildGuard, ports, real};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::fetch_kit::{fetch, parse};
use crate::nginx;
use crate::process::Place;

/// An nginx of our own, for `site.test` and 127.0.0.1; killed on drop.
pub(crate) struct Nginx {
    _process: ChildGuard,
    address: SocketAddr,
    place: Place,
}

impl Nginx {
    /// Starts it with `more` in its server block; `None` when nginx is not installed.
    pub(crate) fn start(more: &str) -> Option<Self> {
        let program = real::require("nginx")?;
        let (place, address) = (Place::new(), ports::free_address().expect("a loopback port is free"));
        write_certificates(&place);
        let config = config(address, more, &place);
        let _process = nginx::serve(program, &place, &config, || TcpStream::connect(address).is_ok());
        Some(Self { _process, address, place })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Writes a file beside its certificates.
    pub(crate) fn write(&self, name: &str, text: &str) {
        self.place.write(name, text);
    }

    /// Returns the file of the authority's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.place.path("ca.pem")
    }

    /// Returns what nginx logged of each request: connection, protocol, path.
    pub(crate) fn log(&self) -> Vec<(String, String, String)> {
        let log = fs::read_to_string(self.place.path("access.log")).expect("nginx keeps a log");
        let mut lines = Vec::new();
        for line in log.lines() {
            let mut words = line.split(' ').map(str::to_owned);
            let mut word = || words.next().unwrap_or_default();
            lines.push((word(), word(), word()));
        }
        lines
    }
}

/// Writes an authority, a certificate of the server and one of a client, each with its key, and another authority.
fn write_certificates(place: &Place) {
    let key = || KeyPair::generate().expect("a key can be made");
    // Names of their own: one who seems to have signed himself is trusted by nobody.
    let named = |names: Vec<String>, name: &str| {
        let mut params = CertificateParams::new(names).expect("the names are such");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let authority = |name: &str| {
        let mut params = named(Vec::new(), name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, key()).expect("an authority can be made")
    };
    let ours = authority("ours");
    place.write("ca.pem", &ours.pem());
    place.write("other.pem", &authority("other").pem());
    for (file, name) in [("server", "127.0.0.1"), ("client", "client.test")] {
        let own = key();
        let names = vec![name.to_owned(), "site.test".to_owned()];
        let certificate = named(names, file).signed_by(&own, &ours).expect("a certificate can be signed");
        place.write(&format!("{file}.pem"), &certificate.pem());
        place.write(&format!("{file}.key"), &own.serialize_pem());
    }
}

/// One process without a master, so that killing it leaves no worker behind.
fn config(address: SocketAddr, more: &str, place: &Place) -> String {
    let folder = place.path("");
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("  {name}_temp_path {folder}/temp;\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n\
         events {{ worker_connections 256; }}\nhttp {{\n{temporary}\
         \x20 log_format plain '$connection $server_protocol $request_uri';\n\
         \x20 access_log {folder}/access.log plain;\n  keepalive_requests 10000;\n\
         \x20 server {{\n    listen {address} ssl http2;\n    ssl_protocols TLSv1.2 TLSv1.3;\n    {more}\n\
         \x20   ssl_certificate {folder}/server.pem;\n    ssl_certificate_key {folder}/server.key;\n\
         \x20   location / {{ default_type text/plain; return 200 $uri; }}\n\
         \x20 }}\n}}\n"
    )
}

/// Fetches from one and returns the records.
pub(crate) fn records(nginx: &Nginx, config: &str, arguments: &[&str], code: i32) -> Vec<serde_json::Value> {
    nginx.place.write("fetch.toml", config);
    let ended = fetch(&nginx.place, &[&["-c", "fetch.toml", "--ignore-robots"], arguments].concat());
    ended.assert(code, &[]);
    parse(&ended.stdout)
}

#[test]
fn only_authorities_that_are_trusted_vouch_for_a_host() {
    let Some(nginx) = Nginx::start("") else { return };
    let url = nginx.url("/");
    let outcome = |config: &str, code: i32| records(&nginx, config, &[&url], code).remove(0);
    for config in ["", "[tls]\nca_files = ['other.pem']\n", "[tls]\nroots = 'mozilla'\n"] {
        let record = outcome(config, 1);
        assert_eq!(
            (&record["outcome"], &record["error"]["phase"]),
            (&"tls_error".into(), &"tls".into()),
            "{record}"
        );
        assert!(record["error"]["message"].as_str().is_some_and(|error| error.contains("issuer is unknown")));
    }
    assert_eq!(outcome("[tls]\nca_files = ['other.pem', 'ca.pem']\n", 0)["outcome"], "ok");
    let record = outcome("[tls]\ninsecure_hosts = ['127.0.0.1']\n", 0);
    assert!(
        record["tls"]["unverified"].as_str().is_some_and(|wrong| wrong.contains("issuer is unknown")),
        "{record}"
    );
    assert_eq!(outcome("[tls]\ninsecure_hosts = ['127.0.0.2']\n", 1)["outcome"], "tls_error");
}

#[test]
fn a_server_that_asks_for_a_certificate_is_shown_ours() {
    let asks = "ssl_client_certificate ca.pem; ssl_verify_client on;";
    let Some(nginx) = Nginx::start(asks) else { return };
    let trusted = "[tls]\nca_files = ['ca.pem']\n";
    let record = records(&nginx, trusted, &[&nginx.url("/")], 1).remove(0);
    assert_eq!((&record["outcome"], &record["status"]), (&"http_error".into(), &400.into()), "{record}");
    let ours = format!("{trusted}client_cert = 'client.pem'\nclient_key = 'client.key'\n");
    assert_eq!(records(&nginx, &ours, &[&nginx.url("/")], 0)[0]["status"], 200);
    let place = Place::new();
    let crawl = nginx.place.write("fetch.toml", &format!("{ours}[robots]\nobey = false\n"));
    let crawl = crawl.display().to_string();
    place.crawl(&["-c", &crawl, &nginx.url("/")]).assert(0, &[]);
}

#[test]
fn http_1_1_is_what_is_spoken_unless_the_keys_say_otherwise() {
    let Some(nginx) = Nginx::start("") else { return };
    let urls: String =
        (0..10).map(|number| format!("https://site.test:{}/{number}\n", nginx.port())).collect();
    nginx.write("urls", &urls);
    let config = "[tls]\nca_files = ['ca.pem']\n[dns]\nhosts = ['site.test=127.0.0.1']\n";
    for record in records(&nginx, config, &["--urls=urls"], 0) {
        assert_eq!(
            (&record["http"], &record["tls"]["alpn"]),
            (&"1.1".into(), &"http/1.1".into()),
            "{record}"
        );
        assert_eq!((&record["bytes"], &record["tls"]["version"]), (&2.into(), &"1.3".into()), "{record}");
    }
    let log = nginx.log();
    assert!(log.len() == 10 && log.iter().all(|(_, protocol, _)| protocol == "HTTP/1.1"), "{log:?}");
}
