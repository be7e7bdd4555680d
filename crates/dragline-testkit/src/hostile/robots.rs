//! Writes down rules for robots that are huge, broken, late, or elsewhere (RFC 9309 section 2.3).

use std::time::Duration;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::{Ask, Sent};
use super::book::Book;
use super::redirects::to;
use super::row::{OK, body_of};
use super::zone::Say;

const DENIED: &[Outcome] = &[Outcome::RobotsDenied];
/// The rules could not be had, which means complete disallow; the record may say why they could not.
const UNREACHABLE: &[Outcome] = &[
    Outcome::RobotsDenied,
    Outcome::Timeout,
    Outcome::Incomplete,
    Outcome::ProtocolError,
    Outcome::Deferred,
];
/// Nobody can say whether there are rules, or what they are.
const OK_OR_DENIED: &[Outcome] = &[
    Outcome::Ok,
    Outcome::RobotsDenied,
    Outcome::Deferred,
    Outcome::ProtocolError,
    Outcome::TooLarge,
    Outcome::DecodeError,
];
const DENY_ALL: &str = "User-agent: *\nDisallow: /\n";
/// Every name below it is an origin of its own.
const PARENT: &str = ".robots.hostile.test";

/// Writes the family down.
pub(super) fn write(book: &mut Book) {
    book.zone.say_below(PARENT, Say::Addresses(vec![[127, 0, 0, 1].into()]));
    texts(book);
    statuses(book);
    failures(book);
    redirects(book);
}

/// Writes down one origin: its rules, and its only page.
fn origin(book: &mut Book, name: &str, rules: Vec<Act>, accepted: &[Outcome]) {
    let host = format!("{name}{PARENT}");
    let name = format!("robots/{name}");
    let body = body_of(&name);
    let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
    book.script(format!("{host}/robots.txt"), rules);
    book.script(format!("{host}/page"), vec![Act::send(page)]);
    let url = format!("http://{host}:{}/page", book.main.port());
    book.expect(&name, url, accepted, Sent::Whole(body.into())).ask = Ask::Obediently;
}

fn text(rules: impl Into<Vec<u8>>) -> Vec<Act> {
    let rules = rules.into();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", rules.len());
    vec![Act::send([head.as_bytes(), &rules].concat())]
}

fn texts(book: &mut Book) {
    let junk = "# nothing to see here, go on\n".repeat(30_000);
    let many: String = (0..20_000).map(|number| format!("Disallow: /{number}*x*y*z$\n")).collect();
    let stars = format!("User-agent: *\nDisallow: /{}$\n", "*a".repeat(5_000));
    for (name, rules, accepted) in [
        ("empty", String::new(), OK),
        ("deny", DENY_ALL.to_owned(), DENIED),
        ("deny-behind-byte-order-mark", format!("\u{feff}{DENY_ALL}"), DENIED),
        ("deny-in-cr-lines", "User-agent: *\rDisallow: /\r".to_owned(), DENIED),
        ("deny-odd-case", "USER-AGENT: *\nDISALLOW: /\n".to_owned(), DENIED),
        ("deny-with-nul", "\0\0User-agent: x\n\0\nUser-agent: *\nDisallow: /\n".to_owned(), DENIED),
        ("deny-before-junk", format!("{DENY_ALL}{junk}"), DENIED),
        // Beyond the 512 KiB that are read: nobody has to know.
        ("deny-behind-junk", format!("{junk}{DENY_ALL}"), OK_OR_DENIED),
        ("allow-longer", "User-agent: *\nDisallow: /\nAllow: /page\n".to_owned(), OK),
        ("many-rules", format!("User-agent: *\n{many}"), OK),
        ("many-stars", stars, OK),
        ("one-long-line", format!("User-agent: *\nDisallow: /{}\n", "x".repeat(300_000)), OK),
        ("html", "<!DOCTYPE html><title>Not found</title>".to_owned(), OK),
        ("no-line-end", "User-agent: *\nDisallow: /".to_owned(), DENIED),
    ] {
        origin(book, name, text(rules), accepted);
    }
    origin(book, "binary", text((0..=255).collect::<Vec<u8>>()), OK);
}

fn statuses(book: &mut Book) {
    for (name, status, accepted) in [
        ("404", "404 x", OK),
        ("403", "403 x", OK),
        ("410", "410 x", OK),
        ("429", "429 x", UNREACHABLE),
        ("500", "500 x", UNREACHABLE),
        ("503", "503 x", UNREACHABLE),
        ("204", "204 x", OK_OR_DENIED),
    ] {
        let acts = vec![Act::send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))];
        origin(book, name, acts, accepted);
    }
}

fn failures(book: &mut Book) {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    let endless = "Disallow: /private/and/so/on\n".repeat(1_000);
    for (name, acts, accepted) in [
        ("silence", vec![Act::Hang], UNREACHABLE),
        ("reset", vec![Act::Reset], UNREACHABLE),
        ("empty-reply", vec![Act::Close], UNREACHABLE),
        ("drip", vec![Act::send(head), Act::Drip("#".into(), Duration::from_millis(100))], UNREACHABLE),
        ("cut", vec![Act::send(format!("{head}User-agent: *\n")), Act::Close], UNREACHABLE),
        ("garbage", vec![Act::send("garbage\r\n\r\n"), Act::Close], UNREACHABLE),
        (
            "damaged",
            vec![Act::send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")],
            OK_OR_DENIED,
        ),
        (
            "endless",
            vec![Act::send(format!("HTTP/1.1 200 OK\r\n\r\n{DENY_ALL}")), Act::Endless(endless.into())],
            DENIED,
        ),
    ] {
        origin(book, name, acts, accepted);
    }
}

fn redirects(book: &mut Book) {
    book.script("/robots/deny", text(DENY_ALL));
    let deny = format!("http://{}/robots/deny", book.main);
    origin(book, "redirect-to-deny", vec![to("301 x", deny.as_bytes())], DENIED);
    // Five hops are followed; what is behind the sixth counts as if there were no rules.
    for hop in 1..=5 {
        let next = if hop == 5 { "/robots/deny".to_owned() } else { format!("/robots/hop/{}", hop + 1) };
        book.script(format!("/robots/hop/{hop}"), vec![to("302 x", next.as_bytes())]);
    }
    let start = |hop: u8, book: &Book| format!("http://{}/robots/hop/{hop}", book.main);
    let five = vec![to("302 x", start(2, book).as_bytes())];
    origin(book, "redirect-five-hops", five, DENIED);
    origin(book, "redirect-loop", vec![to("302 x", b"/robots.txt")], OK_OR_DENIED);
    origin(book, "redirect-nowhere", vec![to("302 x", b"ftp://a/")], OK_OR_DENIED);
}
