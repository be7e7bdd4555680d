//! Lines URLs up by host, so that none begins, and its clock runs, before its host can have a slot for it.

use std::collections::{BTreeMap, VecDeque};

use dragline::core::fetch::FetchRequest;
use dragline::core::frontier::HostClock;
use dragline::core::rules::PolitenessRules;
use dragline::core::url::HostKey;

use super::asked::Asked;

/// One URL that waits, with its request.
pub(super) type Ready = (Asked, FetchRequest);

/// The URLs that have not begun, by host.
#[derive(Debug, Default)]
pub(super) struct Lineup {
    hosts: BTreeMap<HostKey, Line>,
    /// The hosts that have a URL to begin and a slot for it, each once.
    due: VecDeque<HostKey>,
}

#[derive(Debug)]
struct Line {
    waiting: VecDeque<Ready>,
    free_slots: u32,
}

impl Lineup {
    /// Lines a URL up behind the others of its host.
    pub(super) fn push(&mut self, asked: Asked, request: FetchRequest, rules: &PolitenessRules) {
        let host = request.url.host_key();
        let line = self.hosts.entry(host.clone()).or_insert_with(|| Line {
            waiting: VecDeque::new(),
            free_slots: HostClock::new(rules, &host.host).slots_max(),
        });
        line.waiting.push_back((asked, request));
        if line.waiting.len() == 1 && line.free_slots > 0 {
            self.due.push_back(host);
        }
    }

    /// Takes the next URL; hosts take turns. `None`: each host with URLs has as many under way as it has slots.
    pub(super) fn next(&mut self) -> Option<Ready> {
        let host = self.due.pop_front()?;
        let line = self.hosts.get_mut(&host)?;
        let ready = line.waiting.pop_front()?;
        line.free_slots -= 1;
        if line.free_slots > 0 && !line.waiting.is_empty() {
            self.due.push_back(host);
        }
        Some(ready)
    }

    /// Notes that a URL of a host has ended.
    pub(super) fn ended(&mut self, host: &HostKey) {
        let Some(line) = self.hosts.get_mut(host) else { return };
        line.free_slots += 1;
        if line.free_slots == 1 && !line.waiting.is_empty() {
            self.due.push_back(host.clone());
        }
    }

    /// Returns how many URLs have not begun.
    pub(super) fn waiting(&self) -> usize {
        self.hosts.values().map(|line| line.waiting.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dragline::core::CanonicalUrl;

    use super::*;

    #[test]
    fn hosts_take_turns_and_none_has_more_under_way_than_slots() {
        let rules = PolitenessRules { concurrency: 2, ..PolitenessRules::default() };
        let mut lineup = Lineup::default();
        for url in ["http://a/1", "http://a/2", "http://a/3", "http://b/1"] {
            let request = FetchRequest::get(CanonicalUrl::parse(url).unwrap(), Arc::default());
            lineup.push(Asked { text: url.into() }, request, &rules);
        }
        let next = |lineup: &mut Lineup| lineup.next().map(|(asked, _)| asked.text.to_string());
        let mut begun = Vec::new();
        begun.extend(std::iter::from_fn(|| next(&mut lineup)));
        assert_eq!(begun, ["http://a/1", "http://b/1", "http://a/2"]);
        assert_eq!(lineup.waiting(), 1);
        let host = CanonicalUrl::parse("http://a/").unwrap().host_key();
        lineup.ended(&host);
        assert_eq!(next(&mut lineup).as_deref(), Some("http://a/3"));
        lineup.ended(&host);
        assert_eq!((next(&mut lineup), lineup.waiting()), (None, 0));
    }
}
