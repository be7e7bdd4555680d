//! Tells how a crawl stands, from its state folder: what is durable, and who works on it.

use dragline::core::Wall;
use dragline::core::frontier::Frontier;
use dragline::core::report::{grouped, short_duration};
use dragline::engine::Clock;
use dragline::frontier::{Inspected, Owner};
use serde_json::json;

use crate::args::StatusArgs;
use crate::exit::{Exit, Fault};
use crate::look::Look;
use crate::output::{data, tell};

/// Runs `dragline status`.
pub(crate) fn run(args: &StatusArgs) -> Result<Exit, Fault> {
    let look = Look::at(&args.state)?;
    look.meta()?;
    let owner = Owner::living(&look.dir).map_err(Fault::nothing_started)?;
    let found = look.frontier()?;
    let now = Clock::start().wall_start();
    if args.json {
        data(&as_json(&look, owner.as_ref(), found.as_ref())?.to_string())?;
    } else {
        for line in lines(&look, owner.as_ref(), found.as_ref(), now)? {
            data(&line)?;
        }
    }
    if let Some(address) = look.plan.admin.listen.filter(|_| owner.is_some()) {
        tell(&format!("live numbers: http://{address}/metrics"));
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
    let mut lines = vec![format!("run {} begun {}: {runs}", meta.run, meta.created)];
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
    lines.extend(found.body.marks.iter().filter(|mark| !mark.position.starts_with('{')).map(|mark| {
        let position = &mark.position;
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
