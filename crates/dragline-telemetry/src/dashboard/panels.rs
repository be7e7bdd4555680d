//! Decides what the dashboard shows, and where.

use super::model::{
    CHOSEN, Choice, Custom, Dashboard, Datasource, Defaults, FieldConfig, GridPos, List, Options, Panel,
    Target, TimeRange, Variable,
};
use super::query::{
    buckets, fill_by, increase_by, quantile, quantile_by, rate, rate_by, rate_by_where, select, share, sum,
    sum_by,
};
use crate::names;

/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;

/// Builds the dashboard: seven rows, every family of [`names::ALL`] in at least one panel.
pub fn dashboard() -> Dashboard {
    let mut board = Board::default();
    board.row("Overview", 4, 4, overview());
    board.row("Fetch: rate, errors, duration", 8, 8, fetch());
    board.row("Frontier", 6, 8, frontier());
    board.row("Politeness", 6, 8, politeness());
    board.row("Actors, handlers, sinks", 6, 8, actors());
    board.row("Sessions", 6, 7, sessions());
    board.row("Process", 6, 7, process());
    Dashboard {
        uid: "dragline-crawl",
        title: "Dragline crawl",
        tags: ["dragline"],
        timezone: "browser",
        schema_version: 39,
        version: 1,
        editable: true,
        refresh: "10s",
        time: TimeRange { from: "now-1h", to: "now" },
        graph_tooltip: 1,
        templating: List { list: variables() },
        annotations: List { list: Vec::new() },
        panels: board.panels,
    }
}

fn overview() -> Vec<Panel> {
    let failed = r#"class=~"5xx|error""#;
    let state = format!("max by (state) ({}) == 1", select(names::STATE.name));
    let build = format!("count by (version, revision) ({})", select(names::BUILD_INFO.name));
    vec![
        stat("Fetch rate", "reqps", rate(&names::FETCHES)),
        stat("Failure ratio", "percentunit", share(&names::FETCHES, failed)),
        stat("p95 fetch", "s", quantile(0.95, &names::FETCH_DURATION)),
        stat("Ready URLs", "short", sum_where(&names::FRONTIER_URLS, r#"state="ready""#)),
        stat("Received", "Bps", rate(&names::RECEIVED_BYTES)),
        stat("Hosts backing off", "short", sum_where(&names::FRONTIER_HOSTS, r#"state="backing_off""#)),
        named_stat("State", state, "{{state}}"),
        stat("robots.txt obeyed", "bool_yes_no", format!("min({})", select(names::ROBOTS_OBEYED.name))),
        named_stat("Build", build, "{{version}} {{revision}}"),
        stat("Oldest ready URL", "s", format!("max({})", select(names::FRONTIER_OLDEST_READY.name))),
        stat("Items per second", "wps", rate(&names::ITEMS)),
        stat("Stale answers", "reqps", rate(&names::STALE_ANSWERS)),
    ]
}

fn sum_where(family: &names::Family, matcher: &str) -> String {
    format!("sum({})", super::query::select_where(family.name, matcher))
}

fn fetch() -> Vec<Panel> {
    let duration = &names::FETCH_DURATION;
    let body = &names::RESPONSE_BODY;
    vec![
        lines("Fetches by class", "reqps", [(rate_by("class", &names::FETCHES), "{{class}}")]),
        lines("Errors by kind", "reqps", [(rate_by("kind", &names::FETCH_ERRORS), "{{kind}}")]),
        lines("Responses by status", "reqps", [(rate_by("code", &names::RESPONSES), "{{code}}")]),
        lines(
            "Duration p50/p95/p99",
            "s",
            [
                (quantile(0.5, duration), "p50"),
                (quantile(0.95, duration), "p95"),
                (quantile(0.99, duration), "p99"),
            ],
        ),
        lines("p95 by phase", "s", [(quantile_by(0.95, "phase", &names::FETCH_PHASE_DURATION), "{{phase}}")]),
        heatmap("Duration heatmap", "s", buckets(duration)),
        lines(
            "In flight and limit",
            "short",
            [(sum(&names::FETCHES_IN_FLIGHT), "in flight"), (sum(&names::FETCH_CONCURRENCY_LIMIT), "limit")],
        ),
        lines("Wait from ready to leased, p95", "s", [(quantile(0.95, &names::FETCH_QUEUE_WAIT), "p95")]),
        lines(
            "Retries by reason, redirects",
            "reqps",
            [
                (rate_by("reason", &names::FETCH_RETRIES), "retry {{reason}}"),
                (rate(&names::REDIRECTS), "redirects"),
            ],
        ),
        lines(
            "Bytes per second",
            "Bps",
            [(rate(&names::RECEIVED_BYTES), "received"), (rate(&names::SENT_BYTES), "sent")],
        ),
        lines("Body size p50/p95", "bytes", [(quantile(0.5, body), "p50"), (quantile(0.95, body), "p95")]),
        lines(
            "Connections and name look-ups",
            "short",
            [
                (sum_by("state", &names::CONNECTIONS), "{{state}}"),
                (rate_by("kind", &names::CONNECTIONS_MADE), "{{kind}} per second"),
                (rate_by("result", &names::DNS_LOOKUPS), "dns {{result}} per second"),
            ],
        ),
    ]
}

fn frontier() -> Vec<Panel> {
    let commit = &names::COMMIT_DURATION;
    vec![
        lines("URLs by state", "short", [(sum_by("state", &names::FRONTIER_URLS), "{{state}}")]),
        lines("Hosts by state", "short", [(sum_by("state", &names::FRONTIER_HOSTS), "{{state}}")]),
        lines("URLs over all lives", "short", [(sum_by("disposition", &names::URLS), "{{disposition}}")]),
        lines("Links by result", "cps", [(rate_by("result", &names::LINKS), "{{result}}")]),
        lines("Discovered by source", "cps", [(rate_by("source", &names::FRONTIER_ADDED), "{{source}}")]),
        lines(
            "Ended by disposition",
            "cps",
            [(rate_by("disposition", &names::FRONTIER_FINISHED), "{{disposition}}")],
        ),
        lines("Skipped by reason", "cps", [(rate_by("reason", &names::FRONTIER_SKIPPED), "{{reason}}")]),
        lines(
            "Credits in use",
            "percentunit",
            [(fill_by("edge", &names::CREDITS_IN_USE, &names::CREDITS_MAX), "{{edge}}")],
        ),
        lines(
            "Commits per second, pages in none",
            "short",
            [(rate(&names::COMMITS), "commits per second"), (sum(&names::UNCOMMITTED_URLS), "uncommitted")],
        ),
        lines(
            "Commit time p50/p95/p99",
            "s",
            [
                (quantile(0.5, commit), "p50"),
                (quantile(0.95, commit), "p95"),
                (quantile(0.99, commit), "p99"),
            ],
        ),
    ]
}

fn politeness() -> Vec<Panel> {
    let denied = rate_by_where("decision", &names::ROBOTS_DECISIONS, r#"decision!="allowed""#);
    let delay = &names::POLITENESS_DELAY;
    vec![
        lines(
            "Backoffs and robots denials",
            "cps",
            [(rate_by("trigger", &names::BACKOFFS), "{{trigger}}"), (denied, "robots {{decision}}")],
        ),
        lines("robots.txt by result", "cps", [(rate_by("result", &names::ROBOTS_FETCHES), "{{result}}")]),
        lines(
            "Gap between fetches of a host",
            "s",
            [(quantile(0.5, delay), "p50"), (quantile(0.95, delay), "p95")],
        ),
        lines("Page directives", "cps", [(rate_by("directive", &names::PAGE_DIRECTIVES), "{{directive}}")]),
    ]
}

fn actors() -> Vec<Panel> {
    let fill = fill_by("actor", &names::ACTOR_MAILBOX_MESSAGES, &names::ACTOR_MAILBOX_CAPACITY);
    let results = rate_by("handler,outcome", &names::HANDLER_RESULTS);
    vec![
        lines("Mailbox fill", "percentunit", [(fill, "{{actor}}")]),
        lines(
            "Messages",
            "cps",
            [
                (rate_by("actor", &names::ACTOR_MESSAGES), "{{actor}}"),
                (rate_by("actor", &names::ACTOR_REJECTED), "{{actor}} rejected"),
            ],
        ),
        lines(
            "Instances and restarts",
            "short",
            [
                (sum_by("actor", &names::ACTOR_INSTANCES), "{{actor}}"),
                (increase_by("actor", &names::ACTOR_RESTARTS), "{{actor}} restarts"),
            ],
        ),
        lines("Arbiter lag p99", "s", [(quantile_by(0.99, "arbiter", &names::ARBITER_LAG), "{{arbiter}}")]),
        lines("Handler p95", "s", [(quantile_by(0.95, "handler", &names::HANDLER_DURATION), "{{handler}}")]),
        lines("Handler results", "cps", [(results, "{{handler}} {{outcome}}")]),
        lines("Dead letters", "short", [(increase_by("handler", &names::DEAD_LETTERS), "{{handler}}")]),
        lines("Items by sink", "wps", [(rate_by("sink", &names::ITEMS), "{{sink}}")]),
    ]
}

fn sessions() -> Vec<Panel> {
    let took = &names::CALLBACK_DURATION;
    vec![
        lines("Fetches by result", "reqps", [(rate_by("result", &names::SESSION_FETCHES), "{{result}}")]),
        lines("Outstanding fetches", "short", [(sum(&names::SESSION_OUTSTANDING), "outstanding")]),
        lines("Callbacks by result", "cps", [(rate_by("result", &names::CALLBACKS), "{{result}}")]),
        lines("Callback time", "s", [(quantile(0.5, took), "p50"), (quantile(0.95, took), "p95")]),
    ]
}

fn process() -> Vec<Panel> {
    let cpu = format!("rate({}[$__rate_interval])", select("process_cpu_seconds_total"));
    vec![
        lines("CPU", "percentunit", [(cpu, "{{instance}}")]),
        lines(
            "Memory",
            "bytes",
            [
                (select("process_resident_memory_bytes"), "{{instance}}"),
                (select(names::FRONTIER_MEMORY.name), "{{instance}} URLs and hosts"),
            ],
        ),
        lines(
            "File descriptors",
            "short",
            [
                (select("process_open_fds"), "{{instance}} open"),
                (select("process_max_fds"), "{{instance}} max"),
            ],
        ),
        lines("Log events by level", "cps", [(rate_by("level", &names::LOG_EVENTS), "{{level}}")]),
    ]
}

fn variables() -> Vec<Variable> {
    let build = names::BUILD_INFO.name;
    let query = |name, query| Variable {
        name,
        kind: "query",
        datasource: Some(CHOSEN),
        query,
        include_all: Some(true),
        multi: Some(true),
        refresh: Some(2),
        current: Choice { text: "All", value: "$__all" },
        options: [],
    };
    vec![
        Variable {
            name: "datasource",
            kind: "datasource",
            datasource: None,
            query: "prometheus".into(),
            include_all: None,
            multi: None,
            refresh: None,
            current: Choice { text: "Prometheus", value: "prometheus" },
            options: [],
        },
        query("job", format!("label_values({build}, job)")),
        query("instance", format!("label_values({build}{{job=~\"$job\"}}, instance)")),
    ]
}

fn panel<const N: usize>(
    kind: &'static str,
    title: &'static str,
    unit: &'static str,
    queries: [(String, &'static str); N],
) -> Panel {
    let targets = ('A'..).zip(queries).map(|(letter, (expr, legend_format))| Target {
        ref_id: letter.to_string(),
        datasource: CHOSEN,
        expr,
        legend_format,
        format: (kind == "heatmap").then_some("heatmap"),
    });
    Panel {
        id: 0,
        kind,
        title,
        datasource: Some(CHOSEN),
        grid_pos: GridPos::default(),
        collapsed: None,
        panels: None,
        field_config: Some(FieldConfig {
            defaults: Defaults {
                unit,
                custom: Custom { span_nulls: (kind == "timeseries").then_some(true) },
            },
            overrides: [],
        }),
        options: Some(Options { calculate: (kind == "heatmap").then_some(false), text_mode: None }),
        targets: targets.collect(),
    }
}

fn lines<const N: usize>(
    title: &'static str,
    unit: &'static str,
    queries: [(String, &'static str); N],
) -> Panel {
    panel("timeseries", title, unit, queries)
}

fn stat(title: &'static str, unit: &'static str, expr: String) -> Panel {
    panel("stat", title, unit, [(expr, "")])
}

/// A stat that shows the name of its series, not its value.
fn named_stat(title: &'static str, expr: String, legend: &'static str) -> Panel {
    let mut panel = panel("stat", title, "short", [(expr, legend)]);
    panel.options = Some(Options { calculate: None, text_mode: Some("name") });
    panel
}

fn heatmap(title: &'static str, unit: &'static str, expr: String) -> Panel {
    panel("heatmap", title, unit, [(expr, "{{le}}")])
}

/// Lays panels out from left to right and from the top.
#[derive(Default)]
struct Board {
    panels: Vec<Panel>,
    top: u32,
}

impl Board {
    fn row(&mut self, title: &'static str, w: u32, h: u32, panels: Vec<Panel>) {
        let heading = Panel {
            id: 0,
            kind: "row",
            title,
            datasource: None::<Datasource>,
            grid_pos: GridPos { x: 0, y: self.top, w: COLUMNS, h: 1 },
            collapsed: Some(false),
            panels: Some([]),
            field_config: None,
            options: None,
            targets: Vec::new(),
        };
        self.push(heading);
        self.top += 1;
        let mut x = 0;
        for mut panel in panels {
            if x + w > COLUMNS {
                x = 0;
                self.top += h;
            }
            panel.grid_pos = GridPos { x, y: self.top, w, h };
            self.push(panel);
            x += w;
        }
        self.top += h;
    }

    fn push(&mut self, mut panel: Panel) {
        panel.id = u32::try_from(self.panels.len() + 1).unwrap_or(u32::MAX);
        self.panels.push(panel);
    }
}
