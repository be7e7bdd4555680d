//! Decides whether there is space for what the crawl writes, and keeps who has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use dragline_telemetry::events::{SpaceRanOut, SpaceReturned};

use crate::room::Free;

/// Who can be without space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lacking {
    /// A sink, by its number.
    Sink(usize),
    /// The frontier's log.
    Log,
    /// A folder, by its place among those that are watched: it has less free than is asked for.
    Folder(usize),
}

/// Who is without space. The crawl leases nothing while anybody is.
#[derive(Debug)]
pub(super) struct Space {
    /// Bytes that must be free in each folder; 0: that is not looked at.
    free_min: u64,
    lacking: BTreeMap<Lacking, Arc<str>>,
}

impl Space {
    /// Starts with space for all.
    pub(super) const fn new(free_min: u64) -> Self {
        Self { free_min, lacking: BTreeMap::new() }
    }

    /// Returns what has no space; `None` when all is well.
    pub(super) fn lacks(&self) -> Option<&Arc<str>> {
        self.lacking.values().next()
    }

    /// Notes that somebody has no space, and says so once.
    pub(super) fn ran_out(&mut self, who: Lacking, what: Arc<str>) {
        let entry = self.lacking.entry(who);
        entry.or_insert_with(|| {
            SpaceRanOut { what: &what }.record();
            what
        });
    }

    /// Notes that somebody has space, and says so when it had none.
    pub(super) fn returned(&mut self, who: Lacking) {
        if let Some(what) = self.lacking.remove(&who) {
            SpaceReturned { what: &what }.record();
        }
    }

    /// Takes how much is free in each folder that is watched. One that had too little is well again with a tenth more
    /// than is asked for, so that the crawl does not stop and go with each file that is deleted.
    pub(super) fn measured(&mut self, found: &[Free]) {
        for (index, Free { folder, free }) in found.iter().enumerate() {
            let who = Lacking::Folder(index);
            let enough = self.free_min.saturating_add(self.free_min / 10);
            if *free < self.free_min {
                let (folder, least) = (folder.display(), mebibytes(self.free_min));
                let free = mebibytes(*free);
                let what = format!("{folder} has {free} MiB free, `state.disk_free_min` asks for {least}");
                self.ran_out(who, what.into());
            } else if *free >= enough {
                self.returned(who);
            }
        }
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn found(first: u64, second: u64) -> [Free; 2] {
        [("out", first), ("state", second)]
            .map(|(folder, free)| Free { folder: Path::new(folder).into(), free })
    }

    #[test]
    fn a_folder_with_too_little_is_named_until_it_has_a_tenth_more() {
        let mut space = Space::new(100 * MIB);
        let mut check = |first: u64, second: u64, expected: Option<&str>| {
            space.measured(&found(first, second));
            assert_eq!(space.lacks().map(|what| &**what), expected, "{first} {second}");
        };
        let low = Some("state has 99 MiB free, `state.disk_free_min` asks for 100");
        check(100 * MIB, 100 * MIB, None);
        check(u64::MAX, 100 * MIB - 1, low);
        check(u64::MAX, 100 * MIB, low);
        check(u64::MAX, 110 * MIB - 1, low);
        check(90 * MIB, 110 * MIB, Some("out has 90 MiB free, `state.disk_free_min` asks for 100"));
        check(110 * MIB, 100 * MIB, None);
    }

    #[test]
    fn nothing_is_too_little_when_nothing_is_asked_for() {
        let mut space = Space::new(0);
        space.measured(&found(0, 0));
        assert_eq!(space.lacks(), None);
    }

    #[test]
    fn everybody_must_have_space_again() {
        let mut space = Space::new(0);
        space.ran_out(Lacking::Log, "log".into());
        space.ran_out(Lacking::Sink(1), "items".into());
        space.ran_out(Lacking::Sink(1), "items again".into());
        assert_eq!(space.lacks().map(|what| &**what), Some("items"), "what was said first");
        space.returned(Lacking::Sink(1));
        assert_eq!(space.lacks().map(|what| &**what), Some("log"));
        space.returned(Lacking::Sink(0));
        space.returned(Lacking::Log);
        assert_eq!(space.lacks(), None);
    }
}
