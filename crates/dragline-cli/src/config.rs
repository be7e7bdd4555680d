//! Loads settings from files, environment and flags, and checks them on request.

use std::path::{Path, PathBuf};

use dragline::config::{Loader, Origins, Plan, from_environment};
use dragline::engine::Network;

use crate::args::{ConfigCommand, RunArgs, SettingArgs, StateArgs, When};
use crate::exit::{Exit, Fault};
use crate::output;

/// Begins with the layers that every command has: files, environment, `--set`.
pub(crate) fn loader(settings: &SettingArgs) -> Loader {
    let files = match &settings.config {
        Some(file) => Loader::new().file(file),
        None => Loader::new().search(),
    };
    let loader = files.environment(from_environment());
    settings.set.iter().fold(loader, |loader, assignment| loader.set(assignment))
}

/// Loads what `run` was told, all mistakes at once.
pub(crate) fn of_run(args: &RunArgs) -> Result<(Plan, Origins), Fault> {
    let mut loader = loader(&args.settings);
    let number = |number: u32| i64::from(number);
    if let Some(dir) = &args.out {
        loader = loader.flag("output.dir", dir.display().to_string(), "--out");
    }
    if let Some(dir) = &args.state {
        loader = loader.flag("state.dir", absolute(dir).display().to_string(), "--state");
    }
    if let Some(depth) = args.depth {
        loader = loader.flag("scope.depth_max", number(depth), "--depth");
    }
    if let Some(urls) = args.max_urls {
        loader = loader.flag("scope.urls_max", number(urls), "--max-urls");
    }
    if let Some(delay) = &args.delay {
        loader = loader.flag("politeness.delay", delay.as_str(), "--delay");
        loader = loader.flag("politeness.adaptive", false, "--delay");
    }
    if let Some(fetches) = args.concurrency {
        loader = loader.flag("fetch.concurrency", number(fetches), "--concurrency");
    }
    if let Some(fetches) = args.per_host {
        loader = loader.flag("politeness.concurrency", number(fetches), "--per-host");
    }
    if let Some(contact) = &args.contact {
        loader = loader.flag("agent.contact", contact.as_str(), "--contact");
    }
    if let Some(address) = &args.listen {
        loader = loader.flag("admin.listen", address.as_str(), "--listen");
    }
    loader = args.urls.iter().fold(loader, |loader, url| loader.seed(url));
    let (mut plan, origins) = load(&loader, args.show.color)?;
    plan.guard.allow_networks.extend(&args.allow_net);
    plan.output.fresh |= args.fresh;
    Ok((plan, origins))
}

/// Loads the settings of a command that looks at a crawl's state.
pub(crate) fn of_state(args: &StateArgs) -> Result<(Plan, Origins), Fault> {
    let mut loader = loader(&args.settings).seeds_optional();
    if let Some(dir) = &args.out {
        loader = loader.flag("output.dir", dir.display().to_string(), "--out");
    }
    if let Some(dir) = &args.state {
        loader = loader.flag("state.dir", absolute(dir).display().to_string(), "--state");
    }
    load(&loader, When::Auto)
}

/// Returns a path of the command line, which counts from where the program was started.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Reads the files and secrets that the network needs, and names all that cannot be read.
pub(crate) fn network(plan: &Plan) -> Result<Network, Fault> {
    Network::of_plan(plan).map_err(|errors| {
        let lines: Vec<String> = errors.0.iter().map(|error| format!("error: {error}")).collect();
        Fault::new(Exit::Config, anyhow::anyhow!("{}", lines.join("\n")))
    })
}

/// Loads, and shows every mistake with the line it stands on.
pub(crate) fn load(loader: &Loader, color: When) -> Result<(Plan, Origins), Fault> {
    loader.load().map_err(|errors| {
        let text = errors.render(output::color_on_stderr(color));
        Fault::new(Exit::Config, anyhow::anyhow!("{text}"))
    })
}

/// Runs `dragline config`.
pub(crate) fn run(command: &ConfigCommand) -> Result<Exit, Fault> {
    let ConfigCommand::Check(settings) = command;
    let (plan, _) = load(&loader(settings).seeds_optional(), When::Auto)?;
    network(&plan)?;
    let seeds = output::counted(u64::try_from(plan.seeds.len()).unwrap_or(u64::MAX), "seed");
    output::data(&format!("ok: {seeds}, agent {}", plan.rules.agent.user_agent()))?;
    Ok(Exit::Done)
}
