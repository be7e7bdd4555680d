//! Fetches over HTTP/2 from a real nginx, and over HTTP/1.1 where the keys say so.

use std::collections::BTreeSet;

use crate::fetch_nginx::{Nginx, records};
use crate::process::Place;

#[test]
fn the_versions_that_are_offered_are_those_of_the_keys() {
    let Some(nginx) = Nginx::start("") else { return };
    let port = nginx.port();
    let check = |keys: &str, host: &str, version: &str, alpn: &str| {
        let config = format!("[tls]\nca_files = ['ca.pem']\n[dns]\nhosts = ['site.test=127.0.0.1']\n{keys}");
        let url = format!("https://{host}:{port}/page");
        let record = records(&nginx, &config, &[&url], 0).remove(0);
        assert_eq!((&record["http"], &record["tls"]["alpn"]), (&version.into(), &alpn.into()), "{record}");
        assert_eq!((&record["bytes"], &record["tls"]["version"]), (&5.into(), &"1.3".into()), "{record}");
        assert_eq!(record["tls"]["unverified"], serde_json::Value::Null);
        assert!(record["tls"]["cipher"].as_str().is_some_and(|cipher| cipher.starts_with("TLS")), "{record}");
    };
    let both = "[fetch]\nhttp_versions = ['1.1', '2']\n";
    let site = |versions: &str| format!("[[request]]\nhosts = ['site.test']\nhttp_versions = {versions}\n");
    check("", "127.0.0.1", "1.1", "http/1.1");
    check(both, "127.0.0.1", "2", "h2");
    check(&site("['1.1', '2']"), "site.test", "2", "h2");
    check(&site("['1.1', '2']"), "127.0.0.1", "1.1", "http/1.1");
    check(&format!("{both}{}", site("['1.1']")), "site.test", "1.1", "http/1.1");
}

#[test]
fn a_hundred_urls_share_one_connection_of_http_2() {
    let Some(nginx) = Nginx::start("") else { return };
    let urls: String = (0..100).map(|number| format!("{}\n", nginx.url(&format!("/{number}")))).collect();
    nginx.write("urls", &urls);
    let config = "[tls]\nca_files = ['ca.pem']\n[fetch]\nhttp_versions = ['1.1', '2']\n";
    let records = records(&nginx, config, &["--urls=urls"], 0);
    assert_eq!(records.len(), 100);
    for record in &records {
        let path =
            record["url"].as_str().and_then(|url| url.rsplit_once('/')).map(|(_, path)| path.len() + 1);
        assert_eq!(record["bytes"].as_u64(), path.map(|len| len as u64), "{record}");
    }
    let log = nginx.log();
    let connections: BTreeSet<_> = log.iter().map(|(connection, ..)| connection).collect();
    assert_eq!((log.len(), connections.len()), (100, 1), "{connections:?}");
    assert!(log.iter().all(|(_, protocol, _)| protocol == "HTTP/2.0"), "{log:?}");
}

#[test]
fn a_crawl_speaks_http_2_where_the_keys_say_so() {
    let Some(nginx) = Nginx::start("") else { return };
    let authority = nginx.authority();
    let place = Place::new();
    let config =
        format!("[tls]\nca_files = ['{}']\n[fetch]\nhttp_versions = ['1.1', '2']\n", authority.display());
    place.write("crawl.toml", &config);
    place.crawl(&["-c", "crawl.toml", &nginx.url("/1"), &nginx.url("/2")]).assert(0, &[]);
    let log = nginx.log();
    let protocols: BTreeSet<_> = log.iter().map(|(_, protocol, _)| &**protocol).collect();
    assert_eq!((log.len(), protocols), (3, BTreeSet::from(["HTTP/2.0"])), "{log:?}");
}
