//! Writes records as they come, on a thread of its own, so that a slow reader never makes a fetch late.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::JoinHandle;

use anyhow::Context;
use dragline::core::Outcome;
use dragline::core::report::grouped;
use tokio::sync::mpsc::Receiver;

use super::asked::Asked;
use super::record::Fetched;
use crate::args::FetchArgs;
use crate::exit::{Exit, Fault};
use crate::output;

/// Where records and the body go.
pub(super) struct Writer {
    records: Option<Box<dyn Write + Send>>,
    /// What `records` is called in messages.
    name: String,
    body: Option<PathBuf>,
    phases: bool,
    many: bool,
    counts: BTreeMap<Outcome, u64>,
    all_well: bool,
}

/// What was written in the end.
#[derive(Debug)]
pub(super) struct Written {
    counts: BTreeMap<Outcome, u64>,
    all_well: bool,
}

impl Writer {
    /// Opens what is written to.
    pub(super) fn open(args: &FetchArgs, urls: usize) -> Result<Self, Fault> {
        let body_to_stdout = args.output.as_ref().is_some_and(|path| path.as_os_str() == "-");
        let (records, name): (Option<Box<dyn Write + Send>>, String) = match &args.jsonl {
            Some(path) if path.as_os_str() != "-" => {
                let file = File::create(path).with_context(|| format!("could not write {}", path.display()));
                (Some(Box::new(file.map_err(Fault::nothing_started)?)), path.display().to_string())
            }
            _ if body_to_stdout => (None, String::new()),
            _ => (Some(Box::new(io::stdout())), "standard output".into()),
        };
        Ok(Self {
            records,
            name,
            body: args.output.clone(),
            phases: args.phases,
            many: urls > 1,
            counts: BTreeMap::new(),
            all_well: true,
        })
    }

    /// Starts the thread that writes what is received, until nothing more can come or nobody reads any more.
    #[expect(clippy::disallowed_methods, reason = "the handle is joined by whoever started it")]
    pub(super) fn start(
        mut self,
        mut done: Receiver<(Asked, Fetched)>,
    ) -> io::Result<JoinHandle<Result<Written, Fault>>> {
        std::thread::Builder::new().name("dragline-records".into()).spawn(move || {
            while let Some((asked, fetched)) = done.blocking_recv() {
                if !self.write(&asked, &fetched)? {
                    break;
                }
            }
            Ok(Written { counts: self.counts, all_well: self.all_well })
        })
    }

    /// Writes what came of one URL; false when nobody reads any more.
    fn write(&mut self, asked: &Asked, fetched: &Fetched) -> Result<bool, Fault> {
        *self.counts.entry(fetched.response.outcome).or_default() += 1;
        self.all_well &= fetched.is_well();
        if self.phases {
            let name = if self.many { format!("{}\n", asked.text.escape_debug()) } else { String::new() };
            output::tell(&format!("{name}{}", fetched.lines()));
        }
        let mut reading = self.write_body(fetched)?;
        if let Some(records) = &mut self.records {
            // In one write, so that no reader sees half a line.
            let line = serde_json::to_vec(&fetched.record(&asked.text)).map_err(io::Error::from);
            let written = line.and_then(|mut line| {
                line.push(b'\n');
                records.write_all(&line).and_then(|()| records.flush())
            });
            reading &= still_read(written, &self.name)?;
        }
        Ok(reading)
    }

    /// Writes the body of a response; what is no response leaves a file of an earlier one as it is.
    fn write_body(&self, fetched: &Fetched) -> Result<bool, Fault> {
        match self.body.as_ref().filter(|_| fetched.response.outcome.has_response()) {
            None => Ok(true),
            Some(path) if path.as_os_str() == "-" => {
                still_read(output::raw(&fetched.response.body), "standard output")
            }
            Some(path) => {
                let written = std::fs::write(path, &fetched.response.body);
                still_read(written, &path.display().to_string())
            }
        }
    }
}

/// Whether anybody reads on: a closed pipe is no fault of anybody's.
fn still_read(written: io::Result<()>, name: &str) -> Result<bool, Fault> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            let error = anyhow::Error::new(error).context(format!("could not write {name}"));
            Err(Fault::new(Exit::Storage, error))
        }
        Ok(()) => Ok(true),
    }
}

impl Written {
    /// Returns the exit that these outcomes make.
    pub(super) const fn exit(&self) -> Exit {
        if self.all_well { Exit::Done } else { Exit::NotAllWell }
    }

    /// Says in one line how many URLs ended how: `3 fetched: ok 2, timeout 1`.
    pub(super) fn summary(&self) -> String {
        let total: u64 = self.counts.values().sum();
        let each: Vec<String> =
            self.counts.iter().map(|(outcome, count)| format!("{outcome} {}", grouped(*count))).collect();
        format!("{} fetched: {}", grouped(total), each.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_by_outcome() {
        let counts = BTreeMap::from([(Outcome::Timeout, 1), (Outcome::Ok, 1_200)]);
        let written = Written { counts, all_well: false };
        assert_eq!(written.summary(), "1,201 fetched: ok 1,200, timeout 1");
    }
}
