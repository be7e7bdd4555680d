//! Content is sent as fast as the server takes it and exactly as announced.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dragline_core::fetch::RequestBody;
use futures_core::Stream;

use super::support::{Asked, Site, run};

/// Yields its items, each ready at once.
struct Items(std::vec::IntoIter<io::Result<Bytes>>);

impl Stream for Items {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }
}

/// Makes content of chunks, of which `"!"` is an error.
fn stream(length: Option<u64>, chunks: &'static [&'static str]) -> RequestBody {
    RequestBody::stream(length, move || {
        let items = chunks.iter().map(|chunk| match *chunk {
            "!" => Err(io::Error::other("torn page")),
            chunk => Ok(Bytes::from_static(chunk.as_bytes())),
        });
        Items(items.collect::<Vec<_>>().into_iter())
    })
}

/// Answers with the announced length, and the number of bytes that came or the first of them.
async fn echo(mut asked: Asked) {
    let announced = asked.request.headers().get("content-length").cloned();
    let mut content = Vec::new();
    let body = asked.request.body_mut();
    while let Some(chunk) = body.data().await {
        let Ok(chunk) = chunk else { return };
        body.flow_control().release_capacity(chunk.len()).unwrap();
        content.extend_from_slice(&chunk);
    }
    let announced = announced.map_or("-".into(), |length| length.to_str().unwrap().to_owned());
    let told =
        if content.len() > 10 { format!("{}", content.len()) } else { String::from_utf8(content).unwrap() };
    asked.answer(200, &[], format!("{announced} {told}")).await;
}

fn check(body: RequestBody, expected: &str) {
    run(async move {
        let site = Site::answering(echo).await;
        let pool = site.pool();
        let told = site.get("/").post(body).send(&pool).await;
        assert_eq!(told.line, expected);
        // Whatever happened to one stream, the connection serves the next.
        assert_eq!(site.get("/").send(&pool).await.line, "200 [- ]");
        assert_eq!(site.connections(), 1);
    });
}

#[test]
fn content_arrives_whole_whatever_its_form() {
    check(RequestBody::None, "200 [0 ]");
    check(RequestBody::bytes(""), "200 [0 ]");
    check(RequestBody::bytes("ok"), "200 [2 ok]");
    // Several times what the server's window takes.
    check(RequestBody::bytes(vec![b'x'; 3 << 20]), "200 [3145728 3145728]");
    check(stream(None, &["a", "", "bc"]), "200 [- abc]");
    check(stream(Some(3), &["a", "bc"]), "200 [3 abc]");
    check(stream(None, &[]), "200 [- ]");
    check(stream(Some(0), &[]), "200 [0 ]");
}

#[test]
fn content_that_is_not_what_was_announced_is_not_sent_as_if_it_were() {
    check(stream(Some(2), &["abc"]), "cancelled ttfb: the content of the request is longer than announced");
    check(stream(Some(4), &["abc"]), "cancelled ttfb: the content of the request is shorter than announced");
    check(
        stream(None, &["a", "!", "b"]),
        "cancelled ttfb: the content of the request could not be read: torn page",
    );
}

#[test]
fn a_server_that_answers_before_it_has_read_everything_is_heard() {
    run(async {
        let site = Site::answering(|asked| asked.answer(413, &[], "too much")).await;
        let pool = site.pool();
        let told = site.get("/").post(RequestBody::bytes(vec![b'x'; 1 << 20])).send(&pool).await;
        assert_eq!(told.line, "413 [too much]");
        assert_eq!(site.get("/").send(&pool).await.line, "413 [too much]");
        assert_eq!(site.connections(), 1);
    });
}

#[test]
fn a_server_that_answers_while_it_reads_gets_the_rest() {
    run(async {
        let site = Site::answering(|mut asked| async move {
            let mut answer = asked.respond.send_response(http::Response::new(()), false).unwrap();
            let body = asked.request.body_mut();
            let mut count = 0;
            while let Some(chunk) = body.data().await {
                let chunk = chunk.unwrap();
                body.flow_control().release_capacity(chunk.len()).unwrap();
                count += chunk.len();
            }
            answer.send_data(count.to_string().into(), true).unwrap();
        })
        .await;
        let pool = site.pool();
        let told = site.get("/").post(RequestBody::bytes(vec![b'x'; 1 << 20])).send(&pool).await;
        assert_eq!(told.line, "200 [1048576]");
    });
}

#[test]
fn a_server_that_stops_reading_is_waited_for_as_long_as_for_a_first_byte() {
    run(async {
        let site = Site::answering(|asked| async move {
            let _asked = asked;
            std::future::pending::<()>().await;
        })
        .await;
        let pool = site.pool();
        let ask = site.get("/").post(RequestBody::bytes(vec![b'x'; 1 << 20]));
        let ask = ask.within(|limits| limits.first_byte_timeout = Duration::from_millis(200));
        let told = ask.send(&pool).await;
        assert_eq!(told.line, "timeout ttfb");
        assert!(told.transcript.sent.get() < 1 << 20);
    });
}
