//! Counts the credits of one sink and keeps what waits for it, in settle order.

use dragline_sink::{Record, RecordKind};

/// The edge from the supervisor to one sink.
#[derive(Debug)]
pub(crate) struct SinkEdge {
    takes: Vec<RecordKind>,
    credits: usize,
    in_use: usize,
    outbox: Vec<Record>,
    groups: usize,
    /// Records that the sink only counted.
    dropped: u64,
}

impl SinkEdge {
    /// Opens an edge to the sink that takes these kinds of records; `credits` settles may be on their way to it.
    pub(crate) fn new(takes: Vec<RecordKind>, credits: usize) -> Self {
        Self { takes, credits: credits.max(1), in_use: 0, outbox: Vec::new(), groups: 0, dropped: 0 }
    }

    /// Begins with records that the sink only counted in an earlier life.
    pub(crate) const fn having_dropped(mut self, dropped: u64) -> Self {
        self.dropped = dropped;
        self
    }

    pub(crate) fn takes(&self, kind: RecordKind) -> bool {
        self.takes.contains(&kind)
    }

    /// Whether another settle may take a credit.
    pub(crate) const fn has_credit(&self) -> bool {
        self.in_use + self.groups < self.credits
    }

    /// Returns the credits in use.
    pub(crate) const fn in_use(&self) -> usize {
        self.in_use + self.groups
    }

    /// Returns the credits there are.
    pub(crate) const fn credits(&self) -> usize {
        self.credits
    }

    /// Takes the credit of one settle, whose records are pushed next.
    pub(crate) const fn open_group(&mut self) {
        self.groups += 1;
    }

    /// Adds a record behind those that wait.
    pub(crate) fn push(&mut self, record: Record) {
        self.outbox.push(record);
    }

    /// Takes what waits, with the credits it holds; `None` when there is nothing to send. Credits of settles that
    /// left no record are given back at once; records that came without a settle take one, so that a slow sink
    /// holds them back too.
    pub(crate) fn take(&mut self) -> Option<(Vec<Record>, usize)> {
        let groups = std::mem::take(&mut self.groups).max(1);
        if self.outbox.is_empty() {
            return None;
        }
        self.in_use += groups;
        Some((std::mem::take(&mut self.outbox), groups))
    }

    /// Returns how many records the sink only counted.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Gives back the credits of records that the sink has taken; `dropped` of all it was ever given were only counted.
    pub(crate) fn written(&mut self, groups: usize, dropped: u64) {
        self.dropped = dropped;
        debug_assert!(groups <= self.in_use, "a sink gives back what it was given");
        self.in_use = self.in_use.saturating_sub(groups);
    }
}

#[cfg(test)]
mod tests {
    use dragline_core::CanonicalUrl;
    use dragline_core::handled::Item;
    use dragline_sink::ItemRecord;

    use super::*;

    fn record() -> Record {
        let url = CanonicalUrl::parse("http://a/").unwrap();
        ItemRecord { handler: "h".into(), url, item: Item::new(&1).unwrap() }.into()
    }

    #[test]
    fn a_credit_is_held_until_the_sink_has_written() {
        let mut edge = SinkEdge::new(vec![RecordKind::Item], 1);
        assert!(edge.has_credit() && edge.takes(RecordKind::Item) && !edge.takes(RecordKind::Page));
        edge.open_group();
        (0..3).for_each(|_| edge.push(record()));
        assert!(!edge.has_credit());
        let (records, groups) = edge.take().unwrap();
        assert_eq!((records.len(), groups), (3, 1));
        assert!(!edge.has_credit());
        edge.written(1, 2);
        assert!(edge.has_credit());
        assert_eq!(edge.dropped(), 2);
    }

    #[test]
    fn a_settle_without_records_holds_nothing() {
        let mut edge = SinkEdge::new(Vec::new(), 1);
        edge.open_group();
        assert!(edge.take().is_none());
        assert!(edge.has_credit());
    }
}
