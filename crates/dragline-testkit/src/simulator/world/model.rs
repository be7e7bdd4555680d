//! Says what a world is: hosts with tempers, pages with links, and the spelling of every URL.

use std::time::Duration;

use dragline_core::CanonicalUrl;

/// The longest usual latency of a host; single answers take up to twice as long.
pub(in crate::simulator) const LATENCY_MAX: Duration = Duration::from_millis(1_500);

/// What the paths begin with that only sessions ask for.
const ASKED: &str = "/asked/";

/// A web as plain data. What it answers is a function of the URL, how often it was asked for, and the state of its host.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) seed: u64,
    /// Its hosts; every other name is `elsewhere`, which nobody can reach.
    pub hosts: Vec<WorldHost>,
}

/// One host.
#[derive(Clone, Debug)]
pub struct WorldHost {
    /// Its name: `h3.d1.test`, where hosts of one `d` share a registrable domain.
    pub name: String,
    /// Its usual latency; single answers take half to twice as long.
    pub latency: Duration,
    /// What becomes of `/robots.txt`.
    pub robots: RobotsKind,
    /// How it takes being asked.
    pub temper: Temper,
    /// Its pages; the first is its root, a page that is always there, and leads to all others.
    pub pages: Vec<WorldPage>,
    /// Whether its root leads into a calendar without an end and a spiral of ever longer paths.
    pub endless: bool,
}

/// What becomes of a robots.txt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RobotsKind {
    /// 404: everything may be fetched.
    Absent,
    /// A text, after so many answers with 503.
    Text(RobotsText, u32),
    /// 503 for ever: nothing may be fetched.
    Unreachable,
    /// A redirect to this host, which has the text of this one.
    Moved(usize, RobotsText),
}

/// What a robots.txt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RobotsText {
    /// Whether `/private/` is disallowed.
    pub private: bool,
    /// The crawl delay in seconds.
    pub crawl_delay_secs: Option<u32>,
}

/// How a host takes being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temper {
    /// It answers.
    Calm,
    /// It answers 429 when it is asked sooner than this after an answer, perhaps with a `Retry-After` in seconds.
    Limited {
        /// The least gap.
        gap: Duration,
        /// What it asks for when it refuses.
        retry_after_secs: Option<u32>,
    },
    /// Its name does not resolve.
    Nameless,
    /// Nothing listens.
    Dead,
}

/// One page of a host.
#[derive(Clone, Debug)]
pub struct WorldPage {
    /// What is there.
    pub kind: PageKind,
    /// Whether its path lies under `/private/`.
    pub private: bool,
    /// Where it leads, when it is a page.
    pub links: Vec<Target>,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// A page with links.
    Page,
    /// A file without any.
    File,
    /// A page far larger than most.
    Big,
    /// A page whose body takes this long.
    Slow(Duration),
    /// A redirect to a page.
    Redirect(Target),
    /// A redirect to itself.
    Circle,
    /// A page, after so many failures; `None`: never.
    Fails(Failing, Option<u32>),
}

/// How an answer fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// A status.
    Status(u16),
    /// 503 with a `Retry-After` in seconds.
    Busy(u32),
    /// No answer in time.
    Hang,
    /// No connection.
    Refused,
    /// A body that ends early.
    Cut,
    /// A panic in the transport.
    Crash,
}

/// What a link or a redirect leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A page of a host.
    Page {
        /// The host.
        host: usize,
        /// The page.
        page: usize,
    },
    /// A day of a calendar, which leads to the next.
    Calendar {
        /// The host.
        host: usize,
        /// The day.
        day: u64,
    },
    /// A path of so many turns, which leads to one more.
    Spiral {
        /// The host.
        host: usize,
        /// The turns.
        turns: usize,
    },
    /// A page of a host that is not in this world.
    Elsewhere(usize),
}

/// Where a URL leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Place {
    /// The host's robots.txt.
    Robots,
    /// The robots.txt of another host that was moved here.
    MovedRobots(usize),
    /// What only sessions ask for; nothing links there.
    Asked,
    /// What links lead to.
    At(Target),
}

impl World {
    /// Returns the URL of a target.
    pub fn url(&self, target: Target) -> String {
        let name = |host: usize| self.hosts.get(host).map_or("none.test", |host| host.name.as_str());
        match target {
            Target::Page { host, page: 0 } => format!("http://{}/", name(host)),
            Target::Page { host, page } => {
                let private = self.page(host, page).is_some_and(|page| page.private);
                format!("http://{}/{}p{page}", name(host), if private { "private/" } else { "" })
            }
            Target::Calendar { host, day } => format!("http://{}/calendar/{day}", name(host)),
            Target::Spiral { host, turns } => {
                format!("http://{}/spiral/{}", name(host), "turn/".repeat(turns))
            }
            Target::Elsewhere(number) => format!("http://elsewhere{number}.test/"),
        }
    }

    /// Returns where the robots.txt of a host was moved to, when it was.
    pub(in crate::simulator) fn moved_robots(&self, host: usize) -> Option<String> {
        match self.hosts.get(host)?.robots {
            RobotsKind::Moved(to, _) => {
                Some(format!("http://{}/robots-of-{host}.txt", self.hosts.get(to)?.name))
            }
            _ => None,
        }
    }

    /// Returns the URL of a host that only sessions ask for, of a few.
    pub(in crate::simulator) fn asked_url(&self, host: usize, number: u64) -> String {
        let name = self.hosts.get(host).map_or("none.test", |host| host.name.as_str());
        format!("http://{name}{ASKED}{number}")
    }

    /// Returns the page of a host.
    pub fn page(&self, host: usize, page: usize) -> Option<&WorldPage> {
        self.hosts.get(host)?.pages.get(page)
    }

    /// Returns the number of a host in this world.
    pub(in crate::simulator) fn host_of(&self, url: &CanonicalUrl) -> Option<usize> {
        let number: usize = url.host().strip_prefix('h')?.split('.').next()?.parse().ok()?;
        self.hosts.get(number).filter(|host| host.name == url.host()).map(|_| number)
    }

    /// Returns the host of a URL and where it leads there.
    pub(in crate::simulator) fn find(&self, url: &CanonicalUrl) -> Option<(usize, Place)> {
        let host = self.host_of(url)?;
        let path = url.path_and_query();
        let numbered = |prefix| path.strip_prefix(prefix).and_then(|rest| rest.parse().ok());
        let place = if path == "/robots.txt" {
            Place::Robots
        } else if let Some(of) = path.strip_prefix("/robots-of-").and_then(|rest| rest.strip_suffix(".txt")) {
            Place::MovedRobots(of.parse().ok()?)
        } else if path.starts_with(ASKED) {
            Place::Asked
        } else if path == "/" {
            Place::At(Target::Page { host, page: 0 })
        } else if let Some(day) = path.strip_prefix("/calendar/") {
            Place::At(Target::Calendar { host, day: day.parse().ok()? })
        } else if let Some(turns) = path.strip_prefix("/spiral/") {
            Place::At(Target::Spiral { host, turns: turns.len() / "turn/".len() })
        } else {
            let page = numbered("/p").or_else(|| numbered("/private/p"))?;
            self.page(host, page)?;
            Place::At(Target::Page { host, page })
        };
        let is_spelt_so = |target| self.url(target) == url.as_str();
        match place {
            Place::At(target) if !is_spelt_so(target) => None,
            place => Some((host, place)),
        }
    }

    /// Returns where a target's page leads: nowhere when it has none.
    pub fn links(&self, target: Target) -> Vec<Target> {
        match target {
            Target::Page { host, page } => {
                let mut links = self.page(host, page).map_or_else(Vec::new, |page| match page.kind {
                    PageKind::File | PageKind::Redirect(_) | PageKind::Circle => Vec::new(),
                    _ => page.links.clone(),
                });
                if page == 0 && self.hosts.get(host).is_some_and(|host| host.endless) {
                    links.extend([Target::Calendar { host, day: 0 }, Target::Spiral { host, turns: 0 }]);
                }
                links
            }
            Target::Calendar { host, day } => {
                vec![Target::Calendar { host, day: day.saturating_add(1) }, Target::Page { host, page: 0 }]
            }
            Target::Spiral { host, turns } => vec![Target::Spiral { host, turns: turns.saturating_add(1) }],
            Target::Elsewhere(_) => Vec::new(),
        }
    }

    /// Returns how many items the page of a URL is good for.
    pub fn items(&self, url: &str) -> u64 {
        self.hash(url, 0) % 3
    }

    /// Returns a number that depends on the world, the URL and `salt` alone.
    pub(in crate::simulator) fn hash(&self, url: &str, salt: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(url.as_bytes(), self.seed.wrapping_add(salt))
    }
}
