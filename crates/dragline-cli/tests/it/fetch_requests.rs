//! Tests what `dragline fetch` sends: methods, content, fields, credentials, cookies.

use crate::fetch_kit::{Echo, fetch, fetch_with, record};
use crate::process::Place;

/// Sends something and checks what the server saw: lines it must have, and lines it must not.
fn check(arguments: &[&str], wanted: &[&str], unwanted: &[&str]) {
    let (echo, place) = (Echo::start(), Place::new());
    let url = echo.url("/x?y");
    record(&place, &[&[&*url], arguments].concat(), 0);
    let asked = echo.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    for line in wanted {
        assert!(asked[0].lines().any(|found| found == *line), "{line} is not in\n{}", asked[0]);
    }
    for line in unwanted {
        assert!(!asked[0].lines().any(|found| found.starts_with(line)), "{line} is in\n{}", asked[0]);
    }
}

#[test]
fn method_content_and_fields_are_those_that_were_asked_for() {
    let form = "content-type: application/x-www-form-urlencoded";
    check(&[], &["GET /x?y HTTP/1.1"], &["content-length", "content-type"]);
    check(&["--data=a=b"], &["POST /x?y HTTP/1.1", form, "content-length: 3", "a=b"], &[]);
    check(&["--data=", "--method=put"], &["PUT /x?y HTTP/1.1", "content-length: 0"], &[]);
    check(
        &["--data={}", "--method=PATCH", "--header=Content-Type: application/json"],
        &["PATCH /x?y HTTP/1.1", "content-type: application/json", "{}"],
        &[form],
    );
    check(&["--method=DELETE"], &["DELETE /x?y HTTP/1.1"], &["content-type"]);
    check(
        &["--header=X-A: one: two", "--header=Accept: */*", "--header=user-agent: mine"],
        &["x-a: one: two", "accept: */*", "user-agent: mine"],
        &["accept: text"],
    );
    check(&["--set=agent.from=me@example.org"], &["from: me@example.org"], &[]);
}

#[test]
fn content_is_read_from_a_file_and_from_standard_input() {
    let (echo, place) = (Echo::start(), Place::new());
    place.write("content", "from a file\n");
    fetch(&place, &["--ignore-robots", &echo.url("/"), "--data=@content"]).assert(0, &[]);
    fetch_with(&place, &[&echo.url("/"), "--data=@-"], "from stdin", &[]).assert(0, &[]);
    let asked = echo.asked();
    assert!(asked[0].ends_with("\n\nfrom a file\n"), "{asked:?}");
    assert!(asked[1].ends_with("\n\nfrom stdin"), "{asked:?}");
}

#[test]
fn a_head_request_has_no_body_and_says_what_one_would_be() {
    let (echo, place) = (Echo::start(), Place::new());
    let record = record(&place, &[&echo.url("/"), "--head"], 0);
    assert_eq!((&record["outcome"], &record["bytes"]), (&"ok".into(), &0.into()), "{record}");
    assert_eq!(record["content_type"], "text/plain");
    assert!(echo.asked()[0].starts_with("HEAD / "), "{:?}", echo.asked());
}

#[test]
fn a_redirect_keeps_what_the_status_says() {
    let check = |status: u16, last: &str, content: bool| {
        let (echo, place) = (Echo::start(), Place::new());
        let url = echo.url(&format!("/to/{status}/{}", echo.url("/end")));
        let record = record(&place, &[&url, "--data=a=b"], 0);
        assert_eq!((&record["chain"][0], &record["final_url"]), (&url.into(), &echo.url("/end").into()));
        let asked = echo.asked();
        assert!(asked[1].starts_with(last), "{status}: {asked:?}");
        assert_eq!(asked[1].ends_with("a=b"), content, "{status}: {asked:?}");
    };
    check(302, "GET /end ", false);
    check(303, "GET /end ", false);
    check(307, "POST /end ", true);
}

#[test]
fn credentials_stay_at_their_origin() {
    let (home, away) = (Echo::start(), Echo::start());
    let place = Place::new();
    let with_userinfo = |path: &str| home.url(path).replace("http://", "http://me:s3%63ret@");
    let basic = "authorization: Basic bWU6czNjcmV0";
    let run = |arguments: &[&str]| record(&place, arguments, 0);

    let record = run(&[&with_userinfo("/direct")]);
    assert!(home.asked()[0].contains(basic), "{:?}", home.asked());
    assert_eq!(record["final_url"], home.url("/direct"), "and not in the URL");

    run(&[&with_userinfo(&format!("/to/302/{}", home.url("/again")))]);
    assert!(home.asked()[2].contains(basic), "the same origin is shown them again: {:?}", home.asked());

    let target = home.url(&format!("/to/307/{}", away.url("/")));
    run(&[&with_userinfo(&format!("/to/307/{}", away.url("/")))]);
    run(&[&target, "--header=Authorization: Bearer mine", "--header=Cookie: a=b", "--header=X-Kept: yes"]);
    assert!(home.asked()[4].contains("authorization: Bearer mine\n"), "{:?}", home.asked());
    for asked in away.asked() {
        assert!(!asked.contains("authorization") && !asked.contains("cookie"), "{asked}");
    }
    assert!(away.asked()[1].contains("x-kept: yes\n"), "{:?}", away.asked());
}

/// Digest asks first; see RFC 7616 section 3.3.
const CHALLENGE: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", \
                         algorithm=SHA-256\r\nContent-Length: 0\r\n\r\n";

#[test]
fn configured_credentials_are_shown_to_their_origin_and_read_from_environment_and_file() {
    use dragline_testkit::{ScriptedServer, Scripts, Step};
    let (echo, other, place) = (Echo::start(), Echo::start(), Place::new());
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin";
    let digest = Scripts::new().on_each("/", vec![vec![Step::send(CHALLENGE)], vec![Step::send(ok)]]);
    let digest = ScriptedServer::start(digest).expect("a loopback port is free");
    place.write("token", "t0ken\n");
    let config = format!(
        "[[auth]]\norigin = 'http://{}'\nkind = 'bearer'\ntoken_file = 'token'\n\
         [[auth]]\norigin = '{}'\nkind = 'digest'\nuser = 'me'\npassword_env = 'MY_PASSWORD'\n",
        echo.address(),
        digest.url("/").origin()
    );
    place.write("auth.toml", &config);
    let (first, second, third) = (echo.url("/"), other.url("/"), digest.url("/").to_string());
    let arguments = ["-c", "auth.toml", &first, &second, &third];
    let ended = fetch_with(&place, &arguments, "", &[("MY_PASSWORD", "s3cret")]);
    ended.assert(0, &["3 fetched: ok 3"]);
    assert!(echo.asked()[0].contains("authorization: Bearer t0ken\n"), "{:?}", echo.asked());
    assert!(!other.asked()[0].contains("authorization"), "{:?}", other.asked());
    assert_eq!(digest.log().count_of("/"), 2, "asked, and answered");
    for secret in ["t0ken", "s3cret"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{ended}");
    }

    fetch_with(&place, &arguments, "", &[])
        .assert(3, &["environment variable MY_PASSWORD", "is not set", "[[auth]]"]);
    place.write("auth.toml", "[[auth]]\norigin = 'http://a'\nkind = 'bearer'\ntoken_file = 'none'\n");
    fetch_with(&place, &["-c", "auth.toml", &first], "", &[])
        .assert(3, &["cannot read none", "No such file"]);
    place.run(&["config", "check", "-c", "auth.toml"]).assert(3, &["cannot read none"]);
}

#[test]
fn fields_by_host_and_cookies_are_sent_when_configured() {
    let (echo, place) = (Echo::start(), Place::new());
    let config = "[cookies]\nenabled = true\n[[request]]\nhosts = ['127.0.0.1']\nheaders = ['X-Team: a', 'Accept: x/y']\n\
                  [[request]]\nhosts = ['*']\nheaders = ['X-Team: b']\n";
    place.write("fields.toml", config);
    let url = echo.url(&format!("/to/302/{}", echo.url("/end")));
    record(&place, &["-c", "fields.toml", &url], 0);
    record(&place, &[&url], 0);
    let asked = echo.asked();
    assert!(asked[0].contains("x-team: a\n") && asked[0].contains("accept: x/y\n"), "{asked:?}");
    assert!(!asked[0].contains("cookie") && asked[1].contains("cookie: seen=yes\n"), "{asked:?}");
    assert!(!asked[3].contains("cookie") && !asked[3].contains("x-team"), "off by default: {asked:?}");
}

#[test]
fn credentials_and_cookies_reach_the_pages_of_a_crawl_too() {
    let (echo, place) = (Echo::start(), Place::new());
    place.write("token", "t0ken");
    let config = format!(
        "[cookies]\nenabled = true\n[[auth]]\norigin = '{}'\nkind = 'bearer'\ntoken_file = 'token'\n\
         [[request]]\nhosts = ['*']\nheaders = ['X-Team: a']\n",
        echo.url("")
    );
    place.write("crawl.toml", &config);
    place.crawl(&["-c", "crawl.toml", &echo.url("/"), "--set=robots.obey=false"]).assert(0, &[]);
    place.crawl(&["-c", "crawl.toml", &echo.url("/"), "--fresh"]).assert(0, &[]);
    let asked = echo.asked();
    let equipped =
        |asked: &String| asked.contains("authorization: Bearer t0ken\n") && asked.contains("x-team: a\n");
    assert!(asked.iter().all(equipped), "{asked:?}");
    assert!(asked.last().is_some_and(|asked| asked.contains("cookie: seen=yes\n")), "{asked:?}");
}
