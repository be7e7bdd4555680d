//! Sets up the program's log: filtered, on standard error or in a file, counted into the metrics.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use anyhow::Context;
use dragline::config::{LogFormat, LogLevel, LogPlan};
use dragline::telemetry::LogEvents;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::args::{LogForm, ShowArgs};
use crate::exit::Fault;
use crate::progress::Bar;

/// Starts the log and returns the counters of its events.
pub(crate) fn start(plan: &LogPlan, show: &ShowArgs, bar: &Bar) -> Result<LogEvents, Fault> {
    let events = LogEvents::new().context("the log's counters").map_err(Fault::nothing_started)?;
    let level = level(plan.level, show);
    let format = match show.log_format {
        None => plan.format,
        Some(LogForm::Auto) => LogFormat::Auto,
        Some(LogForm::Text) => LogFormat::Text,
        Some(LogForm::Json) => LogFormat::Json,
    };
    let (writer, terminal): (Box<dyn Fn() -> Box<dyn Write> + Send + Sync>, bool) = match &plan.file {
        None => {
            let bar = bar.clone();
            (Box::new(move || Box::new(bar.clone())), io::stderr().is_terminal())
        }
        Some(path) => {
            let open = || OpenOptions::new().create(true).append(true).open(path);
            let file = open().with_context(|| format!("could not open the log file {}", path.display()));
            let file = std::sync::Arc::new(Mutex::new(file.map_err(Fault::nothing_started)?));
            (Box::new(move || Box::new(Shared(std::sync::Arc::clone(&file)))), false)
        }
    };
    let json = format == LogFormat::Json || (format == LogFormat::Auto && !terminal);
    let ansi = terminal && crate::output::color_on_stderr(show.color);
    let writer = Writer(writer);
    let lines = if json {
        fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
    } else {
        fmt::layer().with_ansi(ansi).with_writer(writer).boxed()
    };
    // Only our own events: what libraries say is noise below a warning.
    let filter = EnvFilter::new(format!("warn,dragline={level}"));
    let counting = events.layer().with_filter(EnvFilter::new(format!("warn,dragline={level}")));
    let lines = lines.with_filter(if level == LevelFilter::OFF { EnvFilter::new("off") } else { filter });
    let started = tracing_subscriber::registry().with(counting).with(lines).try_init();
    started.context("the log is set up twice").map_err(Fault::nothing_started)?;
    Ok(events)
}

fn level(configured: LogLevel, show: &ShowArgs) -> LevelFilter {
    match (show.quiet, show.verbose) {
        (0, 0) => match configured {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        },
        (0, 1) => LevelFilter::DEBUG,
        (0, _) => LevelFilter::TRACE,
        (1, _) => LevelFilter::ERROR,
        _ => LevelFilter::OFF,
    }
}

/// Makes a writer for each event.
struct Writer(Box<dyn Fn() -> Box<dyn Write> + Send + Sync>);

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Box<dyn Write>;

    fn make_writer(&'a self) -> Box<dyn Write> {
        (self.0)()
    }
}

/// A log file that threads take turns at.
struct Shared(std::sync::Arc<Mutex<std::fs::File>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).flush()
    }
}
