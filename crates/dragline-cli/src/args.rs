//! Describes the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dragline::config::HumanDuration;
use dragline::core::fetch::Method;
use ipnet::IpNet;

use crate::exit::Exit;
use crate::fetch::asked;

/// Crawl politely, account for every URL.
#[derive(Debug, Parser)]
#[command(name = "dragline", version, after_help = Exit::HELP, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Crawl from seeds and write results, a report and metrics
    #[command(after_help = Exit::HELP)]
    Run(Box<RunArgs>),
    /// Fetch URLs once, through the same guards as a crawl, and write one JSON record for each
    #[command(after_help = crate::fetch::HELP)]
    Fetch(Box<FetchArgs>),
    /// Write what became of the URLs of a crawl, which may be running: one line or row for each
    Export(ExportArgs),
    /// Tell how a crawl stands, which may be running, as of its last commit
    Status(StatusArgs),
    /// Tell why a URL is fetched or not: each rule in order with its place, and what happened to the URL
    Explain(ExplainArgs),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Crawl a built-in site on loopback: needs no network and nothing installed
    Demo(DemoArgs),
    /// Crawl simulated webs in simulated time, check that every promise is kept, and say how long a web would take
    #[command(after_help = Exit::HELP)]
    Simulate(SimulateArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check every file and flag, and name all mistakes at once
    Check(SettingArgs),
}

/// Where settings come from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingArgs {
    /// Configuration file; without it ./dragline.toml and the files of system and user are looked for
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one key, as in --set fetch.concurrency=64; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Which crawl is looked at.
#[derive(Clone, Debug, Args)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// Folder of the crawl's results (key `output.dir`)
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Folder of the crawl's state; without it `state` in the folder of the results (key `state.dir`)
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}

/// What is shown, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArgs {
    /// Log less: errors only; twice: nothing at all
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "verbose")]
    pub(crate) quiet: u8,
    /// Log more: -v debug, -vv trace
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Form of the log on standard error
    #[arg(long, value_name = "FORM", value_enum)]
    pub(crate) log_format: Option<LogForm>,
    /// Whether progress is shown: a bar on a terminal, a line each 10 s elsewhere
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub(crate) progress: Progress,
    /// Whether text on standard error is coloured
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub(crate) color: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    Auto,
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    Auto,
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Seeds: URLs to start from, beside those of [seeds]
    #[arg(value_name = "URL")]
    pub(crate) urls: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Folder of the results (key `output.dir`)
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Start over: remove state and results of an earlier run, and nothing else. Without it a crawl that was cut short
    /// goes on
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Folder of the state, from which a crawl goes on that was cut short; without it `state` in the folder of the
    /// results (key `state.dir`)
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Links from a seed (key `scope.depth_max`)
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<u32>,
    /// URLs fetched at least once; the rest end skipped(budget) (key `scope.urls_max`)
    #[arg(long, value_name = "N")]
    pub(crate) max_urls: Option<u32>,
    /// Fix the gap between two fetches of one host, as in 500ms: no adaptive part (key `politeness.delay`)
    #[arg(long, value_name = "DURATION")]
    pub(crate) delay: Option<String>,
    /// Fetches under way, all hosts together (key `fetch.concurrency`)
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<u32>,
    /// Fetches under way at one host (key `politeness.concurrency`)
    #[arg(long, value_name = "N")]
    pub(crate) per_host: Option<u32>,
    /// Open a network that is refused by default, as in 127.0.0.0/8; adds to (key `security.allow_networks`)
    #[arg(long, value_name = "CIDR")]
    pub(crate) allow_net: Vec<IpNet>,
    /// URL or e-mail address of the operator, sent in User-Agent (key `agent.contact`)
    #[arg(long, value_name = "URL")]
    pub(crate) contact: Option<String>,
    /// Address of /metrics, /healthz and /readyz; "" turns them off (key `admin.listen`)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// What to fetch; user:password@ in front of the host is sent as Basic credentials, to that origin only
    #[arg(value_name = "URL", required_unless_present = "urls_file")]
    pub(crate) urls: Vec<String>,
    /// Fetch the URLs of this file too: one a line, # begins a comment line; - is standard input
    #[arg(long = "urls", value_name = "FILE")]
    pub(crate) urls_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// Write the records to this file in place of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: Option<PathBuf>,
    /// Time for one fetch: all redirects, robots.txt and waits for a turn together (key `fetch.deadline`)
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<String>,
    /// Most bytes of a body, as received and as decoded, each, as in 10MiB (key `fetch.body_bytes_max`)
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_body: Option<String>,
    /// Open a network that is refused by default; adds to (key `security.allow_networks`)
    #[arg(long, value_name = "CIDR")]
    pub(crate) allow_net: Vec<IpNet>,
    /// URL or e-mail address of the operator (key `agent.contact`)
    #[arg(long, value_name = "URL")]
    pub(crate) contact: Option<String>,
    /// Send a field with every request, as in 'Accept-Language: en'; may be repeated. Authorization and Cookie stay
    /// behind when a redirect leads to another origin
    #[arg(long, value_name = "FIELD", value_parser = asked::field)]
    pub(crate) header: Vec<(Box<str>, Box<str>)>,
    /// GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS
    #[arg(long, value_name = "METHOD", value_parser = asked::method)]
    pub(crate) method: Option<Method>,
    /// Send this content; @FILE reads it from a file, @- from standard input. The method is then POST and the type
    /// that of a form, unless --method or --header say otherwise
    #[arg(long, value_name = "DATA", conflicts_with = "head")]
    pub(crate) data: Option<String>,
    /// Write the decoded body to this file; - is standard output, without records. With one URL only
    #[arg(long, value_name = "FILE", conflicts_with = "urls_file")]
    pub(crate) output: Option<PathBuf>,
    /// Ask for the head alone (HEAD)
    #[arg(long, conflicts_with = "method")]
    pub(crate) head: bool,
    /// Tell people how each fetch went, on standard error
    #[arg(long)]
    pub(crate) phases: bool,
    /// Do not follow redirects
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Do not ask robots.txt
    #[arg(long)]
    pub(crate) ignore_robots: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// urls: all that ended; skipped: those never fetched; errors: those given up
    #[arg(value_enum)]
    pub(crate) what: ExportWhat,
    /// Form of what is written to standard output
    #[arg(long, value_name = "FORM", value_enum, default_value = "jsonl")]
    pub(crate) format: ExportForm,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportWhat {
    Urls,
    Skipped,
    Errors,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    Jsonl,
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Write one JSON value
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The URL
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Write one JSON value
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder of the results; without it dragline-demo-out, where an earlier demo's are replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the results of an earlier run in that folder
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Address of /metrics, /healthz and /readyz; a free port by default
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: String,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Webs to crawl, each drawn from a seed of its own; 0: only say how long one would take
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value = "0")]
    pub(crate) seed_from: u64,
    /// Hosts of each web
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) hosts: u32,
    /// Pages of each web, all hosts together
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pages: u32,
    /// The least gap between two fetches of one host, as in 500ms; drawn with the other conditions by default
    #[arg(long, value_name = "DURATION")]
    pub(crate) delay: Option<HumanDuration>,
    /// What goes wrong beside the web
    #[arg(long, value_name = "WHICH", value_enum, default_value = "drawn")]
    pub(crate) faults: WhichFaults,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhichFaults {
    /// As each seed has it: few credits, actors that die, a disk that fills up, crashes, an operator who stops the crawl
    Drawn,
    /// Nothing, under usual conditions
    None,
}
