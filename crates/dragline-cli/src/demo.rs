//! Crawls the built-in site on loopback by the very same path as `run`.

use std::time::Duration;

use dragline::config::Loader;
use dragline_testkit::demo::DemoSite;

use crate::args::DemoArgs;
use crate::exit::{Exit, Fault};
use crate::{config, crawl, output, state};

/// The demo's own folder: it never replaces the results of a crawl.
const DEMO_OUT: &str = "dragline-demo-out";

/// Runs `dragline demo`.
pub(crate) fn run(args: &DemoArgs) -> Result<Exit, Fault> {
    let site = DemoSite::start().map_err(Fault::nothing_started)?;
    let out = args.out.clone().unwrap_or_else(|| DEMO_OUT.into());
    let loader = Loader::new()
        .flag("agent.name", "DraglineDemo", "demo")
        .flag("security.allow_networks", vec!["127.0.0.0/8"], "demo")
        .flag("politeness.delay", "0s", "demo")
        .flag("politeness.adaptive", false, "demo")
        .flag("politeness.concurrency", 8, "demo")
        .flag("fetch.concurrency", 64, "demo")
        .flag("retry.base", "50ms", "demo")
        .flag("output.dir", out.display().to_string(), "--out")
        .flag("admin.listen", args.listen.as_str(), "--listen");
    let loader = site.seeds().iter().fold(loader, |loader, seed| loader.seed(seed.as_str()));
    let (mut plan, origins) = config::load(&loader, args.show.color)?;
    // A folder that was named may hold a crawl that somebody wants to keep.
    plan.output.fresh = args.fresh || args.out.is_none();
    if !plan.output.fresh {
        state::refuse_earlier(&plan)?;
    }
    plan.admin.linger = Duration::ZERO;
    output::tell(&format!("demo site: {} hosts on loopback, generated", site.hosts().len()));
    crawl::crawl(&plan, origins, &args.show)
}
