//! Runs desks with messages in any order, actors dying now and then, and answers of the frontier that come later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dragline_core::chance::Chance;
use dragline_core::frontier::{CommitError, Epoch, Fetched, Lease};
use dragline_core::report::Ended;
use dragline_core::roster::{DiedWhile, PoolRules, WorkerId};
use dragline_core::{CanonicalUrl, Outcome, Wall};
use dragline_sink::Record;

use super::super::orders::Later;
use super::super::*;
use super::bench::{Bench, Setup, leases, mark, pages};

/// What is under way outside the desk in a crawl at random.
#[derive(Default)]
struct World {
    fetching: Vec<(usize, Lease)>,
    handling: Vec<(WorkerId, Token)>,
    writing: VecDeque<(usize, usize)>,
    flushing: VecDeque<(usize, Epoch)>,
    /// Sinks that were told of a durable epoch.
    publishing: usize,
    /// The epoch to which records belong now.
    epoch: Epoch,
    published: Option<Epoch>,
    later: VecDeque<Later>,
    starting: Vec<(usize, WorkerId)>,
    respawning: Vec<usize>,
    told: BTreeMap<String, u32>,
    workers: BTreeSet<WorkerId>,
    ended: Option<End>,
    /// Asks of sessions that wait, and that hold a slot.
    asks: Vec<AskId>,
    slots: Vec<AskId>,
    asked: u64,
}

impl World {
    fn take(&mut self, bench: &Bench, orders: Orders, sinks: usize) {
        assert!(self.ended.is_none() || orders.ended.is_none(), "the end is told once");
        self.fetching.extend(leases(&orders));
        self.handling.extend(pages(&orders));
        for (sink, records, groups) in orders.write {
            self.writing.push_back((sink, groups));
            for record in records.into_iter().filter(|_| sink == 0) {
                match record {
                    Record::Page(page) => *self.told.entry(page.url.to_string()).or_default() += 1,
                    Record::Item(item) => {
                        let token = Token(item.item.as_json().parse().expect("an item is its token"));
                        let settled = bench.probe().settled.get(&token).copied();
                        assert_eq!(settled, Some(self.epoch), "records and settle are of one epoch");
                    }
                    Record::Skipped(_) => {}
                }
            }
        }
        if let Some(epoch) = orders.publish {
            assert_eq!(self.published.replace(epoch), epoch.0.checked_sub(1).map(Epoch), "each once");
            assert_eq!(bench.probe().tried.last().map(|(tried, _)| *tried), Some(epoch));
            self.publishing += sinks;
        }
        if let Some(epoch) = orders.flush {
            assert!(self.flushing.is_empty(), "two commits at once");
            assert_eq!((epoch, self.published), (self.epoch, epoch.0.checked_sub(1).map(Epoch)));
            self.epoch = Epoch(epoch.0 + 1);
            self.flushing.extend((0..sinks).map(|sink| (sink, epoch)));
        }
        for (_, worker) in orders.abandon {
            self.handling.retain(|(at, _)| *at != worker);
            self.workers.remove(&worker);
        }
        self.starting.extend(orders.start.into_iter().map(|(route, worker, _)| (route, worker)));
        self.respawning.extend(orders.respawn.into_iter().map(|(fetcher, _)| fetcher));
        self.later.extend(orders.later);
        for (id, reply) in orders.admit {
            let at = self.asks.iter().position(|ask| *ask == id).expect("an ask is answered once");
            self.asks.swap_remove(at);
            self.slots.extend(reply.slot.is_ok().then_some(id));
        }
        self.ended = self.ended.take().or(orders.ended);
    }

    /// Lets one thing happen, chosen by `draw`.
    fn happen(&mut self, bench: &mut Bench, draw: usize) {
        let pick = |len: usize| (len > 0).then(|| draw / 20 % len.max(1));
        // Commits are many, so that sinks have a larger part.
        match draw % 20 {
            0..=3 => {
                if let Some(at) = pick(self.fetching.len()) {
                    let (fetcher, lease) = self.fetching.swap_remove(at);
                    let outcome = if draw.is_multiple_of(7) { Outcome::Incomplete } else { Outcome::Ok };
                    let done = bench.done(&lease, outcome);
                    bench.desk.fetches_done(bench.now, fetcher, vec![done]);
                }
            }
            4..=7 => {
                if let Some(at) = pick(self.handling.len()) {
                    let (worker, token) = self.handling.swap_remove(at);
                    bench.handled(worker, token);
                }
            }
            8 | 16 => {
                if let Some((sink, groups)) = self.writing.pop_front() {
                    bench.desk.written(sink, groups, 0);
                }
            }
            9 | 17..=19 if self.publishing > 0 => {
                self.publishing -= 1;
                bench.desk.published();
            }
            // A sink answers a flush only when it has written what came before.
            9 | 17..=19 if self.writing.is_empty() => {
                if let Some((sink, epoch)) = self.flushing.pop_front() {
                    bench.desk.flushed(bench.now, sink, epoch, mark());
                }
            }
            9 | 17..=19 => {}
            10..=12 => self.complete(bench),
            13 => {
                for (route, worker) in std::mem::take(&mut self.starting) {
                    self.workers.insert(worker);
                    bench.desk.worker_started(route, worker);
                }
                for fetcher in std::mem::take(&mut self.respawning) {
                    bench.desk.fetcher_respawned(fetcher);
                    bench.desk.fetcher_started(fetcher);
                }
            }
            14 => self.kill(bench, draw / 20),
            15 if draw % 3 < 2 => self.session(bench, draw / 60),
            _ if (draw / 60).is_multiple_of(4) => {
                let full = CommitError::NoSpace("log".into());
                let errors = &mut bench.probe().errors;
                if errors.is_empty() {
                    errors.push_back(full);
                }
            }
            _ => {
                bench.now += Duration::from_millis(u64::try_from(draw % 500).unwrap_or(1));
            }
        }
    }

    fn complete(&mut self, bench: &mut Bench) {
        if let Some(mut answer) = self.later.pop_front() {
            match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(completion) => bench.desk.complete(bench.now, completion),
                Poll::Pending => self.later.push_front(answer),
            }
        }
    }

    /// A session asks, goes away, or gives a slot back.
    fn session(&mut self, bench: &mut Bench, draw: usize) {
        if let Some(id) = self.slots.pop() {
            match draw % 4 {
                0 => bench.desk.session_withdraws(bench.now, id),
                _ => bench.desk.session_releases(bench.now, id, &Fetched::cancelled()),
            }
        } else if draw % 4 == 1 {
            if let Some(id) = self.asks.pop() {
                bench.desk.session_withdraws(bench.now, id);
            }
        } else if self.asks.len() < 8 {
            let id = AskId(self.asked);
            self.asked += 1;
            let url = CanonicalUrl::parse(&format!("http://h{}.test/session", draw % 7)).expect("a URL");
            let ask = Ask { url, ask_robots: draw.is_multiple_of(3), deadline: Time::MAX };
            bench.desk.session_asks(id, ask);
            self.asks.push(id);
        }
    }

    fn kill(&mut self, bench: &mut Bench, draw: usize) {
        let victim = self.workers.iter().nth(draw % self.workers.len().max(1)).copied();
        if let Some(worker) = victim.filter(|_| draw.is_multiple_of(3)) {
            self.workers.remove(&worker);
            self.handling.retain(|(at, _)| *at != worker);
            let during = if draw.is_multiple_of(2) { DiedWhile::Handling } else { DiedWhile::Idle };
            bench.desk.worker_died(bench.now, 0, worker, during);
        } else if draw % 5 == 1 && bench.desk.fetcher_lives(0) {
            self.fetching.retain(|(at, _)| *at != 0);
            bench.desk.fetcher_died(bench.now, Wall::default(), 0);
        }
    }
}

#[test]
fn whatever_happens_in_whatever_order_every_url_ends_once() {
    for seed in 0..200_u64 {
        // Where robots.txt is obeyed, it may be found unreachable.
        let obey_robots = seed >= 150;
        let mut chance = Chance::new(seed);
        let lazy = seed % 2 == 0;
        let restarts = RestartRules { most: 1_000, ..RestartRules::default() };
        let pool = PoolRules { workers: 3, credits: 2, restarts: restarts.clone(), ..PoolRules::default() };
        let uncommitted_max = 1 + usize::try_from(seed % 5).unwrap_or_default();
        let (hosts, pages, sinks) = (5, 4, 2);
        let sink_credits = vec![1 + usize::try_from(seed % 3).unwrap_or_default(); sinks];
        let lanes = vec![2, 1];
        let setup = Setup {
            hosts,
            pages,
            lanes,
            pages_max: 4,
            uncommitted_max,
            sink_credits,
            pool,
            restarts,
            lazy,
            obey_robots,
            ..Setup::default()
        };
        let mut bench = Bench::new(setup);
        let mut world = World::default();
        world.later.extend(std::mem::take(&mut bench.unread));
        world.workers.extend((0..3).map(WorkerId));
        let mut turns = 0;
        while world.ended.is_none() {
            let orders = bench.orders();
            world.take(&bench, orders, sinks);
            let desk = &bench.desk;
            let in_flight = usize::try_from(desk.frontier.stats().urls.in_flight).unwrap_or_default();
            let again = in_flight + desk.commits.uncommitted();
            assert!(again < 4 + uncommitted_max, "seed {seed}: a crash would fetch {again} pages again");
            let draw = usize::try_from(chance.below(1 << 30)).unwrap_or_default();
            world.happen(&mut bench, draw);
            turns += 1;
            assert!(turns < 100_000, "seed {seed} hangs: {:?}", bench.desk.status(bench.now));
        }
        assert_eq!(world.ended, Some(End::because(Ended::Finished)), "seed {seed}");
        let orders = bench.orders();
        world.take(&bench, orders, sinks);
        assert!(world.publishing == 0 && world.flushing.is_empty(), "seed {seed}");
        assert_eq!(bench.desk.commits.uncommitted(), 0, "seed {seed}");
        assert_eq!(world.asks, [], "seed {seed}: the end was told to every session");
        let stats = bench.desk.status(bench.now).stats;
        assert!(stats.adds_up() && stats.pending == 0, "seed {seed}: {stats:?}");
        assert_eq!(stats.discovered, u64::from(hosts * pages));
        assert!(obey_robots || world.told.len() == 20, "seed {seed}: each URL has a record");
        assert!(world.told.values().all(|&count| count == 1), "seed {seed}: {:?}", world.told);
    }
}
