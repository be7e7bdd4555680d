//! Fills the five hosts of the demo: what each has, and how its links are written.
//!
//! Links that are not part of a host's tree lead only to pages that are known by then (home pages, which are seeds,
//! ancestors and siblings) or to sections from home pages. So the depth of a page, and every count that hangs on
//! it, is the same in whatever order a crawler goes.

use std::time::Duration;

use dragline_core::chance::Chance;
use dragline_core::{FailKind, Outcome};

use super::html;
use super::web::{ENDLESS_LEVELS, Fate, Host, Page, calendar_page, spiral_page};
use crate::reply::{Reply, gzip};

/// A host outside the crawl; the name can never be resolved (RFC 6761).
const ELSEWHERE: &str = "http://elsewhere.invalid";

/// How many sections a host has, items each section, and notes each item.
#[derive(Clone, Copy)]
struct Tree {
    sections: usize,
    items: usize,
    notes: usize,
}

/// Generates the hosts; with fewer origins than five, the first ones.
pub(super) fn generate(chance: &mut Chance, origins: &[String]) -> Vec<Host> {
    let fill = [handbook, shop, archive, slow, laboratory];
    origins.iter().zip(fill).map(|(origin, fill)| fill(chance, Host::new(origin), origins)).collect()
}

/// Compressed pages; `/private/` is disallowed but for one page; links out of the crawl.
fn handbook(chance: &mut Chance, mut host: Host, origins: &[String]) -> Host {
    plant(chance, &mut host, origins, "Handbook", Tree { sections: 9, items: 15, notes: 2 });
    host.gzip = true;
    host.robots = Some(
        "# The handbook\nUser-agent: *\nDisallow: /private/\nAllow: /private/notice.html$\n\nUser-agent: Other\nDisallow: /\n",
    );
    host.disallowed = Some("/private/");
    host.put("/private/notice.html", Fate::Page(Page::new(chance, "A public notice")));
    for number in 0..12 {
        host.put(format!("/private/file-{number}.html"), Fate::Page(Page::new(chance, "A private file")));
        let spelled = if number % 3 == 0 { "%70rivate" } else { "private" };
        let from = format!("/section-{}/", number % 9);
        link(&mut host, &from, format!("/{spelled}/file-{number}.html"));
        link(&mut host, &from, format!("{ELSEWHERE}/page-{number}#top"));
    }
    link(&mut host, "/", "/private/notice.html");
    link(&mut host, "/", "mailto:nobody@elsewhere.invalid");
    host
}

/// Redirects in chains, in a loop and out of the crawl; errors that stay and one that passes.
fn shop(chance: &mut Chance, mut host: Host, origins: &[String]) -> Host {
    plant(chance, &mut host, origins, "Shop", Tree { sections: 6, items: 12, notes: 2 });
    let redirects = [
        ("/old/catalogue", 301, "/old/catalogue-2"),
        ("/old/catalogue-2", 302, "/section-0/"),
        ("/moved/a", 302, "b"),
        ("/moved/b", 308, "./c"),
        ("/moved/c", 307, "/new-arrivals.html"),
        ("/loop/a", 302, "/loop/b"),
        ("/loop/b", 302, "/loop/a"),
        ("/leave", 301, "http://elsewhere.invalid/shop"),
    ];
    for (path, status, location) in redirects {
        host.put(path, Fate::Redirect(status, location.into()));
    }
    host.put("/new-arrivals.html", Fate::Page(Page::new(chance, "New arrivals")));
    for path in ["/old/catalogue", "/moved/a", "/loop/a", "/leave"] {
        link(&mut host, "/", path);
    }
    for (number, status) in [404, 404, 404, 404, 404, 410, 403].into_iter().enumerate() {
        host.put(format!("/gone/{number}"), fails(Outcome::HttpError, Retried::No, Reply::status(status)));
        link(&mut host, "/section-1/", format!("/gone/{number}"));
    }
    host.put("/broken", fails(Outcome::HttpError, Retried::Yes, Reply::status(500)));
    host.put("/flaky", Fate::Late(Reply::retry_after(500, 0), Page::new(chance, "Back again")));
    link(&mut host, "/section-2/", "/broken");
    link(&mut host, "/section-2/", "/flaky");
    host
}

/// A crawl delay, and files that are no pages and name URLs that are no links.
fn archive(chance: &mut Chance, mut host: Host, origins: &[String]) -> Host {
    plant(chance, &mut host, origins, "Archive", Tree { sections: 3, items: 10, notes: 0 });
    host.robots = Some("User-agent: *\nCrawl-delay: 0.05\n");
    let picture: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR<a href=\"/not-a-link\">";
    let files = [
        ("/data/report.txt", Reply::ok("text/plain; charset=utf-8", "See <a href=\"/not-a-link\">\n")),
        ("/data/table.json", Reply::ok("application/json", "{\"next\": \"/not-a-link\"}\n")),
        ("/data/picture.png", Reply::ok("image/png", picture)),
    ];
    for (path, reply) in files {
        host.put(path, Fate::File(reply));
        link(&mut host, "/section-0/", path);
    }
    host
}

/// Nothing special, but every answer takes its time.
fn slow(chance: &mut Chance, mut host: Host, origins: &[String]) -> Host {
    plant(chance, &mut host, origins, "Slow", Tree { sections: 4, items: 6, notes: 2 });
    host.robots = Some("");
    host.delay = Duration::from_millis(20);
    host
}

/// Traps without end, a host that asks for patience, damaged answers, and odd spellings.
fn laboratory(chance: &mut Chance, mut host: Host, origins: &[String]) -> Host {
    plant(chance, &mut host, origins, "Laboratory", Tree { sections: 5, items: 10, notes: 3 });
    for day in 0..ENDLESS_LEVELS {
        host.put(format!("/calendar/{day}"), Fate::Page(calendar_page(day.into())));
    }
    let mut turns = String::from("/spiral/");
    for _ in 0..ENDLESS_LEVELS {
        host.put(turns.clone(), Fate::Page(spiral_page()));
        turns.push_str("turn/");
    }
    for path in ["/calendar/0", "/spiral/", "/busy", "/based/", "/nofollow", "/same", "/%7Eguide/"] {
        link(&mut host, "/", path);
    }
    host.put("/busy", Fate::Late(Reply::retry_after(429, 1), Page::new(chance, "Patience")));
    link(&mut host, "/", format!("/find?q={}", "x".repeat(1_100)));
    link(&mut host, "/", format!("/long/{}", "y".repeat(8_200)));

    let damaged =
        Reply::new(200, &[("Content-Type", "text/html"), ("Content-Encoding", "gzip")], "no gzip at all");
    let bomb = gzip(&vec![b' '; 12 << 20]);
    let bomb = Reply::new(200, &[("Content-Type", "text/html"), ("Content-Encoding", "gzip")], bomb);
    let cut = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<title>Cut";
    host.put("/damaged", fails(Outcome::DecodeError, Retried::No, damaged));
    host.put("/bomb", fails(Outcome::TooLarge, Retried::No, bomb));
    host.put("/cut", fails(Outcome::Incomplete, Retried::Yes, Reply::raw(cut)));
    host.put("/garbage", fails(Outcome::ProtocolError, Retried::No, Reply::raw("SPIDERS WELCOME\r\n\r\n")));
    for path in ["/damaged", "/bomb", "/cut", "/garbage"] {
        link(&mut host, "/section-1/", path);
    }
    odd_pages(chance, &mut host);
    host
}

/// Pages whose links are easily read wrong: a base, nofollow, and many spellings of one URL.
fn odd_pages(chance: &mut Chance, host: &mut Host) {
    let mut based = Page { base: Some("/deep/er/".into()), ..Page::new(chance, "Relative to a base") };
    based.link("one.html").link("../two.html").link("/three.html").link("?page=4");
    host.put("/based/", Fate::Page(based));
    for path in ["/deep/er/one.html", "/deep/two.html", "/three.html", "/deep/er/?page=4"] {
        host.put(path, Fate::Page(Page::new(chance, format!("Found by the base: {path}"))));
    }

    let mut nofollow = Page { nofollow: true, ..Page::new(chance, "Follow nothing") };
    nofollow.link("/unfollowed/0").link("/unfollowed/1");
    host.put("/nofollow", Fate::Page(nofollow));
    for number in 0..5 {
        host.put(format!("/unfollowed/{number}"), Fate::Page(Page::new(chance, "Not to be followed")));
    }
    if let Some(home) = host.page_mut("/") {
        home.link_nofollow("/unfollowed/2").link_nofollow("/unfollowed/3").link_nofollow("unfollowed/4");
    }

    let authority = host.origin.trim_start_matches("http://").to_owned();
    let mut same = Page::new(chance, "One page in many spellings");
    for spelling in
        ["/one%2dpage", "one-page", "./one-page?", "/x/../one-page", "/one-page#part", "/%6Fne-page"]
    {
        same.link(spelling);
    }
    same.link(format!("HTTP://{authority}/one-page")).link(format!("//{authority}/one-page"));
    same.link(format!("http://user:secret@{authority}/one-page")).link("  /one-page\n").link("\\one-page");
    host.put("/same", Fate::Page(same));
    host.put("/one-page", Fate::Page(Page::new(chance, "One page")));
    let page = Page::new(chance, "The guide");
    host.put("/~guide/", Fate::Respelled { from: "/%7Eguide/".into(), page });
}

/// Plants a home page, sections, items and notes, with links to children, siblings, ancestors and other hosts' homes.
fn plant(chance: &mut Chance, host: &mut Host, origins: &[String], name: &str, tree: Tree) {
    let sections: Vec<_> = (0..tree.sections).map(|section| format!("/section-{section}/")).collect();
    let mut home = Page::new(chance, format!("{name}: home"));
    home.links.extend(sections.iter().map(|path| spelled(chance, host, "/", path)));
    for origin in origins {
        // Every host has at least three sections.
        home.link(format!("{origin}/")).link(format!("{origin}/section-{}/", chance.below(3)));
    }
    host.put("/", Fate::Page(home));
    for section in &sections {
        let items: Vec<_> = (0..tree.items).map(|item| format!("{section}item-{item}.html")).collect();
        branch(chance, host, section, "/", &items, origins);
        for item in &items {
            let stem = item.trim_end_matches(".html");
            let notes: Vec<_> = (0..tree.notes).map(|note| format!("{stem}/note-{note}.html")).collect();
            branch(chance, host, item, section, &notes, origins);
            for (index, note) in notes.iter().enumerate() {
                let sibling = notes.get(index + 1).map(std::slice::from_ref).unwrap_or_default();
                branch(chance, host, note, item, sibling, origins);
            }
        }
    }
}

/// Puts one page that links to its children, its parent, its home and another host's home.
fn branch(
    chance: &mut Chance,
    host: &mut Host,
    path: &str,
    parent: &str,
    children: &[String],
    origins: &[String],
) {
    let title = html::title(chance);
    let mut page = Page::new(chance, title);
    for target in children.iter().map(String::as_str).chain([parent, "/"]) {
        page.links.push(spelled(chance, host, path, target));
    }
    let origins: Vec<_> = origins.iter().map(String::as_str).collect();
    page.link(format!("{}/", html::pick(chance, &origins)));
    host.put(path, Fate::Page(page));
}

/// Writes a link from one path of a host to another in one of the many ways there are.
fn spelled(chance: &mut Chance, host: &Host, from: &str, to: &str) -> super::web::Link {
    let authority = host.origin.trim_start_matches("http://");
    let rooted = to.trim_start_matches('/');
    let href = match chance.below(10) {
        0 => format!("{}{to}", host.origin),
        1 => format!("//{authority}{to}"),
        2 => format!("HTTP://{authority}{to}"),
        3 => format!("{to}#part-{}", chance.below(9)),
        4 => format!("/./{rooted}"),
        5 => to.replace("item", "%69tem"),
        6 | 7 => format!("{}{rooted}", "../".repeat(from.matches('/').count() - 1)),
        _ => to.into(),
    };
    // An empty reference is no link to "/" but to the page itself.
    super::web::Link { href: if href.is_empty() { "/".into() } else { href }, nofollow: false }
}

/// Whether a failure is worth another attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Retried {
    Yes,
    No,
}

fn fails(outcome: Outcome, retried: Retried, reply: Reply) -> Fate {
    Fate::Fails { kind: FailKind::Fetch(outcome), retried: retried == Retried::Yes, reply }
}

fn link(host: &mut Host, from: &str, href: impl Into<String>) {
    let page = host.page_mut(from);
    debug_assert!(page.is_some(), "links stand on pages: {from}");
    if let Some(page) = page {
        page.link(href);
    }
}
