//! Draws under which rules and with how many credits a simulated crawl runs.

use std::time::Duration;

use dragline_core::fetch::AtCap;
use dragline_core::frontier::Rebirth;
use dragline_core::restart::RestartRules;
use dragline_core::roster::PoolRules;
use dragline_core::rules::ScopeMode;
use dragline_engine::{Crawl, CrawlBuilder, Placement};

use super::mutant::Mutant;
use super::sink::MANY_ROWS;
use super::world::{Target, World};

/// The depth up to which links are followed where depth is no matter: more than any simulated world has pages.
pub(super) const DEPTH_UNBOUND: u32 = 1_000_000;

/// The longest a fetch may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// The longest wait that a host may ask for.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(120);

/// How long a host may only refuse.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// Bytes of a body that are taken: fewer than the largest pages have.
const BODY_BYTES_MAX: u64 = 32 << 10;

/// The rules and limits of one simulated crawl, as the operator believes them to be in force.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    pub(super) delay: Duration,
    pub(super) adaptive: bool,
    /// Fetches of one host at a time.
    pub(super) slots: u32,
    pub(super) concurrency: usize,
    pub(super) fetchers: usize,
    pub(super) pages_max: Option<usize>,
    pub(super) sink_credits: usize,
    pub(super) workers: usize,
    pub(super) handler_credits: usize,
    pub(super) handler_timeout: Duration,
    pub(super) attempts: u32,
    pub(super) redirects_max: u32,
    pub(super) depth_max: u32,
    pub(super) urls_max: u64,
    pub(super) urls_per_host_max: u64,
    pub(super) scope: ScopeMode,
    /// Hosts whose roots are the seeds.
    pub(super) seeds: Vec<usize>,
    pub(super) robots: bool,
    /// Links are followed by the built-in handler and not by the simulated one.
    pub(super) built_in: bool,
    pub(super) at_cap: AtCap,
    pub(super) restarts: RestartRules,
    /// Settled pages in no commit; as many as fetches unless told otherwise.
    pub(super) uncommitted_max: Option<usize>,
    /// Rows at which a file is finished; 0: never.
    pub(super) rotate_rows: u64,
    /// URLs that go to the log together when a queue is long.
    pub(super) chunk_urls: usize,
    /// How long a job of the state folder's disk takes in the mean; zero: none, and it is done where it is given.
    pub(super) disk_latency: Duration,
}

impl Conditions {
    /// Returns those of a usual crawl of the whole world.
    pub(super) fn usual(world: &World) -> Self {
        let endless = world.hosts.iter().any(|host| host.endless);
        Self {
            delay: Duration::from_secs(1),
            adaptive: true,
            slots: 1,
            concurrency: 256,
            fetchers: 2,
            pages_max: None,
            sink_credits: 256,
            workers: 2,
            handler_credits: 64,
            handler_timeout: Duration::from_secs(60),
            attempts: 3,
            redirects_max: 10,
            depth_max: if endless { 20 } else { DEPTH_UNBOUND },
            urls_max: 0,
            urls_per_host_max: 0,
            scope: ScopeMode::Host,
            seeds: (0..world.hosts.len()).collect(),
            robots: true,
            built_in: true,
            at_cap: AtCap::Fail,
            restarts: RestartRules::default(),
            uncommitted_max: None,
            rotate_rows: 0,
            chunk_urls: Rebirth::CHUNK_URLS,
            disk_latency: Duration::ZERO,
        }
    }

    /// Draws them, down to one credit on every edge.
    pub(super) fn draw(seed: u64, world: &World) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let usual = Self::usual(world);
        let millis = |millis| Duration::from_millis(millis);
        let one_in = |rng: &mut fastrand::Rng, times: u8| rng.u8(0..times) == 0;
        let starved = one_in(&mut rng, 5);
        let count = |rng: &mut fastrand::Rng, counts: &[usize]| {
            if starved { 1 } else { *rng.choice(counts).unwrap_or(&1) }
        };
        let pages = world.hosts.iter().map(|host| host.pages.len()).sum::<usize>() as u64;
        let hosts = world.hosts.len();
        let seeds = if rng.bool() { usual.seeds.clone() } else { (0..rng.usize(1..=hosts)).collect() };
        let limit =
            |rng: &mut fastrand::Rng, most: u64| if one_in(rng, 8) { rng.u64(1..=most.max(1)) } else { 0 };
        Self {
            delay: millis(*rng.choice(&[0, 100, 500, 1_000, 2_000]).unwrap_or(&0)),
            adaptive: rng.bool(),
            slots: *rng.choice(&[1, 1, 2, 3]).unwrap_or(&1),
            concurrency: count(&mut rng, &[2, 8, 64]),
            fetchers: count(&mut rng, &[1, 2, 3]),
            pages_max: (starved || one_in(&mut rng, 3)).then(|| count(&mut rng, &[1, 2, 5])),
            sink_credits: count(&mut rng, &[1, 3, 256]),
            workers: count(&mut rng, &[1, 2, 3]),
            handler_credits: count(&mut rng, &[1, 2, 64]),
            handler_timeout: Duration::from_secs(*rng.choice(&[5, 20, 60]).unwrap_or(&60)),
            attempts: rng.u32(1..=3),
            redirects_max: *rng.choice(&[2, 5, 10]).unwrap_or(&10),
            depth_max: if rng.bool() { usual.depth_max } else { *rng.choice(&[1, 3, 8]).unwrap_or(&8) },
            urls_max: limit(&mut rng, pages),
            urls_per_host_max: limit(&mut rng, 30),
            scope: *rng
                .choice(&[ScopeMode::Host, ScopeMode::Host, ScopeMode::Domain, ScopeMode::Any])
                .unwrap_or(&usual.scope),
            seeds,
            robots: !one_in(&mut rng, 8),
            built_in: rng.bool(),
            at_cap: if rng.bool() { AtCap::Fail } else { AtCap::Truncate },
            restarts: usual.restarts,
            uncommitted_max: (starved || one_in(&mut rng, 3)).then(|| count(&mut rng, &[2, 5, 20])),
            rotate_rows: *rng.choice(&[0, 0, 5, MANY_ROWS]).unwrap_or(&0),
            chunk_urls: *rng.choice(&[1, 3, usual.chunk_urls]).unwrap_or(&1),
            disk_latency: millis(*rng.choice(&[0, 0, 3, 30, 300]).unwrap_or(&0)),
        }
    }

    /// Returns how many fetches of pages a crash may waste.
    pub(super) fn refetched_max(&self) -> usize {
        let pages = self.pages_max.unwrap_or(2 * self.concurrency).max(1);
        pages + self.uncommitted_max.unwrap_or(self.concurrency)
    }

    /// Whether some URL may be too deep.
    pub(super) const fn depth_binds(&self) -> bool {
        self.depth_max < DEPTH_UNBOUND
    }

    /// Returns how one route's workers are run.
    pub(super) fn pool(&self) -> PoolRules {
        PoolRules {
            workers: self.workers,
            credits: self.handler_credits,
            timeout: self.handler_timeout,
            restarts: self.restarts.clone(),
        }
    }

    /// Begins a crawl under these conditions, which a mutant does not keep; transport, routes and sinks are missing.
    pub(super) fn builder(&self, seed: u64, world: &World, mutant: Option<Mutant>) -> CrawlBuilder {
        let restarts = match mutant {
            Some(Mutant::RestartsUnbounded) => RestartRules { most: 1_000, ..self.restarts.clone() },
            _ => self.restarts.clone(),
        };
        let mut builder = Crawl::builder()
            .run_seed(seed)
            .placement(Placement::OneArbiter)
            .concurrency(self.concurrency)
            .fetchers(self.fetchers)
            .restarts(restarts)
            .limits(|limits| {
                limits.deadline = DEADLINE;
                limits.first_byte_timeout = Duration::from_secs(5);
                limits.body_bytes_max = BODY_BYTES_MAX;
                limits.at_cap = self.at_cap;
            })
            .rules(|rules| {
                let politeness = &mut rules.politeness;
                let short = mutant == Some(Mutant::ShortGap);
                politeness.delay = if short { self.delay.mul_f64(0.9) } else { self.delay };
                politeness.adaptive = self.adaptive && !short;
                politeness.concurrency = self.slots + u32::from(mutant == Some(Mutant::ExtraSlot));
                politeness.backoff_max = BACKOFF_MAX;
                politeness.give_up_after = GIVE_UP_AFTER;
                rules.robots.obey = self.robots && mutant != Some(Mutant::RobotsIgnored);
                rules.retry.attempts = self.attempts;
                rules.redirects_max = self.redirects_max;
                rules.scope.mode = self.scope;
                rules.scope.depth_max = self.depth_max;
                rules.scope.urls_max = self.urls_max;
                rules.scope.urls_per_host_max = self.urls_per_host_max;
            });
        if let Some(pages) = self.pages_max {
            builder = builder.pages_max(pages);
        }
        if let Some(pages) = self.uncommitted_max {
            builder = builder.uncommitted_max(pages);
        }
        if self.built_in {
            builder = builder.follow_links();
        }
        let roots = self.seeds.iter().map(|&host| world.url(Target::Page { host, page: 0 }));
        roots.fold(builder, |builder, root| builder.seed(&root))
    }
}
