//! Writes what became of every URL as lines or rows, from the history of a crawl.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use dragline::core::Disposition;
use dragline::core::frontier::Past;
use dragline::frontier::history::HistoryView;
use serde::Serialize;

use crate::args::{ExportArgs, ExportForm, ExportWhat};
use crate::exit::{Exit, Fault};
use crate::look::{Look, unreadable};
use crate::output::{counted, tell};

/// How a URL ended, as it is exported. Rows have every column; lines leave out what there is not.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    url: &'a str,
    disposition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<u64>,
    attempts: u32,
    depth: u32,
    generation: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
}

/// The columns of a row, in its order.
const COLUMNS: [&str; 14] = [
    "url",
    "disposition",
    "kind",
    "reason",
    "rule",
    "at",
    "outcome",
    "status",
    "body_bytes",
    "attempts",
    "depth",
    "generation",
    "referrer",
    "label",
];

impl<'a> Row<'a> {
    /// Tells of an entry of the history.
    pub(crate) fn of(past: &'a Past) -> Self {
        let (kind, reason) = match past.disposition {
            Disposition::Failed(kind) => (Some(kind.name()), None),
            Disposition::Skipped(reason) => (None, Some(reason.name())),
            Disposition::Done | Disposition::Redirected => (None, None),
        };
        let visit = past.visit.as_ref();
        Self {
            url: past.url.as_str(),
            disposition: past.disposition.name(),
            kind,
            reason,
            rule: past.rule.as_deref(),
            at: past.at.to_string(),
            outcome: visit.map(|visit| visit.outcome.name()),
            status: visit.and_then(|visit| visit.status),
            body_bytes: visit.map(|visit| visit.body_bytes),
            attempts: past.attempts,
            depth: past.depth,
            generation: past.generation,
            referrer: past.referrer.as_ref().map(|url| url.as_str()),
            label: past.label.as_deref(),
        }
    }

    /// Returns what stands in each column.
    fn cells(&self) -> [String; COLUMNS.len()] {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        [
            self.url.to_owned(),
            self.disposition.to_owned(),
            text(self.kind),
            text(self.reason),
            text(self.rule),
            self.at.clone(),
            text(self.outcome),
            number(self.status.map(u64::from)),
            number(self.body_bytes),
            self.attempts.to_string(),
            self.depth.to_string(),
            self.generation.to_string(),
            text(self.referrer),
            text(self.label),
        ]
    }
}

/// Runs `dragline export`.
pub(crate) fn run(args: &ExportArgs) -> Result<Exit, Fault> {
    let look = Look::at(&args.state)?;
    let Some((_, view)) = look.history()? else {
        tell("nothing was committed yet");
        return Ok(Exit::Done);
    };
    let newest = newest(&look, &view)?;
    let mut out = Writer::new(args.format);
    match export(&look, &view, &newest, args.what, &mut out) {
        Ok(rows) => tell(&format!("{} of run {}", counted(rows, "URL"), look.meta()?.run)),
        Err(Stopped::NobodyReads) => {}
        Err(Stopped::Fault(fault)) => return Err(fault),
    }
    if !look.plan.state.keep_skips && args.what != ExportWhat::Errors {
        tell(
            "`state.keep_skips` is off: URLs that were skipped when they were discovered are not among them",
        );
    }
    Ok(Exit::Done)
}

/// Returns the last entry of each URL that has several, by fingerprint: only what was visited again has. That is what an
/// export keeps in memory, some 40 bytes for each such URL; of all others one block at a time.
fn newest(look: &Look, view: &HistoryView) -> Result<BTreeMap<u64, u64>, Fault> {
    let mut newest = BTreeMap::new();
    for entry in view.scan(1).map_err(crate::state::of_log)? {
        let entry = entry.map_err(crate::state::of_log)?;
        let past = Past::read(&entry.payload).map_err(|_| unreadable(look, entry.number))?;
        if past.generation > 0 {
            newest.insert(entry.fingerprint, entry.number);
        }
    }
    Ok(newest)
}

fn export(
    look: &Look,
    view: &HistoryView,
    newest: &BTreeMap<u64, u64>,
    what: ExportWhat,
    out: &mut Writer,
) -> Result<u64, Stopped> {
    let mut rows = 0;
    out.begin()?;
    for entry in view.scan(1).map_err(crate::state::of_log)? {
        let entry = entry.map_err(crate::state::of_log)?;
        if newest.get(&entry.fingerprint).is_some_and(|number| *number > entry.number) {
            continue;
        }
        let past = Past::read(&entry.payload).map_err(|_| unreadable(look, entry.number))?;
        let wanted = match what {
            ExportWhat::Urls => true,
            ExportWhat::Skipped => matches!(past.disposition, Disposition::Skipped(_)),
            ExportWhat::Errors => matches!(past.disposition, Disposition::Failed(_)),
        };
        if wanted {
            out.row(&Row::of(&past))?;
            rows += 1;
        }
    }
    out.end()?;
    Ok(rows)
}

/// Why an export ended early.
enum Stopped {
    /// Who read standard output went away, which is no mistake.
    NobodyReads,
    Fault(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::NobodyReads;
        }
        Self::Fault(Fault::new(
            Exit::Storage,
            anyhow::Error::new(error).context("cannot write to standard output"),
        ))
    }
}

impl From<csv::Error> for Stopped {
    fn from(error: csv::Error) -> Self {
        Self::from(io::Error::from(error))
    }
}

/// Writes rows to standard output.
enum Writer {
    Lines(BufWriter<io::Stdout>),
    Cells(Box<csv::Writer<io::Stdout>>),
}

impl Writer {
    fn new(form: ExportForm) -> Self {
        match form {
            ExportForm::Jsonl => Self::Lines(BufWriter::new(io::stdout())),
            ExportForm::Csv => Self::Cells(Box::new(csv::Writer::from_writer(io::stdout()))),
        }
    }

    fn begin(&mut self) -> Result<(), Stopped> {
        match self {
            Self::Lines(_) => Ok(()),
            Self::Cells(writer) => Ok(writer.write_record(COLUMNS)?),
        }
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), Stopped> {
        match self {
            Self::Lines(out) => {
                serde_json::to_writer(&mut *out, row).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Self::Cells(writer) => writer.write_record(row.cells())?,
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stopped> {
        match self {
            Self::Lines(out) => Ok(out.flush()?),
            Self::Cells(writer) => Ok(writer.flush()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use dragline::core::frontier::Visit;
    use dragline::core::{CanonicalUrl, FailKind, Outcome, Wall};

    use super::*;

    #[test]
    fn lines_and_rows_say_the_same() {
        let url = CanonicalUrl::parse("http://a.example/x").unwrap();
        let visit = Visit {
            at: Wall::from_secs(1),
            outcome: Outcome::HttpError,
            status: Some(404),
            body_bytes: 7,
            etag: None,
            last_modified: None,
            digest: None,
        };
        let past = Past {
            url: url.clone(),
            disposition: Disposition::Failed(FailKind::Fetch(Outcome::HttpError)),
            at: Wall::from_secs(2),
            generation: 0,
            depth: 3,
            attempts: 1,
            referrer: Some(url),
            label: None,
            rule: None,
            visit: Some(visit),
            interval_secs: 0,
            digest_before: None,
        };
        let row = Row::of(&past);
        let line: serde_json::Value = serde_json::to_value(&row).unwrap();
        let cells = row.cells();
        for (column, cell) in COLUMNS.iter().zip(&cells) {
            let value = &line[*column];
            let text = value.as_str().map_or_else(|| value.to_string().replace("null", ""), str::to_owned);
            assert_eq!(&text, cell, "{column}");
        }
        assert_eq!((cells[2].as_str(), cells[7].as_str()), ("http_error", "404"));
        assert_eq!(line.as_object().map(|line| line.len()), Some(11));
    }
}
