//! Tells how a crawl stands: what is durable, who works on it, and what it counts while it runs.

use dragline::core::Wall;
use dragline::core::frontier::Frontier;
use dragline::core::report::{TOTALS_MARK, grouped, short_duration};
use dragline::engine::Clock;
use dragline::frontier::{Inspected, Owner};
use serde_json::json;

use crate::args::StatusArgs;
use crate::exit::{Exit, Fault};
use crate::live;
use crate::look::Look;
use crate::output::{counted, data};

/// Runs `dragline status`.
pub(crate) fn run(args: &StatusArgs) -> Result<Exit, Fault> {
    let look = Look::at(&args.state)?;
    look.meta()?;
    let owner = Owner::living(&look.dir).map_err(Fault::nothing_started)?;
    let found = look.frontier()?;
    let now = Clock::start().wall_start();
    // Whoever answers where nobody works on this crawl is another one.
    let admin = look.plan.admin.listen.filter(|_| owner.is_some());
    let live = admin.and_then(|address| Some((address, live::ask(address).ok()?)));
    // Gauges are set once a second: in the first one of a life they know less than the last commit.
    let known = found.as_ref().map_or(0, |found| found.machine.stats().discovered);
    let live = live.filter(|(_, counts)| counts.iter().map(|(_, count)| count).sum::<u64>() >= known.max(1));
    if args.json {
        let mut value = as_json(&look, owner.as_ref(), found.as_ref())?;
        if let Some((_, counts)) = &live {
            value["live"] = counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
        }
        data(&value.to_string())?;
    } else {
        for line in lines(&look, owner.as_ref(), found.as_ref(), now)? {
            data(&line)?;
        }
        if let Some((address, counts)) = &live {
            let counts: Vec<String> =
                counts.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
            data(&format!("now {}  (http://{address}/metrics)", counts.join("  ")))?;
        }
    }
    Ok(Exit::Done)
}

fn lines(
    look: &Look,
    owner: Option<&Owner>,
    found: Option<&Inspected>,
    now: Wall,
) -> Result<Vec<String>, Fault> {
    let meta = look.meta()?;
    let runs = owner.map_or("nobody works on it".into(), |owner| {
        format!("process {} works on it since {}", owner.pid, owner.since)
    });
    let starts = counted(meta.lives.into(), "start");
    let mut lines = vec![format!("run {} begun {}, {starts}: {runs}", meta.run, meta.created)];
    let Some(found) = found else {
        lines.push("nothing was committed yet".into());
        return Ok(lines);
    };
    let stats = found.machine.stats();
    let failed: u64 = stats.failed.values().sum();
    let skipped: u64 = stats.skipped.values().sum();
    lines.push(format!(
        "discovered {} = done {} + redirected {} + failed {} + skipped {} + pending {}",
        grouped(stats.discovered),
        grouped(stats.done),
        grouped(stats.redirected),
        grouped(failed),
        grouped(skipped),
        grouped(stats.pending),
    ));
    let age = short_duration(now.since(found.body.at));
    lines.push(format!("last commit {} at {}, {age} ago", found.epoch.0, found.body.at));
    let kibibytes = look.bytes()? >> 10;
    lines.push(format!("state {}: {} KiB", look.dir.display(), grouped(kibibytes)));
    lines.extend(found.body.marks.iter().filter(|mark| &*mark.sink != TOTALS_MARK).map(|mark| {
        // A sink of somebody else may write its marks as it likes.
        let rows = mark.position.split_once(' ').and_then(|(_, json)| {
            let value: serde_json::Value = serde_json::from_str(json).ok()?;
            value["rows"].as_u64()
        });
        let position = rows.map_or_else(|| mark.position.to_string(), |rows| counted(rows, "row"));
        format!("sink {}: {position}", mark.sink)
    }));
    Ok(lines)
}

fn as_json(
    look: &Look,
    owner: Option<&Owner>,
    found: Option<&Inspected>,
) -> Result<serde_json::Value, Fault> {
    let meta = look.meta()?;
    let mut value = json!({
        "type": "status",
        "run": meta.run.to_string(),
        "created": meta.created,
        "starts": meta.lives,
        "pid": owner.map(|owner| owner.pid),
        "since": owner.map(|owner| owner.since.clone()),
        "state_bytes": look.bytes()?,
    });
    if let Some(found) = found {
        let stats = found.machine.stats();
        value["commit"] = json!({"epoch": found.epoch.0, "at": found.body.at.to_string()});
        value["discovered"] = stats.discovered.into();
        value["done"] = stats.done.into();
        value["redirected"] = stats.redirected.into();
        value["failed"] = stats.failed.values().sum::<u64>().into();
        value["skipped"] = stats.skipped.values().sum::<u64>().into();
        value["pending"] = stats.pending.into();
        let marks = found.body.marks.iter();
        value["marks"] = marks.map(|mark| json!({"sink": mark.sink, "position": mark.position})).collect();
    }
    Ok(value)
}
