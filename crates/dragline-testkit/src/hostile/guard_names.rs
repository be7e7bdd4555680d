//! Writes down ways into private networks by names, by changing their addresses, and by rules for robots.

use std::net::IpAddr;
use std::time::Duration;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::{Ask, Sent};
use super::book::Book;
use super::redirects::to;
use super::row::{BLOCKED, body_of};
use super::zone::Say;

const BLOCKED_OR_NO_NAME: &[Outcome] = &[Outcome::Blocked, Outcome::DnsError];
/// Nothing listens on the canary's port of the open address.
const BLOCKED_OR_REFUSED: &[Outcome] = &[Outcome::Blocked, Outcome::ConnectError];
const MIXED: &[Outcome] = &[Outcome::Ok, Outcome::Blocked];
/// What a page may end as whose rules for robots are behind the guard.
const NO_RULES: &[Outcome] = &[Outcome::Ok, Outcome::Blocked, Outcome::RobotsDenied];

/// A little more than the second for which every answer is remembered by careful resolvers.
const FORGOTTEN: Duration = Duration::from_millis(1_200);

/// Names, and the private addresses they resolve to.
const PRIVATE: &[(&str, &str)] = &[
    ("loopback", "127.0.0.2"),
    ("v6-loopback", "::1"),
    ("unspecified", "0.0.0.0"),
    ("v6-unspecified", "::"),
    ("mapped", "::ffff:127.0.0.2"),
    ("nat64", "64:ff9b::7f00:2"),
    ("6to4", "2002:7f00:2::"),
    ("private-10", "10.1.2.3"),
    ("private-172", "172.20.0.1"),
    ("private-192", "192.168.0.1"),
    ("carrier", "100.100.100.200"),
    ("link-local", "169.254.0.1"),
    ("metadata", "169.254.169.254"),
    ("metadata-v6", "fd00:ec2::254"),
    ("protocol-assignments", "192.0.0.192"),
    ("benchmark", "198.18.5.5"),
    ("multicast", "224.0.0.251"),
    ("reserved", "250.1.1.1"),
    ("broadcast", "255.255.255.255"),
    ("unique-local", "fd00::1"),
    ("v6-link-local", "fe80::1"),
    ("v6-multicast", "ff02::1"),
];

/// Writes the family down.
pub(super) fn write(book: &mut Book) {
    for (name, address) in PRIVATE {
        let address: Option<IpAddr> = address.parse().ok();
        let say = Say::Addresses(address.into_iter().collect());
        named(book, &format!("name-{name}"), say, BLOCKED);
    }
    let canary = book.canaries.v4.ip();
    named(book, "name-alias", Say::Alias("inside.hostile.test", vec![canary]), BLOCKED);
    for name in ["localhost", "sub.localhost", "localhost.", "LOCALHOST"] {
        // What it resolves to is up to the system: loopback that is open, loopback that is not, or nothing.
        let accepted = &[Outcome::Blocked, Outcome::DnsError, Outcome::ConnectError];
        let url = format!("http://{name}:{}/", book.canaries.v4.port());
        book.expect(&format!("guard/{name}"), url, accepted, Sent::Never).guarded = true;
    }
    mixed(book);
    rebinding(book);
    by_robots(book);
}

/// A name of the zone, asked for on the canary's port, and once more by way of a redirect.
fn named(book: &mut Book, name: &str, say: Say, accepted: &[Outcome]) {
    let host = format!("{name}.guard.hostile.test");
    book.zone.say(&host, say);
    let url = format!("http://{host}:{}/", book.canaries.v4.port());
    let by_redirect = format!("guard/redirect-to-{name}");
    book.play(&by_redirect, vec![to("302 Found", url.as_bytes())], accepted, Sent::Never).guarded = true;
    book.expect(&format!("guard/{name}"), url, accepted, Sent::Never).guarded = true;
}

/// Names with an open and a closed address, in both orders.
fn mixed(book: &mut Book) {
    let (open, closed) = (IpAddr::from([127, 0, 0, 1]), book.canaries.v4.ip());
    for (name, addresses) in [
        ("mixed-open-first", vec![open, closed]),
        ("mixed-closed-first", vec![closed, open]),
        ("mixed-two-families", vec![open, IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]),
    ] {
        let host = format!("{name}.guard.hostile.test");
        let name = format!("guard/{name}");
        let body = body_of(&name);
        let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
        book.zone.say(&host, Say::Addresses(addresses));
        book.script(format!("/{name}"), vec![Act::send(page)]);
        let url = format!("http://{host}:{}/{name}", book.main.port());
        book.expect(&name, url, MIXED, Sent::Whole(body.into())).guarded = true;
        // On the canary's port nobody listens at the open address: the next one must still not be tried.
        let url = format!("http://{host}:{}/", book.canaries.v4.port());
        book.expect(&format!("{name}-refused"), url, BLOCKED_OR_REFUSED, Sent::Never).guarded = true;
    }
}

/// Names whose first answer is open and whose second one is not.
fn rebinding(book: &mut Book) {
    let (open, closed) = (vec![IpAddr::from([127, 0, 0, 1])], vec![book.canaries.v4.ip()]);
    for (name, turns) in [
        ("rebinding", vec![open.clone(), closed.clone()]),
        ("rebinding-late", vec![open.clone(), open.clone(), closed]),
        ("rebinding-to-nothing", vec![open, Vec::new()]),
    ] {
        let host = format!("{name}.guard.hostile.test");
        book.zone.say(&host, Say::Turns(turns));
        // The first answer leads to the site, which leads back to the name on the canary's port.
        let target = format!("http://{host}:{}/", book.canaries.v4.port());
        let name = format!("guard/{name}");
        // Late enough that an answer which must not be remembered has been forgotten.
        book.script(format!("/{name}"), vec![Act::Wait(FORGOTTEN), to("302 Found", target.as_bytes())]);
        let url = format!("http://{host}:{}/{name}", book.main.port());
        let accepted: Vec<_> = BLOCKED_OR_REFUSED.iter().chain(BLOCKED_OR_NO_NAME).copied().collect();
        book.expect(&name, url, &accepted, Sent::Never).guarded = true;
    }
}

/// Rules for robots that are behind the guard: the guard holds for them as for pages.
fn by_robots(book: &mut Book) {
    let canary = book.canaries.v4;
    let inside = "inside.guard.hostile.test";
    book.zone.say(inside, Say::Addresses(vec![canary.ip()]));
    for (name, target) in [
        ("robots-to-loopback", format!("http://{canary}/robots.txt")),
        ("robots-to-v6", format!("http://[::1]:{}/robots.txt", book.canaries.v6_port)),
        ("robots-to-unspecified", format!("http://0.0.0.0:{}/robots.txt", book.canaries.own_port)),
        ("robots-to-decimal", format!("http://2130706434:{}/robots.txt", canary.port())),
        ("robots-to-name", format!("http://{inside}:{}/robots.txt", canary.port())),
        ("robots-to-private", "http://10.0.0.1:8/robots.txt".to_owned()),
        ("robots-to-metadata", "http://169.254.169.254:8/latest/".to_owned()),
    ] {
        // Below the names of the other rules: each is an origin of its own.
        let host = format!("{name}.robots.hostile.test");
        let name = format!("guard/{name}");
        let body = body_of(&name);
        let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
        book.script(format!("{host}/robots.txt"), vec![to("302 Found", target.as_bytes())]);
        book.script(format!("{host}/page"), vec![Act::send(page)]);
        let url = format!("http://{host}:{}/page", book.main.port());
        let behaviour = book.expect(&name, url, NO_RULES, Sent::Whole(body.into()));
        behaviour.ask = Ask::Obediently;
        behaviour.guarded = true;
    }
    // The rules of a page that is itself behind the guard.
    for name in ["robots-of-loopback", "robots-of-name"] {
        let host = if name.ends_with("name") { inside.to_owned() } else { canary.ip().to_string() };
        let url = format!("http://{host}:{}/page", canary.port());
        let behaviour = book.expect(&format!("guard/{name}"), url, BLOCKED, Sent::Never);
        behaviour.ask = Ask::Obediently;
        behaviour.guarded = true;
    }
}
