//! Gathers what configuration and state folder know of a URL, and writes it.

use dragline::core::frontier::{Frontier, Past, RobotsView};
use dragline::core::scope::Scope;
use dragline::core::url::Fingerprinter;
use dragline::core::{CanonicalUrl, Time};
use serde_json::json;

use super::story::Story;
use super::trace::{Rules, Step, Verdict, no_url};
use crate::args::ExplainArgs;
use crate::exit::{Exit, Fault};
use crate::export::Row;
use crate::look::{Look, unreadable};
use crate::output::data;
use crate::state::{Description, of_log};

/// Columns of a step's name and of what it says.
const NAME_COLUMNS: usize = 8;
const SAYS_COLUMNS: usize = 64;

/// Runs `dragline explain`.
pub(crate) fn run(args: &ExplainArgs) -> Result<Exit, Fault> {
    let look = Look::at(&args.state)?;
    let (steps, story) = match CanonicalUrl::parse(&args.url) {
        Ok(url) => explain(&look, &url)?,
        Err(error) => (vec![no_url(&error)], Story { standing: None, past: Vec::new() }),
    };
    let headline = story.headline(&steps);
    if args.json {
        let history: Vec<Row<'_>> = story.past.iter().map(Row::of).collect();
        let value = json!({
            "type": "explain",
            "url": args.url,
            "says": headline,
            "steps": steps,
            "history": history,
        });
        data(&value.to_string())?;
        return Ok(Exit::Done);
    }
    data(&headline)?;
    let mut is_stopped = false;
    for (number, step) in (1..).zip(&steps) {
        data(&line(number, step, is_stopped))?;
        is_stopped |= step.verdict == Verdict::Stop;
    }
    for line in story.lines() {
        data(&line)?;
    }
    if !look.holds_run() {
        data("no crawl's state here: this is what the configuration alone says")?;
    }
    Ok(Exit::Done)
}

/// Asks the rules, and the crawl if there is one.
fn explain(look: &Look, url: &CanonicalUrl) -> Result<(Vec<Step>, Story), Fault> {
    let found = if look.holds_run() { look.frontier()? } else { None };
    let mut story = Story { standing: None, past: Vec::new() };
    let mut robots: Option<RobotsView> = None;
    let mut scope = Scope::new(look.plan.rules.scope.clone());
    if let Some(mut found) = found {
        let fingerprint = Fingerprinter::new(look.meta()?.seed).of(url);
        scope = found.machine.scope().clone();
        story.standing = found.machine.seen().get(fingerprint);
        robots = Some(found.machine.robots(Time::ZERO, url));
        for entry in found.history.find(fingerprint.0).map_err(of_log)? {
            let past = Past::read(&entry.payload).map_err(|_| unreadable(look, entry.number))?;
            story.past.push(past);
        }
    }
    if look.holds_run() {
        let meta = look.meta()?;
        let description = Description::read(&meta.crawl, &look.dir).map_err(of_log)?;
        description
            .seeds()
            .filter_map(|seed| CanonicalUrl::parse(seed).ok())
            .for_each(|seed| scope.add_seed(&seed));
    }
    look.plan.seeds.iter().for_each(|seed| scope.add_seed(&seed.url));
    let rules = Rules { plan: &look.plan, origins: &look.origins, scope: &scope, robots };
    Ok((rules.trace(url), story))
}

/// ` 4 exclude  STOP  "*/calendar/*" matches            dragline.toml:21`
fn line(number: usize, step: &Step, is_stopped: bool) -> String {
    let word = match step.verdict {
        Verdict::Ok => "ok",
        Verdict::Stop => "STOP",
        Verdict::Unknown => "?",
    };
    // What stands behind a stop is never asked.
    let number = if is_stopped { "-".to_owned() } else { number.to_string() };
    let place = step.place.as_deref().unwrap_or_default();
    let line =
        format!(" {number} {:NAME_COLUMNS$} {word:4}  {:SAYS_COLUMNS$}  {place}", step.name, step.says);
    line.trim_end().to_owned()
}
