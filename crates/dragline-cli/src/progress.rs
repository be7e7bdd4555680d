//! Shows how the crawl stands: a bar on a terminal, a line each ten seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use console::Term;
use dragline::core::report::{grouped, short_duration};
use dragline::engine::{CrawlHandle, Status};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Progress;
use crate::output::{self, counted};

/// How often the bar is drawn anew.
const BAR_TICK: Duration = Duration::from_secs(1);

/// How often a line is written where there is no terminal.
const LINE_TICK: Duration = Duration::from_secs(10);

/// Columns of the bar that are not its line: the spinner, a space, and one for the cursor.
const BESIDE_LINE: usize = 3;

/// The bar at the foot of the terminal; log lines are written above it.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bar,
    Lines,
    Nothing,
}

impl Bar {
    /// Chooses what is shown.
    pub(crate) fn new(progress: Progress) -> Self {
        let kind = match progress {
            Progress::Off => Kind::Nothing,
            Progress::On => Kind::Bar,
            Progress::Auto if io::stderr().is_terminal() => Kind::Bar,
            Progress::Auto => Kind::Lines,
        };
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar, kind }
    }

    /// Begins to draw.
    pub(crate) fn begin(&self) {
        if self.kind == Kind::Bar {
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                self.bar.set_style(style);
            }
            self.bar.set_message("starting");
        }
    }

    /// Shows how the crawl stands until it is dropped.
    pub(crate) async fn follow(self, crawl: CrawlHandle) {
        let tick = if self.kind == Kind::Bar { BAR_TICK } else { LINE_TICK };
        let mut before: Option<Status> = None;
        if self.kind == Kind::Nothing {
            return;
        }
        loop {
            actix_rt::time::sleep(tick).await;
            let Some(status) = crawl.status().await else { continue };
            let line = line(&status, before.as_ref());
            match self.kind {
                Kind::Bar => {
                    let (_, columns) = Term::stderr().size();
                    self.bar.set_message(cut(&line, columns));
                    self.bar.tick();
                }
                _ => output::tell(&line),
            }
            before = Some(status);
        }
    }

    /// Writes a line for people, above the bar.
    pub(crate) fn tell(&self, line: &str) {
        self.bar.suspend(|| output::tell(line));
    }

    /// Takes the bar off the terminal.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Log lines go above the bar.
impl Write for Bar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bar.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Cuts a line so that it and the spinner before it stay on one line of the terminal: of two lines one may be left
/// behind when the bar is drawn anew.
fn cut(line: &str, columns: u16) -> String {
    line.chars().take(usize::from(columns).saturating_sub(BESIDE_LINE)).collect()
}

/// ` 1,204 done  96 ready  3,410 waiting  18 in flight   41.2/s  0.8% failed  2 hosts backing off  1m04s`
fn line(status: &Status, before: Option<&Status>) -> String {
    let stats = &status.stats;
    let failed: u64 = stats.failed.values().sum();
    let settled = stats.done + stats.redirected + failed;
    let (fetches_before, then) =
        before.map_or((0, dragline::core::Time::ZERO), |before| (before.totals.fetches, before.now));
    let secs = (status.now - then).as_secs_f64().max(0.001);
    let fetches = u32::try_from(status.totals.fetches - fetches_before).unwrap_or(u32::MAX);
    let rate = f64::from(fetches) / secs;
    let percent = if settled == 0 { 0.0 } else { ratio(failed, settled) * 100.0 };
    let waits = status.waits_for_space.as_ref().map(|what| format!("waits for space: {what}  "));
    let mut line = format!(
        "{}{} done  {} ready  {} waiting  {} in flight  {rate:.1}/s  {percent:.1}% failed",
        waits.unwrap_or_default(),
        grouped(stats.done),
        grouped(stats.urls.ready),
        grouped(stats.urls.delayed + stats.urls.retry_wait),
        grouped(stats.urls.in_flight),
    );
    if stats.hosts.backing_off > 0 {
        line.push_str(&format!("  {} backing off", counted(stats.hosts.backing_off, "host")));
    }
    line.push_str(&format!("  {}", short_duration(status.now - dragline::core::Time::ZERO)));
    line
}

fn ratio(part: u64, whole: u64) -> f64 {
    let thousandths = part.saturating_mul(10_000) / whole.max(1);
    f64::from(u32::try_from(thousandths).unwrap_or(u32::MAX)) / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_to_what_a_narrow_terminal_can_show() {
        let check = |columns, expected: &str| assert_eq!(cut("14 done  ä ready", columns), expected);
        check(80, "14 done  ä ready");
        check(13, "14 done  ä");
        check(3, "");
    }
}
