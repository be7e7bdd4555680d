//! Draws a world from a seed: how many pages where, who links to whom, and what is wrong with them.

use std::time::Duration;

use super::model::{
    Failing, LATENCY_MAX, PageKind, RobotsKind, RobotsText, Target, Temper, World, WorldHost, WorldPage,
};

/// Hosts that share a registrable domain, on average.
const HOSTS_PER_DOMAIN: usize = 3;

/// Links of one page; few have that many.
const LINKS_MAX: usize = 40;

/// One thousandth: the unit of the drawn shares.
const MILLE: u32 = 1_000;

/// What is drawn of one world.
struct Draw {
    rng: fastrand::Rng,
    /// Pages of each host.
    sizes: Vec<usize>,
}

impl World {
    /// Draws a world of so many hosts, with so many pages in all.
    ///
    /// The first hosts have most of the pages, the first pages of a host are linked to the most, and each page leads from
    /// its host's root. Beside what links lead to there are redirects in chains and loops, answers that fail at first or
    /// for ever, robots.txt of every kind, hosts that limit the rate, hosts that are gone, and endless ones.
    pub fn draw(seed: u64, hosts: usize, pages: usize) -> Self {
        let hosts = hosts.max(1);
        let mut draw = Draw { rng: fastrand::Rng::with_seed(seed), sizes: sizes(hosts, pages) };
        let hosts = (0..hosts).map(|host| draw.host(host)).collect();
        let mut world = Self { seed, hosts };
        world.calm_movers();
        world.connect(&mut draw);
        world
    }

    /// Links each host's root from a page of an earlier host, so that one seed may lead everywhere.
    fn connect(&mut self, draw: &mut Draw) {
        for host in 1..self.hosts.len() {
            let from = draw.rng.usize(0..host);
            let link = Target::Page { host, page: 0 };
            let root = self.hosts.get_mut(from).and_then(|host| host.pages.first_mut());
            root.into_iter().for_each(|page| page.links.push(link));
        }
    }

    /// Lets robots.txt move only to hosts that answer.
    fn calm_movers(&mut self) {
        let calm: Vec<bool> = self.hosts.iter().map(|host| host.temper == Temper::Calm).collect();
        for (index, host) in self.hosts.iter_mut().enumerate() {
            if let RobotsKind::Moved(to, text) = host.robots
                && calm.get(to) != Some(&true)
            {
                host.robots = RobotsKind::Moved(index, text);
            }
        }
    }
}

impl Draw {
    /// Whether something is drawn that happens so many times in a thousand.
    fn happens(&mut self, mille: u32) -> bool {
        self.rng.u32(0..MILLE) < mille
    }

    fn host(&mut self, host: usize) -> WorldHost {
        let domains = self.sizes.len().div_ceil(HOSTS_PER_DOMAIN);
        // Evenly on a logarithmic scale, from a hundredth of the longest.
        let latency = LATENCY_MAX.div_f64(10_f64.powf(2.0 * self.rng.f64()));
        let temper = match self.rng.u32(0..MILLE) {
            0..=99 => Temper::Limited {
                gap: Duration::from_millis(self.rng.u64(300..3_000)),
                retry_after_secs: self.rng.bool().then(|| self.rng.u32(1..20)),
            },
            100..=119 => Temper::Nameless,
            120..=149 => Temper::Dead,
            _ => Temper::Calm,
        };
        let count = self.sizes.get(host).copied().unwrap_or(1);
        WorldHost {
            name: format!("h{host}.d{}.test", host % domains),
            latency,
            robots: self.robots(),
            temper,
            pages: (0..count).map(|page| self.page(host, page, count)).collect(),
            endless: self.happens(80),
        }
    }

    fn robots(&mut self) -> RobotsKind {
        let text = RobotsText {
            private: self.happens(700),
            crawl_delay_secs: self.happens(250).then(|| self.rng.u32(1..=4)),
        };
        match self.rng.u32(0..MILLE) {
            0..=499 => RobotsKind::Absent,
            500..=849 => RobotsKind::Text(text, 0),
            850..=899 => RobotsKind::Text(text, self.rng.u32(1..=2)),
            900..=939 => RobotsKind::Unreachable,
            _ => RobotsKind::Moved(self.rng.usize(0..self.sizes.len()), text),
        }
    }

    fn page(&mut self, host: usize, page: usize, count: usize) -> WorldPage {
        let is_root = page == 0;
        let mut links: Vec<_> = (0..self.degree()).map(|_| self.target(host)).collect();
        // The tree that leads everywhere: page n from page (n - 1) / 4.
        links.extend(
            (4 * page + 1..=4 * page + 4)
                .filter(|&child| child < count)
                .map(|page| Target::Page { host, page }),
        );
        let kind = if is_root { PageKind::Page } else { self.kind(host) };
        // Only leaves of the tree are hard to get, so that what is behind them is not lost with them.
        let is_leaf = 4 * page + 1 >= count;
        let kind = if is_leaf || self.happens(100) { kind } else { PageKind::Page };
        WorldPage { kind, private: !is_root && self.happens(80), links }
    }

    /// Draws how many more links a page has: most few, few many.
    fn degree(&mut self) -> usize {
        let most = f64::from(u32::try_from(LINKS_MAX).unwrap_or(u32::MAX));
        let drawn = (1.0 / (1.0 - self.rng.f64())).powf(0.8);
        (1..=LINKS_MAX)
            .take_while(|&links| u32::try_from(links).is_ok_and(|links| f64::from(links) <= drawn.min(most)))
            .count()
    }

    /// Draws what a link leads to: mostly the same host, and there the first pages.
    fn target(&mut self, host: usize) -> Target {
        match self.rng.u32(0..MILLE) {
            0..=29 => Target::Elsewhere(self.rng.usize(0..5)),
            30..=199 => {
                let host = self.skewed(self.sizes.len());
                self.page_of(host)
            }
            _ => self.page_of(host),
        }
    }

    fn page_of(&mut self, host: usize) -> Target {
        let count = self.sizes.get(host).copied().unwrap_or(1);
        Target::Page { host, page: self.skewed(count) }
    }

    /// Draws a number below `bound`, small ones more often.
    fn skewed(&mut self, bound: usize) -> usize {
        let highest = self.rng.usize(0..bound.max(1));
        self.rng.usize(0..=highest)
    }

    fn kind(&mut self, host: usize) -> PageKind {
        let times = |rng: &mut fastrand::Rng| rng.bool().then(|| rng.u32(1..=2));
        match self.rng.u32(0..MILLE) {
            0..=39 => PageKind::Redirect(self.page_of(host)),
            40..=64 => {
                let other = self.skewed(self.sizes.len());
                PageKind::Redirect(self.page_of(other))
            }
            65..=69 => PageKind::Circle,
            70..=99 => PageKind::Fails(Failing::Status(404), None),
            100..=129 => PageKind::Fails(
                Failing::Status(*self.rng.choice(&[500, 502, 504]).unwrap_or(&500)),
                times(&mut self.rng),
            ),
            130..=144 => PageKind::Fails(Failing::Status(503), times(&mut self.rng)),
            145..=154 => PageKind::Fails(Failing::Busy(self.rng.u32(1..30)), times(&mut self.rng)),
            155..=164 => PageKind::Fails(Failing::Hang, times(&mut self.rng)),
            165..=174 => PageKind::Fails(Failing::Refused, times(&mut self.rng)),
            175..=184 => PageKind::Fails(Failing::Cut, times(&mut self.rng)),
            185..=192 => PageKind::Fails(Failing::Crash, times(&mut self.rng)),
            193..=212 => PageKind::File,
            213..=222 => PageKind::Big,
            223..=232 => PageKind::Slow(Duration::from_secs(self.rng.u64(1..100))),
            _ => PageKind::Page,
        }
    }
}

/// Spreads pages over hosts, each half as much again as the one two places behind, and at least its root.
fn sizes(hosts: usize, pages: usize) -> Vec<usize> {
    let weights: Vec<f64> =
        (1..=u32::try_from(hosts).unwrap_or(u32::MAX)).map(|rank| 1.0 / f64::from(rank).sqrt()).collect();
    let total: f64 = weights.iter().sum();
    let rest = f64::from(u32::try_from(pages.saturating_sub(hosts)).unwrap_or(u32::MAX));
    let share = |weight: &f64| {
        let wanted = rest * weight / total;
        1 + (0_u32..u32::MAX).take_while(|&count| f64::from(count) + 0.5 <= wanted).count()
    };
    weights.iter().map(share).collect()
}
