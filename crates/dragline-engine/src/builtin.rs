//! Makes the handlers that are part of Dragline.

use std::sync::Arc;

use dragline_config::{HandlerKind, HandlerPlan};
use dragline_core::pattern::Pattern;
use dragline_core::restart::RestartRules;
use dragline_core::roster::PoolRules;
use dragline_core::rules::CrawlRules;
use dragline_core::{Handled, Page};
use dragline_page::{ExtractRules, extract};
use dragline_telemetry::Telemetry;
use dragline_telemetry::events::PageDirectives;
use serde::Serialize;

use crate::handler::{HandleError, Route};

/// Makes the route that a plan asks for.
pub(crate) fn route(
    plan: &HandlerPlan,
    rules: &CrawlRules,
    restarts: &RestartRules,
    telemetry: &Arc<Telemetry>,
) -> Route {
    let mut route = match plan.kind {
        HandlerKind::ExtractLinks => extract_links(&plan.name, rules, telemetry),
        HandlerKind::ExtractTitles => extract_titles(&plan.name, rules),
    };
    route.content_types = plan.content_types.iter().map(|pattern| Pattern::new(pattern)).collect();
    route.labels = plan.labels.iter().map(|label| label.as_str().into()).collect();
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    route.pool(PoolRules {
        workers: count(plan.workers),
        credits: count(plan.credits),
        timeout: plan.timeout,
        restarts: restarts.clone(),
    })
}

/// What is written of a page with a title.
#[derive(Serialize)]
struct Title<'a> {
    url: &'a str,
    title: &'a str,
}

/// Makes an item of each page that has a title.
fn extract_titles(name: &str, rules: &CrawlRules) -> Route {
    let rules = ExtractRules::of(rules);
    Route::closure(name, move |page: &Page| -> Result<Handled, HandleError> {
        let mut handled = Handled::default();
        if let Some(title) = extract(page, &rules).title {
            handled.item(&Title { url: page.url.as_str(), title: &title })?;
        }
        Ok(handled)
    })
}

/// Finds the links of HTML pages and counts what pages say about themselves to crawlers.
pub(crate) fn extract_links(name: &str, rules: &CrawlRules, telemetry: &Arc<Telemetry>) -> Route {
    let (rules, telemetry) = (ExtractRules::of(rules), Arc::clone(telemetry));
    Route::closure(name, move |page: &Page| {
        let found = extract(page, &rules);
        let directives =
            PageDirectives { noindex: found.directives.noindex, nofollow: found.directives.nofollow };
        directives.record(&telemetry);
        Handled::from(found)
    })
}
