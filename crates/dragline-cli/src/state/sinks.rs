//! Sets up the sinks of a plan, and names their files.

use std::sync::Arc;

use dragline::config::{CompressPlan, Plan, SinkKind, SinkPlan, SinkRecords};
use dragline::disk::Disk;
use dragline::sink::{Compression, FileSink, Format, OwnSinks, RecordKind};

/// Settles that may be on their way to a sink that every run has.
const OWN_SINK_CREDITS: usize = 256;

/// Sets up every sink of a plan, with the settles that may be on their way to it. Touches nothing.
pub(super) fn set_up_all(plan: &Plan, disk: &Arc<dyn Disk>) -> Vec<(FileSink, usize)> {
    let own = OwnSinks {
        skipped_rows_max: plan.output.skipped_rows_max,
        rotate_bytes: plan.output.files.rotate_bytes,
        rotate_rows: plan.output.files.rotate_rows,
        rotate_after: plan.output.files.rotate_after,
        compression: compression(plan.output.files.compress),
    };
    let own = own.set_up(disk, &plan.output.dir).into_iter().map(|sink| (sink, OWN_SINK_CREDITS));
    let named = plan.sinks.iter().map(|sink| {
        let credits = usize::try_from(sink.credits).unwrap_or(usize::MAX);
        (set_up(sink, plan, disk), credits)
    });
    own.chain(named).collect()
}

fn set_up(plan: &SinkPlan, whole: &Plan, disk: &Arc<dyn Disk>) -> FileSink {
    let kind = match plan.records {
        SinkRecords::Items => RecordKind::Item,
        SinkRecords::Pages => RecordKind::Page,
        SinkRecords::Skipped => RecordKind::Skipped,
    };
    let format = match plan.kind {
        SinkKind::Jsonl => Format::Jsonl,
        SinkKind::Csv => {
            Format::Csv { columns: plan.columns.iter().map(|key| key.as_str().into()).collect() }
        }
    };
    FileSink::new(Arc::clone(disk), whole.output.dir.join(&plan.path), kind, format)
        .named(&plan.name)
        .rotate_bytes(plan.files.rotate_bytes)
        .rotate_rows(plan.files.rotate_rows)
        .rotate_after(plan.files.rotate_after)
        .compress(compression(plan.files.compress))
}

/// Names the files of rows of the output folder, for people.
pub(crate) fn row_files(plan: &Plan) -> String {
    let number = if plan.output.files.are_numbered() { "-*" } else { "" };
    let ending = match plan.output.files.compress {
        CompressPlan::None => "",
        CompressPlan::Gzip => ".gz",
        CompressPlan::Zstd => ".zst",
    };
    ["pages", "items", "skipped"].map(|name| format!("{name}{number}.jsonl{ending}")).join(", ")
}

const fn compression(plan: CompressPlan) -> Option<Compression> {
    match plan {
        CompressPlan::None => None,
        CompressPlan::Gzip => Some(Compression::Gzip),
        CompressPlan::Zstd => Some(Compression::Zstd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_rows_are_named_as_they_are_found() {
        let check = |rotate_rows, compress, expected: &str| {
            let mut plan = Plan::default();
            (plan.output.files.rotate_rows, plan.output.files.compress) = (rotate_rows, compress);
            assert_eq!(row_files(&plan), expected);
        };
        check(0, CompressPlan::None, "pages.jsonl, items.jsonl, skipped.jsonl");
        check(9, CompressPlan::None, "pages-*.jsonl, items-*.jsonl, skipped-*.jsonl");
        check(0, CompressPlan::Zstd, "pages-*.jsonl.zst, items-*.jsonl.zst, skipped-*.jsonl.zst");
    }
}
