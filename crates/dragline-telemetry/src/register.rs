//! Registers families and resolves their children once.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    Result,
};

use crate::names::{Buckets, Family, Kind};

/// The most names that one label takes from the configuration; the rest are counted as [`OTHER`].
pub(crate) const NAMES_MAX: usize = 64;
/// The value that stands for names beyond [`NAMES_MAX`].
pub(crate) const OTHER: &str = "other";

/// Stands for one configured name (a handler, a sink, an actor): resolved at start, used on every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelId(usize);

/// Values by configured name, found by a [`LabelId`] without looking at the name.
#[derive(Debug)]
pub(crate) struct Named<T> {
    /// One entry a label value.
    entries: Vec<(String, T)>,
    /// Names in configured order; the ones beyond the cap share the last entry.
    names: Vec<String>,
}

impl<T> Named<T> {
    /// Makes one value a name, at most [`NAMES_MAX`] and one more for the rest.
    pub(crate) fn new(names: &[String], mut make: impl FnMut(&str) -> Result<T>) -> Result<Self> {
        let mut distinct: Vec<String> = Vec::new();
        for name in names {
            if !distinct.contains(name) {
                distinct.push(name.clone());
            }
        }
        let mut entries = Vec::new();
        for value in label_values(&distinct) {
            let made = make(&value)?;
            entries.push((value, made));
        }
        Ok(Self { entries, names: distinct })
    }

    /// Returns the id of a configured name; `None` when it was not configured.
    pub(crate) fn id(&self, name: &str) -> Option<LabelId> {
        let place = self.names.iter().position(|known| known == name)?;
        Some(LabelId(place.min(self.entries.len().saturating_sub(1))))
    }

    /// Returns the value of an id; `None` when the id was made by a table with more names.
    pub(crate) fn get(&self, id: LabelId) -> Option<&T> {
        self.entries.get(id.0).map(|(_, value)| value)
    }

    /// Returns the label value of an id: the name, or `other`.
    pub(crate) fn name(&self, id: LabelId) -> &str {
        self.entries.get(id.0).map_or(OTHER, |(name, _)| name)
    }

    /// Returns every label value with its value, in configured order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LabelId, &str, &T)> {
        self.entries.iter().enumerate().map(|(place, (name, value))| (LabelId(place), name.as_str(), value))
    }
}

/// Returns the label values of names that are distinct: the names, or the first ones and `other`.
fn label_values(names: &[String]) -> Vec<String> {
    let mut values: Vec<String> = names.iter().take(NAMES_MAX).cloned().collect();
    if names.len() > NAMES_MAX {
        values.push(OTHER.into());
    }
    values
}

/// Registers families in one registry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registrar<'a>(pub(crate) &'a Registry);

impl Registrar<'_> {
    fn add<C: Collector + Clone + 'static>(self, collector: C) -> Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    /// Registers a counter without labels.
    pub(crate) fn counter(self, family: &Family) -> Result<IntCounter> {
        self.add(IntCounter::with_opts(opts(family))?)
    }

    /// Registers a gauge without labels.
    pub(crate) fn gauge(self, family: &Family) -> Result<IntGauge> {
        self.add(IntGauge::with_opts(opts(family))?)
    }

    /// Registers a gauge of seconds, which has fractions.
    pub(crate) fn seconds(self, family: &Family) -> Result<prometheus::Gauge> {
        self.add(prometheus::Gauge::with_opts(opts(family))?)
    }

    /// Registers a histogram without labels.
    pub(crate) fn histogram(self, family: &Family) -> Result<Histogram> {
        self.add(Histogram::with_opts(histogram_opts(family))?)
    }

    /// Registers a counter family; its children are made by the caller.
    pub(crate) fn counter_vec(self, family: &Family) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(opts(family), family.labels)?)
    }

    /// Registers a gauge family; its children are made by the caller.
    pub(crate) fn gauge_vec(self, family: &Family) -> Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(opts(family), family.labels)?)
    }

    /// Registers a histogram family; its children are made by the caller.
    pub(crate) fn histogram_vec(self, family: &Family) -> Result<HistogramVec> {
        self.add(HistogramVec::new(histogram_opts(family), family.labels)?)
    }

    /// Registers a counter family with one child a value, in order.
    pub(crate) fn counters<'v>(
        self,
        family: &Family,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Result<Box<[IntCounter]>> {
        let family = self.counter_vec(family)?;
        values.into_iter().map(|value| family.get_metric_with_label_values(&[value])).collect()
    }

    /// Registers a gauge family with one child a value, in order.
    pub(crate) fn gauges<'v>(
        self,
        family: &Family,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Result<Box<[IntGauge]>> {
        let family = self.gauge_vec(family)?;
        values.into_iter().map(|value| family.get_metric_with_label_values(&[value])).collect()
    }

    /// Registers a histogram family with one child a value, in order.
    pub(crate) fn histograms<'v>(
        self,
        family: &Family,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Result<Box<[Histogram]>> {
        let family = self.histogram_vec(family)?;
        values.into_iter().map(|value| family.get_metric_with_label_values(&[value])).collect()
    }

    /// Registers a family that was made before the registry.
    pub(crate) fn adopt<C: Collector + Clone + 'static>(self, collector: &C) -> Result<()> {
        self.add(collector.clone()).map(drop)
    }
}

pub(crate) fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn histogram_opts(family: &Family) -> HistogramOpts {
    let buckets = match family.kind {
        Kind::Histogram(buckets) => buckets,
        Kind::Counter | Kind::Gauge => Buckets::Listed(&[]),
    };
    HistogramOpts::new(family.name, family.help).buckets(buckets.bounds())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("name{number}")).collect()
    }

    #[test]
    fn names_beyond_the_cap_share_one_value() {
        let named = Named::new(&names(70), |name| Ok(name.to_owned())).unwrap();
        assert_eq!(named.iter().count(), NAMES_MAX + 1);
        let last_own = named.id("name63").unwrap();
        assert_eq!(named.get(last_own).map(String::as_str), Some("name63"));
        for name in ["name64", "name69"] {
            let id = named.id(name).unwrap();
            assert_eq!((named.name(id), named.get(id).map(String::as_str)), (OTHER, Some(OTHER)));
        }
        assert_eq!(named.id("unknown"), None);
    }

    #[test]
    fn a_name_given_twice_is_one_and_no_names_are_fine() {
        let twice = Named::new(&["a".to_owned(), "a".to_owned()], |_| Ok(())).unwrap();
        assert_eq!(twice.iter().count(), 1);
        let none = Named::new(&[], |_| Ok(())).unwrap();
        assert_eq!(none.id("a"), None);
        assert!(none.get(LabelId(0)).is_none());
    }
}
