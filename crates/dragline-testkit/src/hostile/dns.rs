//! Answers questions for names, in the wire format of RFC 1035, rightly or wrongly as the zone says.

use std::net::IpAddr;

use super::zone::{Say, Zone};

const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_AAAA: u16 = 28;
/// A pointer to the name of the question.
const QUESTION: [u8; 2] = [0xc0, 0x0c];
/// Seconds for which an answer may be remembered.
const TTL: u32 = 60;

/// A question for one name.
#[derive(Debug)]
struct Question<'a> {
    id: [u8; 2],
    /// Name, type and class as they were sent.
    raw: &'a [u8],
    name: String,
    kind: u16,
}

/// Returns the answer to a message; `None` to say nothing.
pub(super) fn answer(message: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let question = Question::parse(message)?;
    Some(match zone.answer(&question.name, question.kind == TYPE_A) {
        Say::Silence => return None,
        Say::Addresses(addresses) => question.reply(0, &question.records(&addresses, TTL)),
        Say::Turns(turns) => question.reply(0, &question.records(&turns.concat(), 0)),
        Say::Code(code) => question.reply(code, &[]),
        Say::Alias(target, addresses) => {
            let name = encoded(target);
            let mut records = vec![record(&QUESTION, TYPE_CNAME, TTL, &name)];
            records.extend(
                of_kind(&addresses, question.kind).map(|data| record(&name, question.kind, TTL, &data)),
            );
            question.reply(0, &records)
        }
        Say::BareAlias(target) => question.reply(0, &[record(&QUESTION, TYPE_CNAME, TTL, &encoded(target))]),
        Say::Garbage => vec![0xff; 40],
        Say::WrongId(addresses) => {
            let mut reply = question.reply(0, &question.records(&addresses, TTL));
            reply.iter_mut().take(2).for_each(|octet| *octet = !*octet);
            reply
        }
        Say::OtherName(addresses) => {
            let data = of_kind(&addresses, question.kind);
            let records: Vec<_> =
                data.map(|data| record(&encoded("other.hostile.test"), question.kind, TTL, &data)).collect();
            question.reply(0, &records)
        }
        Say::Truncated => {
            let mut reply = question.reply(0, &[]);
            reply.iter_mut().skip(2).take(1).for_each(|octet| *octet |= 2);
            reply
        }
        Say::CutRecord => {
            let mut whole = record(&QUESTION, question.kind, TTL, &[127, 0, 0, 1]);
            whole.truncate(whole.len() - 2);
            question.reply(0, &[whole])
        }
        Say::PointerLoop => {
            // The record's name stands behind header and question, and points there.
            let at = u16::try_from(12 + question.raw.len()).unwrap_or_default() | 0xc000;
            question.reply(0, &[record(&at.to_be_bytes(), question.kind, TTL, &[127, 0, 0, 1])])
        }
    })
}

impl<'a> Question<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let (header, rest) = message.split_at_checked(12)?;
        let mut labels = Vec::new();
        let mut at = 0;
        loop {
            let length = usize::from(*rest.get(at)?);
            if length == 0 {
                break;
            }
            // A question holds no pointers, whose length would be beyond 63.
            let label = rest.get(at + 1..at + 1 + length).filter(|label| label.len() < 64)?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += 1 + length;
        }
        let kind = u16::from_be_bytes([*rest.get(at + 1)?, *rest.get(at + 2)?]);
        let id = [*header.first()?, *header.get(1)?];
        Some(Self { id, raw: rest.get(..at + 5)?, name: labels.join("."), kind })
    }

    fn records(&self, addresses: &[IpAddr], ttl: u32) -> Vec<Vec<u8>> {
        of_kind(addresses, self.kind).map(|data| record(&QUESTION, self.kind, ttl, &data)).collect()
    }

    fn reply(&self, code: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let count = u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes();
        let header = [self.id[0], self.id[1], 0x85, 0x80 | code, 0, 1, count[0], count[1], 0, 0, 0, 0];
        [&header, self.raw, &records.concat()].concat()
    }
}

/// Returns the data of the addresses that a question of this type is for.
fn of_kind(addresses: &[IpAddr], kind: u16) -> impl Iterator<Item = Vec<u8>> {
    addresses.iter().filter_map(move |address| match address {
        IpAddr::V4(address) => (kind == TYPE_A).then(|| address.octets().to_vec()),
        IpAddr::V6(address) => (kind == TYPE_AAAA).then(|| address.octets().to_vec()),
    })
}

fn record(name: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    [name, &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

/// Writes a name as length and label, one after another.
fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap_or(63));
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        let local = || vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        let mut zone = Zone::default();
        zone.say("a.test", Say::Addresses(local()));
        zone.say("turn.test", Say::Turns(vec![local(), vec!["127.0.0.2".parse().unwrap()]]));
        zone.say("alias.test", Say::Alias("a.test", local()));
        zone.say("silent.test", Say::Silence);
        zone.say("cut.test", Say::Truncated);
        zone.say_below(".below.test", Say::Code(2));
        zone
    }

    fn ask(zone: &Zone, name: &str, kind: u16) -> Option<Vec<u8>> {
        let header = [7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let question = [&encoded(name), &kind.to_be_bytes()[..], &[0, 1]].concat();
        answer(&[&header, &question[..]].concat(), zone)
    }

    /// Checks flags, the number of answers, and the last octets of the reply.
    fn check(name: &str, kind: u16, flags: [u8; 2], answers: u8, end: &[u8]) {
        let reply = ask(&zone(), name, kind).unwrap();
        assert_eq!((&reply[..2], &reply[2..4], reply[7]), (&[7, 9][..], &flags[..], answers), "{name}");
        assert!(reply.ends_with(end), "{name}: {reply:?}");
    }

    #[test]
    fn names_are_answered_as_the_zone_says() {
        check("a.test", TYPE_A, [0x85, 0x80], 1, &[0, 4, 127, 0, 0, 1]);
        check("A.Test", TYPE_AAAA, [0x85, 0x80], 1, &[0, 0, 0, 1]);
        check("a.test", 16, [0x85, 0x80], 0, &[0, 16, 0, 1]);
        check("alias.test", TYPE_A, [0x85, 0x80], 2, &[0, 4, 127, 0, 0, 1]);
        check("none.test", TYPE_A, [0x85, 0x83], 0, &[0, 1]);
        check("x.below.test", TYPE_A, [0x85, 0x82], 0, &[0, 1]);
        check("cut.test", TYPE_A, [0x87, 0x80], 0, &[0, 1]);
        assert!(ask(&zone(), "silent.test", TYPE_A).is_none());
    }

    #[test]
    fn turns_are_counted_by_questions_for_ipv4() {
        let zone = zone();
        for (kind, last) in [(TYPE_A, 1), (TYPE_AAAA, 1), (TYPE_A, 2), (TYPE_A, 2)] {
            assert_eq!(ask(&zone, "turn.test", kind).unwrap().last(), Some(&last));
        }
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        for message in [&[][..], &[0; 12], &[0; 14], &[255; 40]] {
            assert!(answer(message, &zone()).is_none());
        }
    }
}
