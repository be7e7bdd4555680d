//! Models the demo site: every URL it has, and what becomes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_core::FailKind;
use dragline_core::chance::Chance;

use super::{hosts, html};
use crate::reply::Reply;
use crate::site::Site;

/// Levels of the calendar and the spiral that are modelled; the site goes on for ever, a crawl is cut before.
pub(super) const ENDLESS_LEVELS: u32 = 40;

/// All hosts of the demo.
#[derive(Debug)]
pub(super) struct Web {
    pub(super) hosts: Vec<Host>,
}

/// One host: its paths and how it answers.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) origin: String,
    /// What stands at each path (with its query), by normalised path.
    pub(super) paths: BTreeMap<String, Fate>,
    /// The text of robots.txt; a 404 without.
    pub(super) robots: Option<&'static str>,
    /// What that text disallows.
    pub(super) disallowed: Option<&'static str>,
    pub(super) gzip: bool,
    pub(super) delay: Duration,
}

/// What becomes of a URL.
#[derive(Debug)]
pub(super) enum Fate {
    /// A page.
    Page(Page),
    /// A page, once the first request was refused.
    Late(Reply, Page),
    /// A page under another spelling of the same URL, to which the first one redirects.
    Respelled {
        /// The path that redirects.
        from: String,
        /// The page under the normalised path.
        page: Page,
    },
    /// A file without links.
    File(Reply),
    /// A redirect to this location, as written in the field.
    Redirect(u16, String),
    /// Nothing good, however often it is asked.
    Fails {
        /// The kind under which it is given up.
        kind: FailKind,
        /// Whether every attempt is used up.
        retried: bool,
        /// The answer.
        reply: Reply,
    },
}

/// The part of a page that a crawler looks at.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) title: String,
    /// What `<base href>` says.
    pub(super) base: Option<String>,
    /// Whether `<meta name="robots">` says nofollow.
    pub(super) nofollow: bool,
    pub(super) links: Vec<Link>,
    /// Paragraphs, made at generation so that the page is a function of the seed.
    pub(super) text: String,
}

/// One link as written.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) nofollow: bool,
}

impl Web {
    /// Generates all hosts, one for each origin.
    pub(super) fn generate(seed: u64, origins: &[String]) -> Self {
        let mut chance = Chance::new(seed);
        Self { hosts: hosts::generate(&mut chance, origins) }
    }

    /// Returns the sites to be served, in the order of the hosts.
    pub(super) fn sites(&self) -> Vec<Site> {
        self.hosts.iter().map(Host::site).collect()
    }
}

impl Host {
    /// Makes a host that has no paths yet.
    pub(super) fn new(origin: &str) -> Self {
        Self {
            origin: origin.into(),
            paths: BTreeMap::new(),
            robots: None,
            disallowed: None,
            gzip: false,
            delay: Duration::ZERO,
        }
    }

    /// Puts something at a path.
    pub(super) fn put(&mut self, path: impl Into<String>, fate: Fate) {
        let earlier = self.paths.insert(path.into(), fate);
        debug_assert!(earlier.is_none(), "every path is put once");
    }

    /// Returns the page at a path that is known to have one.
    pub(super) fn page_mut(&mut self, path: &str) -> Option<&mut Page> {
        match self.paths.get_mut(path)? {
            Fate::Page(page) | Fate::Late(_, page) | Fate::Respelled { page, .. } => Some(page),
            Fate::File(_) | Fate::Redirect(..) | Fate::Fails { .. } => None,
        }
    }

    fn site(&self) -> Site {
        let mut site = Site::new().delay(self.delay).fallback(endless);
        if let Some(robots) = self.robots {
            site = site.on("/robots.txt", Reply::ok("text/plain", robots));
        }
        for (path, fate) in &self.paths {
            site = match fate {
                Fate::Page(page) => site.on(path, self.reply(page)),
                Fate::Late(refusal, page) => site.on_each(path, vec![refusal.clone(), self.reply(page)]),
                Fate::Respelled { from, page } => {
                    site.on(from, Reply::redirect(301, path)).on(path, self.reply(page))
                }
                Fate::File(reply) | Fate::Fails { reply, .. } => site.on(path, reply.clone()),
                Fate::Redirect(status, location) => site.on(path, Reply::redirect(*status, location)),
            };
        }
        site
    }

    fn reply(&self, page: &Page) -> Reply {
        let html = html::page(page);
        if self.gzip { Reply::html_gzip(html) } else { Reply::html(html) }
    }
}

impl Page {
    /// Makes a page with a title and a few paragraphs.
    pub(super) fn new(chance: &mut Chance, title: impl Into<String>) -> Self {
        Self { title: title.into(), text: html::paragraphs(chance), ..Self::default() }
    }

    /// Adds a link.
    pub(super) fn link(&mut self, href: impl Into<String>) -> &mut Self {
        self.links.push(Link { href: href.into(), nofollow: false });
        self
    }

    /// Adds a link that says nofollow.
    pub(super) fn link_nofollow(&mut self, href: impl Into<String>) -> &mut Self {
        self.links.push(Link { href: href.into(), nofollow: true });
        self
    }
}

/// Answers the parts of the calendar and the spiral beyond what is modelled, for crawlers that go on.
fn endless(path: &str) -> Option<Reply> {
    if let Some(day) = path.strip_prefix("/calendar/") {
        let day: u64 = day.parse().ok()?;
        return Some(Reply::html(html::page(&calendar_page(day))));
    }
    let turns = path.strip_prefix("/spiral/")?;
    turns.split_terminator('/').all(|turn| turn == "turn").then(|| Reply::html(html::page(&spiral_page())))
}

/// Returns the page of a day, which links to the next day.
pub(super) fn calendar_page(day: u64) -> Page {
    let mut page = Page { title: format!("Day {day}"), ..Page::default() };
    page.link(format!("/calendar/{}", day.saturating_add(1)));
    page
}

/// Returns the page of every turn of the spiral, whose relative link leads one turn deeper.
pub(super) fn spiral_page() -> Page {
    let mut page = Page { title: "Round and round".into(), ..Page::default() };
    page.link("turn/");
    page
}
