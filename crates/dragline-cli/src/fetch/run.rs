//! Runs `dragline fetch`: as many fetches at a time as configured, each record written when its fetch ends.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use dragline::config::{LogUrls, Plan};
use dragline::core::Outcome;
use dragline::engine::follow::{FollowOptions, Follower, FollowerParts};
use dragline::engine::{Clock, Tasks};
use dragline::fetch::{AwcTransportFactory, BodyBudget, TransportFactory, TransportOptions};
use dragline::telemetry::escape::LoggedUrls;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Sender};

use super::asked::{self, Asked, Template};
use super::lineup::Lineup;
use super::record::Fetched;
use super::writer::Writer;
use crate::args::FetchArgs;
use crate::exit::{Exit, Fault};
use crate::progress::Bar;
use crate::{config, log, output};

/// Records that may wait for the thread that writes them.
const RECORDS_WAITING_MAX: usize = 64;

/// What stands below the options.
pub(crate) const HELP: &str = "Each URL gives one record, a JSON object on a line of its own, written when its fetch ends:
  url           as given
  outcome       ok, ok_truncated, http_error, redirect, redirect_error, timeout, too_large, protocol_error, incomplete,
                decode_error, dns_error, connect_error, tls_error, proxy_error, blocked, invalid_url, robots_denied,
                deferred, cancelled, crashed
  status        of the last response, or null; with content_type
  bytes         of the body, decoded; wire_bytes: as received; sha256: of the decoded body
  final_url     what was fetched last; chain: the URLs whose redirects led there
  phases        milliseconds of the last hop; queue_ms: all waits for a turn at a host and for robots.txt;
                total_ms: everything together
  peer, proxy   the address that was talked to, the proxy that was used, or null
  http, tls     the version of HTTP; what TLS agreed on: version, cipher, alpn, resumed, unverified (what is wrong with
                a certificate that [tls] insecure_hosts lets pass)
  robots        allowed, assumed_allowed (there is none), disallowed, unreachable, not_asked
  error         phase and message, or null

Hosts are spared as [politeness] says. A URL's time begins when its host can have a slot for it.

Exit codes:
  0        every URL ended ok, ok_truncated or redirect
  1        some URL did not
  2        the command line is wrong
  3        the configuration is wrong
  4        nothing could start: a file of URLs or content that cannot be read, or holds none
  6        records or body could not be written";

/// Runs `dragline fetch`.
pub(crate) fn run(args: &FetchArgs) -> Result<Exit, Fault> {
    let mut loader = config::loader(&args.settings).seeds_optional();
    if let Some(timeout) = &args.timeout {
        loader = loader.flag("fetch.deadline", timeout.as_str(), "--timeout");
    }
    if let Some(size) = &args.max_body {
        loader = loader.flag("fetch.body_bytes_max", size.as_str(), "--max-body");
    }
    if let Some(contact) = &args.contact {
        loader = loader.flag("agent.contact", contact.as_str(), "--contact");
    }
    let (mut plan, _) = config::load(&loader, args.show.color)?;
    plan.guard.allow_networks.extend(&args.allow_net);
    plan.rules.robots.obey &= !args.ignore_robots;
    log::start(&plan.log, &args.show, &Bar::new(crate::args::Progress::Off))?;
    let network = config::network(&plan)?;
    let urls = asked::urls(args)?;
    let template = Template::new(args, &plan, network.clone())?;
    let mut options = TransportOptions::new(
        plan.rules.agent.user_agent(),
        Arc::new(BodyBudget::new(plan.fetch.bodies_bytes_max)),
    );
    options.guard = plan.guard.clone();
    options.idle_max = usize::try_from(plan.fetch.concurrency).unwrap_or(usize::MAX);
    options.accept.clone_from(&plan.fetch.accept);
    options.from.clone_from(&plan.rules.agent.from);
    network.apply(&mut options);
    let factory = AwcTransportFactory::new(options).map_err(|error| Fault::new(Exit::Config, error))?;
    let (sender, receiver) = mpsc::channel(RECORDS_WAITING_MAX);
    let writer = Writer::open(args, urls.len())?.start(receiver).map_err(Fault::nothing_started)?;
    let follow = (!args.no_follow).then_some(plan.rules.redirects_max);
    dragline::actix::System::new().block_on(fetch_all(&plan, &factory, &template, urls, follow, sender));
    let written =
        writer.join().map_err(|_| Fault::new(Exit::Internal, anyhow::anyhow!("the writer panicked")))??;
    if args.show.quiet == 0 {
        output::tell(&written.summary());
    }
    Ok(written.exit())
}

/// What the lanes share.
struct Shared {
    lineup: RefCell<Lineup>,
    /// Tells idle lanes that a host has a slot again.
    freed: Notify,
    follower: Follower,
    options: FollowOptions,
    done: Sender<(Asked, Fetched)>,
}

/// Fetches every URL; returns when all have their record, or nobody reads them any more.
async fn fetch_all(
    plan: &Plan,
    factory: &AwcTransportFactory,
    template: &Template,
    urls: Vec<Asked>,
    redirects_max: Option<u32>,
    done: Sender<(Asked, Fetched)>,
) {
    let mut lineup = Lineup::default();
    for asked in urls {
        match template.request(&asked.text) {
            Ok(request) => lineup.push(asked, request, &plan.rules.politeness),
            Err(error) => {
                let fetched = Fetched::failed(Outcome::InvalidUrl, error.to_string());
                if done.send((asked, fetched)).await.is_err() {
                    return;
                }
            }
        }
    }
    let lanes = usize::try_from(plan.fetch.concurrency).unwrap_or(usize::MAX).min(lineup.waiting());
    let follower = Follower::new(FollowerParts {
        clock: Clock::start(),
        rules: Arc::new(plan.rules.clone()),
        limits: Arc::new(plan.fetch.limits.clone()),
        transport: factory.open(),
        cookies: template.cookies.clone(),
        keyring: template.keyring.clone(),
        log_urls: match plan.log.urls {
            LogUrls::Full => LoggedUrls::Full,
            LogUrls::NoQuery => LoggedUrls::NoQuery,
        },
        telemetry: None,
        seed: dragline::engine::fresh_seed(),
    });
    let options = FollowOptions { redirects_max, robots: plan.rules.robots.obey, attempts_max: 1 };
    let lineup = RefCell::new(lineup);
    let shared = Rc::new(Shared { lineup, freed: Notify::new(), follower, options, done });
    let (working, mut at_work) = mpsc::channel::<()>(1);
    let mut tasks = Tasks::default();
    for _ in 0..lanes {
        let (shared, working) = (Rc::clone(&shared), working.clone());
        tasks.spawn(async move {
            work(&shared).await;
            drop(working);
        });
    }
    drop(working);
    tokio::select! {
        biased;
        // Nothing is ever sent: it ends when the last lane does.
        none = at_work.recv() => debug_assert!(none.is_none(), "lanes send nothing"),
        // Nobody reads the records any more: what is under way is dropped.
        () = shared.done.closed() => {}
    }
}

/// Fetches one URL after the other until none waits.
async fn work(shared: &Shared) {
    loop {
        let next = shared.lineup.borrow_mut().next();
        let Some((asked, request)) = next else {
            if shared.lineup.borrow().waiting() == 0 {
                // The others may be waiting too, for what will not come.
                shared.freed.notify_waiters();
                return;
            }
            shared.freed.notified().await;
            continue;
        };
        let host = request.url.host_key();
        let followed = shared.follower.fetch(request, shared.options).await;
        shared.lineup.borrow_mut().ended(&host);
        shared.freed.notify_one();
        if shared.done.send((asked, followed.into())).await.is_err() {
            shared.freed.notify_waiters();
            return;
        }
    }
}
