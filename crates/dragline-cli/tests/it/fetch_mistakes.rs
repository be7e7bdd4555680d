//! Tests what `dragline fetch` says, and how it exits, when it is told something that cannot work.

use crate::fetch_kit::{fetch, parse};
use crate::process::Place;

/// Nothing listens there; what is wrong is found before anybody is asked.
const URL: &str = "http://127.0.0.1:9/";

#[test]
fn mistakes_of_the_command_line_name_the_way_out() {
    let place = Place::new();
    place.write("urls", "http://127.0.0.1:9/\n");
    place.write("empty", "# nothing\n\n");
    let check = |arguments: &[&str], code: i32, words: &[&str]| {
        let ended = fetch(&place, arguments);
        ended.assert(code, words);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    };
    check(&[], 2, &["required arguments were not provided", "<URL>"]);
    check(
        &[URL, "--method=TRACE"],
        2,
        &["--method", "not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"],
    );
    check(&[URL, "--data=x", "--head"], 2, &["--data", "cannot be used with", "--head"]);
    check(&[URL, "--method=GET", "--head"], 2, &["--method", "cannot be used with", "--head"]);
    check(&[URL, "--header=X"], 2, &["--header", "there is no colon"]);
    check(&[URL, "--header=X-A: b\nX-B: c"], 2, &["X-A holds a line end"]);
    check(&[URL, "--header=Host: other"], 2, &["Host cannot be given: it follows from the URL"]);
    check(&[URL, "--header=Transfer-Encoding: chunked"], 2, &["cannot be given"]);
    check(&[URL, URL, "--output=body"], 2, &["--output takes the body of one URL"]);
    check(&["--urls=urls", "--output=body"], 2, &["--urls", "cannot be used with", "--output"]);
    check(&["--urls=-", "--data=@-"], 2, &["both read standard input"]);
    check(&[URL, "--jsonl=-", "--output=-"], 2, &["both write standard output"]);
    check(&[URL, "--allow-net=127.0.0.0/99"], 2, &["127.0.0.0/99"]);
    check(&[URL, "--timeout=0s"], 3, &["--timeout", "out of range", "1ms to 24h"]);
    check(&[URL, "--max-body=0"], 3, &["--max-body", "\"0\" has no unit"]);
    check(&[URL, "--max-body=0B"], 3, &["--max-body", "0B, out of range"]);
    check(&[URL, "--max-body=10MB"], 3, &["did you mean \"10MiB\"?"]);
    check(&["--urls=missing"], 4, &["could not read missing", "No such file"]);
    check(&["--urls=empty"], 4, &["empty holds no URL"]);
    check(&[URL, "--data=@missing"], 4, &["could not read missing", "No such file"]);
    check(&[URL, "--jsonl=missing/out"], 4, &["could not write missing/out", "No such file"]);
}

#[test]
fn files_of_the_configuration_are_named_with_what_is_wrong_with_them() {
    let place = Place::new();
    place.write("no.pem", "this is no certificate\n");
    let check = |config: &str, words: &[&str]| {
        place.write("bad.toml", config);
        fetch(&place, &["-c", "bad.toml", URL]).assert(3, words);
        place.run(&["config", "check", "-c", "bad.toml"]).assert(3, words);
        place.crawl(&["-c", "bad.toml", URL]).assert(3, words);
    };
    check("[tls]\nca_files = ['no.pem', 'none.pem']\n", &["no.pem: it holds no certificate", "none.pem: "]);
    // Base64 that is no certificate.
    place.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    check("[tls]\nca_files = ['junk.pem']\n", &["tls.ca_files: junk.pem: ", "not a certificate"]);
    check("[tls]\nclient_cert = 'no.pem'\nclient_key = 'no.pem'\n", &["tls.client_cert", "no.pem: "]);
    check(
        "[[proxy]]\nname = 'a'\nurl = 'http://127.0.0.1:9'\nuser = 'me'\npassword_env = 'NOT_SET_BY_ANYBODY'\n",
        &["[[proxy]] \"a\"", "the environment variable NOT_SET_BY_ANYBODY is not set"],
    );
    check(
        "[[proxy]]\nname = 'a'\nurl = 'http://u:hunter2@127.0.0.1:9'\n",
        &["`proxy[0].url`", "`password_env`"],
    );
    check("[[route]]\nhosts = ['*']\nproxies = ['a']\n", &["no [[proxy]] is named \"a\""]);
}

#[test]
fn a_warning_names_hosts_that_are_not_verified() {
    let place = Place::new();
    place.write("open.toml", "[tls]\ninsecure_hosts = ['*.test', 'intern']\n");
    let ended = fetch(&place, &["-c", "open.toml", URL]);
    ended.assert(1, &["*.test intern", "are not verified"]);
    assert_eq!(parse(&ended.stdout)[0]["outcome"], "connect_error");
}

#[test]
fn the_help_documents_every_field_of_a_record() {
    let ended = Place::new().run(&["fetch", "--help"]);
    ended.assert(0, &[]);
    let documented = [
        "url ",
        "outcome ",
        "status ",
        "content_type",
        "bytes ",
        "wire_bytes",
        "sha256",
        "final_url",
        "chain",
        "phases",
        "total_ms",
        "peer, proxy",
        "http, tls",
        "robots ",
        "error ",
        "Exit codes:",
        "--urls",
        "--jsonl",
        "--data",
    ];
    for words in documented {
        assert!(ended.stdout.contains(words), "{words:?} is not in the help:\n{}", ended.stdout);
    }
}
