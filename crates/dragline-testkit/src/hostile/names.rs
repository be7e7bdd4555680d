//! Writes down names that resolve badly: not at all, to themselves, to garbage, to many addresses.

use std::net::IpAddr;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;
use super::book::Book;
use super::row::{NO_NAME, NO_NAME_OR_LATE, OK, body_of};
use super::zone::Say;

const OK_OR_NO_NAME: &[Outcome] = &[Outcome::Ok, Outcome::DnsError, Outcome::Timeout];
const REACHED_OR_NOT: &[Outcome] = &[Outcome::Ok, Outcome::ConnectError, Outcome::Timeout];

/// Writes the family down.
pub(super) fn write(book: &mut Book) {
    let own = || vec![IpAddr::from([127, 0, 0, 1])];
    let many: Vec<IpAddr> = (0..40).map(|_| IpAddr::from([127, 0, 0, 1])).collect();
    let cases: [(&str, Say, &[Outcome]); 17] = [
        ("one-address", Say::Addresses(own()), OK),
        ("alias", Say::Alias("target.hostile.test", own()), OK),
        ("same-address-forty-times", Say::Addresses(many), OK),
        ("no-such-name", Say::Code(3), NO_NAME),
        ("server-failure", Say::Code(2), NO_NAME_OR_LATE),
        ("refused", Say::Code(5), NO_NAME_OR_LATE),
        ("format-error", Say::Code(1), NO_NAME_OR_LATE),
        ("not-implemented", Say::Code(4), NO_NAME_OR_LATE),
        ("silence", Say::Silence, NO_NAME_OR_LATE),
        ("no-address", Say::Addresses(Vec::new()), NO_NAME),
        ("alias-to-itself", Say::BareAlias("alias-to-itself.hostile.test"), NO_NAME_OR_LATE),
        ("alias-in-a-ring", Say::BareAlias("ring.hostile.test"), NO_NAME_OR_LATE),
        ("garbage", Say::Garbage, NO_NAME_OR_LATE),
        ("wrong-id", Say::WrongId(own()), NO_NAME_OR_LATE),
        // The question is for another name: whoever believes it can be led anywhere.
        ("other-name", Say::OtherName(own()), NO_NAME_OR_LATE),
        ("truncated", Say::Truncated, OK_OR_NO_NAME),
        ("record-cut-short", Say::CutRecord, NO_NAME_OR_LATE),
    ];
    book.zone.say("ring.hostile.test", Say::BareAlias("alias-in-a-ring.hostile.test"));
    book.zone.say("target.hostile.test", Say::Addresses(own()));
    book.zone.say("localhost.hostile.test", Say::Addresses(own()));
    for (name, say, accepted) in cases {
        expect(book, name, say, accepted);
    }
    expect(book, "pointer-loop", Say::PointerLoop, NO_NAME_OR_LATE);
    // Nothing listens on the ports of the dead address, which is allowed like the other.
    let dead = IpAddr::from([127, 0, 0, 9]);
    expect(book, "first-address-dead", Say::Addresses([vec![dead], own()].concat()), OK);
    let dead_ones = (0..8).map(|last| IpAddr::from([127, 0, 0, 8 + last])).collect::<Vec<_>>();
    expect(book, "eight-dead-addresses-first", Say::Addresses([dead_ones, own()].concat()), REACHED_OR_NOT);
    expect(book, "only-dead-addresses", Say::Addresses(vec![dead]), &[Outcome::ConnectError]);
    let label = "l".repeat(63);
    expect(book, &label, Say::Addresses(own()), OK);
}

fn expect(book: &mut Book, name: &str, say: Say, accepted: &[Outcome]) {
    let host = format!("{name}.hostile.test");
    let shown = name.get(..40).unwrap_or(name);
    let full = format!("dns/{shown}");
    let body = body_of(&full);
    book.zone.say(&host, say);
    let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
    book.script(format!("/{full}"), vec![Act::send(page)]);
    let url = format!("http://{host}:{}/{full}", book.main.port());
    book.expect(&full, url, accepted, Sent::Whole(body.into()));
}
