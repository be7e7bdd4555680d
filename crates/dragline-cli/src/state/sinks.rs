//! Sets up the sinks of a plan.

use std::sync::Arc;

use dragline::config::{Plan, SinkKind, SinkPlan, SinkRecords};
use dragline::disk::Disk;
use dragline::sink::{FileSink, OwnSinks, RecordKind};

/// Settles that may be on their way to a sink that every run has.
const OWN_SINK_CREDITS: usize = 256;

/// Sets up every sink of a plan, with the settles that may be on their way to it. Touches nothing.
pub(super) fn set_up_all(plan: &Plan, disk: &Arc<dyn Disk>) -> Vec<(FileSink, usize)> {
    let own = OwnSinks { skipped_rows_max: plan.output.skipped_rows_max, ..OwnSinks::default() };
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
    match &plan.kind {
        SinkKind::Jsonl { path } => {
            FileSink::jsonl(Arc::clone(disk), whole.output.dir.join(path), kind).named(&plan.name)
        }
    }
}
