//! What is sent: contents, methods, cookies, and who we are to the servers that ask.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing ends the test")]

use std::sync::Arc;

use bytes::Bytes;
use dragline_core::auth::{Credentials, Keyring, Secret};
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::{FetchRequest, FetchResponse, Method, RequestBody};
use dragline_fetch::Transport as _;
use futures_util::stream;

use crate::support::{Act, Asked, Server, fetch, get, options, send, told, with_transport};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Sends a request with this content and returns which of these fields were sent, and the content as it went.
fn sent(method: Method, body: RequestBody) -> (Vec<String>, String) {
    let server = Server::sends(OK);
    let response = fetch(FetchRequest { method, body, ..get(&server.url("/x")) });
    assert_eq!(told(&response), "ok 200 [ok]");
    let head = server.heads().pop().unwrap();
    let of_content = |line: &&str| line.starts_with("content-") || line.starts_with("transfer-encoding");
    let mut lines: Vec<_> = head.lines().take(1).map(str::to_owned).collect();
    lines.extend(head.lines().filter(of_content).map(str::to_owned));
    lines.sort();
    (lines, server.contents().pop().unwrap())
}

fn check(method: Method, body: RequestBody, expected: &[&str], content: &str) {
    let (lines, sent) = sent(method, body);
    assert_eq!(
        (lines.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), sent.as_str()),
        (expected, content)
    );
}

fn parts(length: Option<u64>) -> RequestBody {
    RequestBody::stream(length, || stream::iter(["two ", "parts"].map(|part| Ok(Bytes::from(part)))))
}

#[test]
fn contents_are_sent_with_what_announces_them() {
    check(Method::Get, RequestBody::None, &["GET /x HTTP/1.1"], "");
    check(Method::Delete, RequestBody::None, &["DELETE /x HTTP/1.1"], "");
    check(Method::Options, RequestBody::None, &["OPTIONS /x HTTP/1.1"], "");
    check(Method::Post, RequestBody::None, &["POST /x HTTP/1.1", "content-length: 0"], "");
    check(Method::Put, RequestBody::bytes("a"), &["PUT /x HTTP/1.1", "content-length: 1"], "a");
    let form = "content-type: application/x-www-form-urlencoded";
    check(
        Method::Post,
        RequestBody::form([("a", "b c")]),
        &["POST /x HTTP/1.1", "content-length: 5", form],
        "a=b+c",
    );
    check(
        Method::Patch,
        RequestBody::json(&[1, 2]).unwrap(),
        &["PATCH /x HTTP/1.1", "content-length: 5", "content-type: application/json"],
        "[1,2]",
    );
    check(Method::Post, parts(Some(9)), &["POST /x HTTP/1.1", "content-length: 9"], "two parts");
    let chunked = "4\r\ntwo \r\n5\r\nparts\r\n0\r\n\r\n";
    check(Method::Post, parts(None), &["POST /x HTTP/1.1", "transfer-encoding: chunked"], chunked);
}

#[test]
fn an_answer_that_comes_before_the_request_is_whole_is_heard() {
    let refusal = "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";
    let server = Server::run(move |_| vec![send(refusal), Act::Close]);
    let body = RequestBody::bytes(vec![b'x'; 64]);
    let response = fetch(FetchRequest { method: Method::Post, body, ..get(&server.url("/early")) });
    assert_eq!(told(&response), "http_error 413 [large]");
}

/// Fetches one after another over one transport.
fn fetch_all(requests: impl IntoIterator<Item = FetchRequest>) -> Vec<FetchResponse> {
    with_transport(options(), async |transport| {
        let mut responses = Vec::new();
        for request in requests {
            responses.push(transport.fetch(request).await);
        }
        responses
    })
}

/// Returns the values of a field that were sent, request by request.
fn fields_sent(server: &Server, name: &str) -> Vec<Option<String>> {
    let prefix = format!("{name}: ");
    let field = |head: String| head.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
    server.heads().into_iter().map(field).collect()
}

#[test]
fn cookies_are_kept_from_every_response_and_sent_to_their_host() {
    let server = Server::run(|asked| {
        let status = if asked.path == "/set" { "302 Found\r\nLocation: /" } else { "200 OK" };
        vec![send(format!("HTTP/1.1 {status}\r\nSet-Cookie: a=1; Path=/in\r\nContent-Length: 0\r\n\r\n"))]
    });
    let cookies = Some(Arc::new(CookieJar::new()));
    let with_jar = |path: &str| FetchRequest { cookies: cookies.clone(), ..get(&server.url(path)) };
    let own = FetchRequest { headers: [("Cookie".into(), "b=2".into())].into(), ..with_jar("/in") };
    fetch_all([with_jar("/set"), with_jar("/in/x"), with_jar("/out"), own, get(&server.url("/in"))]);
    let expected = [None, Some("a=1"), None, Some("b=2"), None].map(|field| field.map(str::to_owned));
    assert_eq!(fields_sent(&server, "cookie"), expected);
}

fn keyring(server: &Server, credentials: Credentials) -> Option<Arc<Keyring>> {
    Some(Arc::new(Keyring::new(vec![(server.url("/").origin(), credentials)])))
}

#[test]
fn credentials_go_to_their_origin_and_no_other() {
    let (server, other) = (Server::sends(OK), Server::sends(OK));
    let basic = Credentials::Basic { user: "Aladdin".into(), password: Secret::new("open sesame") };
    let keyring = keyring(&server, basic);
    let of = |server: &Server| FetchRequest { keyring: keyring.clone(), ..get(&server.url("/")) };
    let own = FetchRequest { headers: [("Authorization".into(), "Own".into())].into(), ..of(&server) };
    fetch_all([of(&server), of(&other), own]);
    let expected =
        [Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), Some("Own")].map(|field| field.map(str::to_owned));
    assert_eq!(fields_sent(&server, "authorization"), expected);
    assert_eq!(fields_sent(&other, "authorization"), [None]);
}

/// Lets in who answers its challenge, unless `deaf`.
fn guarded(asked: &Asked, deaf: bool) -> Vec<Act> {
    let is_answered = asked.head.contains("authorization: Digest ") && asked.head.contains("nonce=\"n1\"");
    if is_answered && !deaf {
        return vec![send(OK)];
    }
    vec![send(
        "HTTP/1.1 401 Who\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256\r\n\
         Content-Length: 3\r\n\r\nwho",
    )]
}

#[test]
fn a_digest_challenge_is_answered_once_and_then_before_it_is_asked() {
    let server = Server::run(|asked| guarded(asked, false));
    let digest = || Credentials::Digest { user: "me".into(), password: Secret::new("secret") };
    let request = FetchRequest { keyring: keyring(&server, digest()), ..get(&server.url("/a")) };
    let responses = fetch_all([request.clone(), request]);
    assert_eq!(responses.iter().map(told).collect::<Vec<_>>(), ["ok 200 [ok]", "ok 200 [ok]"]);
    let sent = fields_sent(&server, "authorization");
    assert_eq!(sent.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(server.connections(), 1);
    // The request's content goes along with the answer.
    let server = Server::run(|asked| guarded(asked, false));
    let keyring = keyring(&server, digest());
    let post = FetchRequest { method: Method::Post, body: parts(None), keyring, ..get(&server.url("/a")) };
    assert_eq!(told(&fetch(post)), "ok 200 [ok]");
    assert_eq!(server.contents().len(), 2);
    assert_eq!(server.contents()[0], server.contents()[1]);
}

#[test]
fn a_refused_answer_is_the_servers_word() {
    let server = Server::run(|asked| guarded(asked, true));
    let wrong = Credentials::Digest { user: "me".into(), password: Secret::new("wrong") };
    let response = fetch(FetchRequest { keyring: keyring(&server, wrong), ..get(&server.url("/")) });
    assert_eq!(told(&response), "http_error 401 [who]");
    assert_eq!(server.heads().len(), 2);
}

#[test]
fn a_capture_holds_the_bytes_that_went_over_the_connection() {
    let answer = "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n\
                  3;x=y\r\nabc\r\n0\r\nT: z\r\n\r\n";
    let server = Server::sends(answer);
    let request = FetchRequest { capture: true, ..get(&server.url("/")) };
    let asked = FetchRequest { method: Method::Post, body: RequestBody::bytes("abc"), ..request };
    let response = fetch(asked);
    assert_eq!(told(&response), "ok 200 [abc]");
    let capture = response.capture.unwrap();
    assert_eq!(capture.response, answer.as_bytes());
    let sent = String::from_utf8(capture.request.to_vec()).unwrap();
    assert_eq!(sent, format!("{}abc", server.heads()[0]));
    assert!(fetch(get(&server.url("/"))).capture.is_none());
}
