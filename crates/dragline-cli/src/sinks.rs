//! Sets up the sinks of a plan, and the folder they write into.

use std::sync::Arc;

use dragline::config::{CompressPlan, Plan, SinkKind, SinkPlan, SinkRecords};
use dragline::core::frontier::RunId;
use dragline::disk::{Disk, FileDisk};
use dragline::engine::{CrawlBuilder, fresh_seed};
use dragline::sink::{
    Compression, Earlier, FileSink, Format, OutputError, OutputFolder, OwnSinks, RecordKind,
};

use crate::exit::{Exit, Fault};

/// Settles that may be on their way to a sink that every run has.
const OWN_SINK_CREDITS: usize = 256;

/// Opens the output folder of a run and adds its sinks to the crawl.
pub(crate) fn open(plan: &Plan, mut builder: CrawlBuilder) -> Result<(OutputFolder, CrawlBuilder), Fault> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk);
    let run = RunId(fresh_seed());
    let own = OwnSinks {
        skipped_rows_max: plan.output.skipped_rows_max,
        rotate_bytes: plan.output.files.rotate_bytes,
        rotate_rows: plan.output.files.rotate_rows,
        compression: compression(plan.output.files.compress),
    };
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
