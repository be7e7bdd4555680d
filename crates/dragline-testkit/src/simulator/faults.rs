//! Draws what goes wrong in a simulation beside the web: fetchers, handlers, the disk, and what the operator wants.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::{PageKind, Target, World};
use crate::disk::Crash;

/// Pages on which a handler fails, in one simulation: few enough for the restart budget.
const HANDLER_FAULTS_MAX: usize = 6;

/// Lives that end in a crash, in one simulation.
const CRASHES_MAX: usize = 2;

/// Everything that goes wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultPlan {
    pub(super) fetchers: FetcherFaults,
    /// What handlers do on single pages, by URL.
    pub(super) handlers: BTreeMap<String, HandlerFault>,
    /// Of a thousand pages, so many are handled slowly.
    pub(super) slow_mille: u64,
    /// Of a thousand pages, so many make their handler fetch something itself.
    pub(super) asks_mille: u64,
    /// From when the disk is full, and for how long.
    pub(super) no_space: Option<(Duration, Duration)>,
    /// After so many changes of the disk a write fails for good.
    pub(super) write_fails: Option<u64>,
    /// Each life ends after so many changes of the disk, and how; the last one does not.
    pub(super) crashes: Vec<(u64, Crash)>,
    /// What the operator wants, and when.
    pub(super) wish: Option<(Duration, Wish)>,
}

/// What goes wrong with fetchers as actors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FetcherFaults {
    /// Transports that do not open, from the first on.
    pub(super) opens: u32,
    /// Ticks, counted over all transports, at which a fetcher dies.
    pub(super) ticks: Vec<u64>,
    /// Whether it dies at each tick.
    pub(super) every_tick: bool,
    ticked: u64,
}

/// What a handler does on one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandlerFault {
    /// It says that the page cannot be handled.
    Error,
    /// Its actor panics, each time.
    Panic,
    /// It never answers.
    Hang,
    /// It answers when it was given up, unless others had to be waited for.
    Late,
    /// Its answer is lost, the first time.
    LoseReply,
    /// Its actor stops itself, the first time; the answer comes all the same.
    Stop,
    /// It asks for the page once more, the first time.
    Retry,
}

/// What an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Pauses for this long.
    Pause(Duration),
    /// Drains; what waits stays pending.
    DrainKeep,
    /// Drains; what waits is skipped.
    DrainDrop,
    /// Stops at once.
    Stop,
}

impl FaultPlan {
    /// Draws a plan; most simulations have a few faults, some have none.
    pub(super) fn draw(seed: u64, world: &World) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut percent = |share: u8| rng.u8(0..100) < share;
        let [dies, doomed, unopened, handlers, full, fails, crashes, wish] =
            [25, 2, 15, 60, 20, 4, 25, 15].map(&mut percent);
        let secs = |rng: &mut fastrand::Rng, from: u64, to: u64| {
            Duration::from_millis(rng.u64(from * 1_000..to * 1_000))
        };
        let some = |happens: bool, most: usize, rng: &mut fastrand::Rng| {
            if happens { rng.usize(1..=most) } else { 0 }
        };
        let deaths = some(dies, 3, &mut rng);
        let unopened = some(unopened, 2, &mut rng);
        let crashes = some(crashes, CRASHES_MAX, &mut rng);
        Self {
            fetchers: FetcherFaults {
                opens: u32::try_from(unopened).unwrap_or(0),
                ticks: (0..deaths).map(|_| rng.u64(0..60)).collect(),
                every_tick: doomed,
                ..FetcherFaults::default()
            },
            handlers: if handlers { handler_faults(&mut rng, world) } else { BTreeMap::new() },
            slow_mille: *rng.choice(&[0, 20, 200]).unwrap_or(&0),
            asks_mille: *rng.choice(&[0, 0, 50, 300]).unwrap_or(&0),
            no_space: full.then(|| (secs(&mut rng, 0, 60), secs(&mut rng, 1, 40))),
            write_fails: fails.then(|| rng.u64(0..200)),
            crashes: (0..crashes)
                .map(|_| (rng.u64(0..120), if rng.bool() { Crash::Kill } else { Crash::PowerLoss }))
                .collect(),
            wish: wish.then(|| {
                let pause = Wish::Pause(secs(&mut rng, 1, 60));
                let wishes = [pause, Wish::DrainKeep, Wish::DrainDrop, Wish::Stop];
                (secs(&mut rng, 1, 60), *rng.choice(&wishes).unwrap_or(&pause))
            }),
        }
    }

    /// Whether every life but the last ends in a crash, and some do.
    pub(super) fn crashes(&self) -> bool {
        !self.crashes.is_empty()
    }

    /// Whether fetches may be lost with their fetcher.
    pub(super) fn loses_fetches(&self) -> bool {
        self.fetchers != FetcherFaults::default()
    }

    /// Returns how many pages kill or block the worker that has them.
    pub(super) fn killers(&self) -> usize {
        let kills = |fault: &&HandlerFault| !matches!(fault, HandlerFault::Error | HandlerFault::Retry);
        self.handlers.values().filter(kills).count()
    }
}

impl FetcherFaults {
    /// Has a fetcher die at each tick.
    pub(super) fn at_every_tick() -> Self {
        Self { every_tick: true, ..Self::default() }
    }

    /// Whether the transport that is opened next does not open.
    pub(super) fn next_open_fails(&mut self) -> bool {
        let fails = self.opens > 0;
        self.opens = self.opens.saturating_sub(1);
        fails
    }

    /// Whether the fetcher dies whose transport ticks next.
    pub(super) fn next_tick_kills(&mut self) -> bool {
        self.ticked += 1;
        self.every_tick || self.ticks.contains(&(self.ticked - 1))
    }
}

/// Draws a few pages that are served without trouble, and what handlers do on them.
fn handler_faults(rng: &mut fastrand::Rng, world: &World) -> BTreeMap<String, HandlerFault> {
    let kinds = [
        HandlerFault::Error,
        HandlerFault::Panic,
        HandlerFault::Hang,
        HandlerFault::LoseReply,
        HandlerFault::Stop,
        HandlerFault::Retry,
    ];
    let mut faults = BTreeMap::new();
    for _ in 0..rng.usize(1..=HANDLER_FAULTS_MAX) {
        let host = rng.usize(0..world.hosts.len());
        let pages = world.hosts.get(host).map_or(1, |host| host.pages.len());
        let page = rng.usize(0..pages);
        let is_page = world.page(host, page).is_some_and(|page| page.kind == PageKind::Page);
        if let (true, Some(kind)) = (is_page && page > 0, rng.choice(&kinds)) {
            let url = world.url(Target::Page { host, page });
            let is_late = *kind == HandlerFault::Hang && world.hash(&url, 13).is_multiple_of(2);
            faults.insert(url, if is_late { HandlerFault::Late } else { *kind });
        }
    }
    faults
}
