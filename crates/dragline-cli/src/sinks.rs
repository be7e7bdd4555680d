//! Sets up the sinks of a plan, and the folder they write into.

use std::sync::Arc;

use dragline::config::{Plan, SinkKind, SinkPlan, SinkRecords};
use dragline::core::frontier::RunId;
use dragline::disk::{Disk, FileDisk};
use dragline::engine::{CrawlBuilder, fresh_seed};
use dragline::sink::{Earlier, FileSink, OutputError, OutputFolder, OwnSinks, RecordKind};

use crate::exit::{Exit, Fault};

/// Settles that may be on their way to a sink that every run has.
const OWN_SINK_CREDITS: usize = 256;

/// Opens the output folder of a run and adds its sinks to the crawl.
pub(crate) fn open(plan: &Plan, mut builder: CrawlBuilder) -> Result<(OutputFolder, CrawlBuilder), Fault> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk);
    let run = RunId(fresh_seed());
    let own = OwnSinks { skipped_rows_max: plan.output.skipped_rows_max, ..OwnSinks::default() };
    let own = own.set_up(&disk, &plan.output.dir).into_iter().map(|sink| (sink, OWN_SINK_CREDITS));
    let mut sinks: Vec<(FileSink, usize)> = own.collect();
    sinks.extend(plan.sinks.iter().map(|sink| {
        let credits = usize::try_from(sink.credits).unwrap_or(usize::MAX);
        (set_up(sink, plan, &disk), credits)
    }));
    let earlier = if plan.output.fresh { Earlier::Replace } else { Earlier::Refuse };
    let names: Vec<_> = sinks.iter().map(|(sink, _)| sink.names()).collect();
    let folder = OutputFolder::open(Arc::clone(&disk), &plan.output.dir, run, earlier, &names);
    let folder = folder.map_err(of_output)?;
    for (sink, credits) in sinks {
        builder = builder.sink_with_credits(Box::new(sink), credits);
    }
    Ok((folder, builder.run_id(run).watch_space(disk, [plan.output.dir.clone()])))
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

/// Says what an error of the output folder ends the program with.
pub(crate) fn of_output(error: OutputError) -> Fault {
    let exit = match &error {
        OutputError::File(_) => Exit::Storage,
        _ => Exit::NothingStarted,
    };
    let way_out = matches!(&error, OutputError::Unusable { .. });
    let error = anyhow::Error::new(error);
    let error = if way_out { anyhow::anyhow!("{error:#} (--out DIR chooses another)") } else { error };
    Fault::new(exit, error)
}
