//! Writes the table of every metric.

use crate::names::{self, Kind};

/// Returns a Markdown table: name, kind, labels, buckets and help of every family.
pub fn metrics_table() -> String {
    let mut text = String::from("| name | kind | labels | measures |\n|---|---|---|---|\n");
    for family in names::ALL {
        let labels = family.labels.join(", ");
        let buckets = match family.kind {
            Kind::Counter | Kind::Gauge => String::new(),
            Kind::Histogram(buckets) => {
                let bounds = buckets.bounds();
                let ends = bounds.first().zip(bounds.last());
                ends.map_or_else(String::new, |(first, last)| {
                    format!(" {} buckets from {first} to {last}.", bounds.len())
                })
            }
        };
        let row =
            format!("| `{}` | {} | {labels} | {}{buckets} |\n", family.name, family.kind.name(), family.help);
        text.push_str(&row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_every_family() {
        let table = metrics_table();
        assert_eq!(table.lines().count(), names::ALL.len() + 2);
        assert!(table.contains("| `dragline_fetches_total` | counter | class |"));
        assert!(table.contains("25 buckets from 0.001 to 79.2."), "{table}");
    }
}
