//! Runs a configured crawl: port, folder, actors, report.

use dragline::config::{Origins, Plan};
use dragline::console::{Console, Serving};
use dragline::core::SkipReason;
use dragline::core::report::{Ended, grouped, short_duration};
use dragline::engine::{CrawlBuilder, CrawlEnd, Problem, Signal, Tasks, outlive_file_size_limits};

use crate::args::{RunArgs, ShowArgs};
use crate::exit::{Exit, Fault};
use crate::progress::Bar;
use crate::signals::Signals;
use crate::state::{self, Begun, Ready, of_output, of_start};
use crate::{config, log, output};

/// Runs `dragline run`.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Fault> {
    let (plan, origins) = config::of_run(args)?;
    crawl(&plan, origins, &args.show)
}

/// Crawls by a checked plan and says how it went.
pub(crate) fn crawl(plan: &Plan, origins: Origins, show: &ShowArgs) -> Result<Exit, Fault> {
    let bar = Bar::new(show.progress);
    let log_events = log::start(&plan.log, show, &bar)?;
    // Before anything is written: what cannot be read must leave nothing behind.
    let network = config::network(plan)?;
    let console = plan.admin.listen.map(Console::bind).transpose().map_err(Fault::nothing_started)?;
    let mut builder = CrawlBuilder::from_plan(plan).network_read(network).origins(origins);
    builder = builder.log_events(log_events).handle_signals();
    if let Some(console) = &console {
        builder = builder.own_address(console.address());
    }
    let system = dragline::actix::System::new();
    // A file-size limit is to be an error that says which file, and not the end of the process.
    if let Err(error) = system.block_on(async { outlive_file_size_limits() }) {
        tracing::warn!(target: "dragline::actor", %error, "a limit of file sizes will kill this process");
    }
    let Ready { builder, folder, life, lock } = match state::begin(plan, builder)? {
        Begun::Finished(finished) => return Ok(finished.tell()),
        Begun::Ready(ready) => *ready,
    };
    greet(plan, console.as_ref(), &life);
    let crawl = builder.build().map_err(|errors| Fault::new(Exit::Config, errors))?;
    let end = system.block_on(async {
        let running = crawl.start().map_err(of_start)?;
        let handle = running.handle();
        let serving = console.map(|console| console.serve(handle.clone())).transpose();
        let serving: Option<Serving> = serving.map_err(Fault::nothing_started)?;
        let mut enough = Signals::listen().map_err(Fault::nothing_started)?;
        let mut tasks = Tasks::default();
        bar.begin();
        tasks.spawn(bar.clone().follow(handle));
        tasks.spawn(Signals::listen().map_err(Fault::nothing_started)?.announce(bar.clone()));
        let end = running.wait().await;
        bar.end();
        drop(tasks);
        let folder = folder.write_report(&end.report).map(|_| folder);
        tell_end(plan, &end);
        if end.stopped_by.is_none() && end.report.ended == Ended::Finished {
            linger(plan, &mut enough).await;
        }
        if let Some(serving) = serving {
            serving.stop().await;
        }
        folder.map(|_| end).map_err(of_output)
    })?;
    if end.stopped_by.is_some() || end.problem.is_some() {
        // The thread of the disk may still be in the middle of something: the folder is ours until this process is gone.
        Box::leak(Box::new(lock));
    }
    Ok(judge(&end))
}

/// Keeps the admin server up for a last scrape, unless a signal says enough.
async fn linger(plan: &Plan, enough: &mut Signals) {
    if plan.admin.listen.is_some() && !plan.admin.linger.is_zero() {
        let span = short_duration(plan.admin.linger);
        output::tell(&format!("metrics stay up for {span}, for a last scrape; ^C ends that"));
        let waited = actix_rt::time::timeout(plan.admin.linger, enough.next()).await;
        tracing::debug!(target: "dragline::admin", cut_short = waited.is_ok(), "lingered for a last scrape");
    }
}

/// Says who we are and where to look, before the first request.
fn greet(plan: &Plan, console: Option<&Console>, life: &str) {
    let (version, agent) = (env!("CARGO_PKG_VERSION"), plan.rules.agent.user_agent());
    output::tell(&format!("dragline {version}  {life}  agent {agent}"));
    let metrics = console.map_or("off".into(), |console| format!("http://{}/metrics", console.address()));
    output::tell(&format!("results {}  metrics {metrics}", plan.output.dir.display()));
    if !plan.rules.robots.obey {
        tracing::warn!(target: "dragline::robots", "robots.txt is not obeyed");
    }
}

fn tell_end(plan: &Plan, end: &CrawlEnd) {
    let report = &end.report;
    output::tell(&report.to_string());
    output::tell(&identity(report));
    let (files, dir) = (state::row_files(plan), plan.output.dir.display());
    output::tell(&format!("{}: {files} and report.json in {dir}", report.ended));
    if report.pending > 0 {
        output::tell("the same command goes on from here; --fresh starts over");
    }
}

/// Writes the accounting identity out.
fn identity(report: &dragline::core::report::Report) -> String {
    let sign = if report.adds_up() { "=" } else { "!=" };
    format!(
        "discovered {} {sign} done {} + redirected {} + failed {} + skipped {} + pending {}",
        grouped(report.discovered),
        grouped(report.done),
        grouped(report.redirected),
        grouped(report.failed_total()),
        grouped(report.skipped_total()),
        grouped(report.pending),
    )
}

/// Says of each seed why it led to no page, and what can be done.
fn tell_seeds(end: &CrawlEnd) {
    output::tell("error: no seed led to a page");
    for fault in &end.seed_faults {
        output::tell(&format!("  {fault}"));
    }
    if end.report.redirected > 0 && end.report.skipped.contains_key(&SkipReason::Scope) {
        let ways = "name its target as the seed, or widen `scope.seed_redirects` or `scope.mode`";
        output::tell(&format!("  a seed redirects out of the scope: {ways}"));
    }
}

fn judge(end: &CrawlEnd) -> Exit {
    match (&end.problem, end.stopped_by, end.report.ended) {
        (Some(problem), _, _) => {
            output::tell(&format!("error: {problem}"));
            match problem {
                Problem::Internal(_) => Exit::Internal,
                Problem::Storage(_) => Exit::Storage,
            }
        }
        (None, Some(Signal::Interrupt), _) => Exit::Interrupted,
        (None, Some(Signal::Terminate), _) => Exit::Terminated,
        (None, None, Ended::Finished) if end.report.done == 0 => {
            tell_seeds(end);
            Exit::NothingStarted
        }
        (None, None, _) => Exit::Done,
    }
}
