//! Fetches beside a running crawl, on its hosts and by its rules.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, ResponseFuture};
use dragline_core::{Handled, Outcome};
use dragline_engine::session::{ErrorKind, Session};
use dragline_engine::{Crawl, CrawlBuilder, HandlePage, HandleResult, Placement, Route};
use dragline_testkit::{Reply, Server, SimReply, SimWeb, Site};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Fetches something more for each page, from the page's own host.
struct Asks {
    session: Session,
}

impl Actor for Asks {
    type Context = Context<Self>;
}

impl Handler<HandlePage> for Asks {
    type Result = ResponseFuture<HandleResult>;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> Self::Result {
        let url = page.url.join("/api").map(|url| url.as_str().to_owned()).unwrap_or_default();
        let fetch = self.session.get(url).on_done(|response| response.body().len()).start();
        Box::pin(async move {
            let response = fetch.await?;
            let mut handled = Handled::default();
            handled.item(&serde_json::json!({ "length": response.value(), "status": response.status() }))?;
            Ok(handled)
        })
    }
}

/// Routes pages to handlers that ask the crawl's own session.
fn asking(builder: CrawlBuilder) -> CrawlBuilder {
    let session = builder.session();
    builder.route(Route::actor("asks", move || Asks { session: session.clone() }))
}

#[test]
fn a_handler_fetches_from_the_pages_own_host_at_credits_of_one() {
    let site = Site::new()
        .on("/robots.txt", Reply::ok("text/plain", "User-agent: *\nDisallow: /secret\n"))
        .on("/", Reply::html("<a href=\"/2\">2</a>"))
        .on("/2", Reply::html("<a href=\"/3\">3</a>"))
        .on("/3", Reply::html("end"))
        .on("/api", Reply::ok("text/plain", "12345"));
    let server = Server::start(site).unwrap();
    let builder = Crawl::builder()
        .seed(server.url("/").as_str())
        .allow_network("127.0.0.0/8")
        .delay(Duration::ZERO)
        .concurrency(1)
        .pages_max(1)
        .bodies_bytes_max(1)
        .session_workers(1)
        .follow_links();
    let end = asking(builder).build().unwrap().run().unwrap();
    assert_eq!((end.report.done, end.report.discovered), (3, 3), "{}", end.report);
    assert_eq!(server.log().count_of("/api"), 3);
    // robots.txt was asked once for both.
    assert_eq!(server.log().count_of("/robots.txt"), 1);
}

#[test]
fn a_session_keeps_to_the_crawls_gap_and_robots_and_counts_into_its_metrics() {
    actix_rt::System::new().block_on(async {
        tokio::time::pause();
        let web = SimWeb::new()
            .on("http://a/robots.txt", SimReply::text("User-agent: *\nDisallow: /secret\n"))
            .fallback(|url| (url.path() != "/robots.txt").then(|| SimReply::page("page", &[])));
        let links: Vec<String> = (0..6).map(|number| format!("/{number}")).collect();
        let links: Vec<&str> = links.iter().map(String::as_str).collect();
        let web = web.on("http://a/", SimReply::page("home", &links));
        let builder = Crawl::builder()
            .run_seed(3)
            .placement(Placement::OneArbiter)
            .transport(Arc::new(web.clone()))
            .delay(secs(1))
            .concurrency(4)
            .seed("http://a/");
        let early = builder.session();
        let waits = early.get("http://a/early").start();
        let running = builder.build().unwrap().start().unwrap();
        let handle = running.handle();
        let session = handle.session();
        let denied = session.get("http://a/secret").start().await.unwrap_err();
        assert_eq!(denied.outcome(), Some(Outcome::RobotsDenied), "{denied}");
        assert_eq!(waits.await.unwrap().status(), 200);
        assert_eq!(session.get("http://a/x").start().await.unwrap().status(), 200);
        let error = session.get("http://a/1").start().result().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let end = running.wait().await;
        assert_eq!(end.report.discovered, 7, "{}", end.report);
        let gaps = web.gaps("a");
        assert!(gaps.len() == 9 && gaps.iter().all(|gap| *gap >= secs(1)), "{gaps:?}");
        let text = handle.gather().await.unwrap();
        // What was dropped before its end is cancelled, what was disallowed failed.
        for series in [
            "dragline_session_fetches_total{result=\"response\"} 2",
            "dragline_session_fetches_total{result=\"failed\"} 1",
            "dragline_session_fetches_total{result=\"cancelled\"} 1",
            "dragline_session_fetches_outstanding 0",
        ] {
            assert!(text.contains(series), "{series}: {text}");
        }
        let late = session.get("http://a/late").start().await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Closed);
    });
}

#[test]
fn what_a_crawl_never_carried_out_is_cancelled() {
    let builder = Crawl::builder().seed("http://127.0.0.1:1/");
    let session = builder.session();
    let fetch = session.get("http://127.0.0.1:1/").start();
    drop(builder);
    assert!(fetch.result().unwrap_err().is_cancelled());
    assert!(Crawl::builder().seed("http://127.0.0.1:1/").session_workers(0).build().is_err());
}
