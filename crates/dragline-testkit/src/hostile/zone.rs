//! Holds what the name server of the hostile site says of each name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is said of a name.
#[derive(Clone, Debug)]
pub(super) enum Say {
    /// These addresses, to be remembered for a minute.
    Addresses(Vec<IpAddr>),
    /// The first list for the first question, and so on, not to be remembered; the last is repeated.
    Turns(Vec<Vec<IpAddr>>),
    /// That there is no answer, with this code (RFC 1035 section 4.1.1).
    Code(u8),
    /// Nothing.
    Silence,
    /// That the name is an alias of another one, whose addresses are given along.
    Alias(&'static str, Vec<IpAddr>),
    /// That the name is an alias of this one, and no more.
    BareAlias(&'static str),
    /// Octets that are no message.
    Garbage,
    /// The answer to another question of another client: a wrong id.
    WrongId(Vec<IpAddr>),
    /// The addresses of another name than was asked for.
    OtherName(Vec<IpAddr>),
    /// That the answer was too long, and to come back by TCP, where nobody listens.
    Truncated,
    /// A record whose data is shorter than its length says.
    CutRecord,
    /// A name that points at itself.
    PointerLoop,
}

/// Names and what is said of them; names that are not in it do not exist.
#[derive(Debug, Default)]
pub(super) struct Zone {
    names: BTreeMap<String, (Say, AtomicUsize)>,
    /// Names whose subdomains all have this answer.
    below: Vec<(String, Say)>,
}

impl Zone {
    pub(super) fn say(&mut self, name: impl Into<String>, say: Say) {
        self.names.insert(name.into(), (say, AtomicUsize::new(0)));
    }

    /// Gives every name below `parent`, such as `.robots.hostile.test`, the same answer.
    pub(super) fn say_below(&mut self, parent: impl Into<String>, say: Say) {
        self.below.push((parent.into(), say));
    }

    /// Returns what to say of a name; `counts` when the question is for its IPv4 addresses.
    pub(super) fn answer(&self, name: &str, counts: bool) -> Say {
        match self.names.get(name) {
            Some((Say::Turns(turns), asked)) => {
                let turn = if counts { asked.fetch_add(1, Ordering::Relaxed) } else { 0 };
                Say::Turns(turns.get(turn).or(turns.last()).cloned().into_iter().collect())
            }
            Some((say, _)) => say.clone(),
            None => {
                let below = self.below.iter().find(|(parent, _)| name.ends_with(parent.as_str()));
                below.map_or(Say::Code(3), |(_, say)| say.clone())
            }
        }
    }

    /// Returns the names that have addresses once for all, for a client that does not ask the name server.
    pub(super) fn fixed(&self) -> BTreeMap<String, Vec<IpAddr>> {
        let fixed = self.names.iter().filter_map(|(name, (say, _))| match say {
            Say::Addresses(addresses) => Some((name.clone(), addresses.clone())),
            _ => None,
        });
        fixed.collect()
    }
}
