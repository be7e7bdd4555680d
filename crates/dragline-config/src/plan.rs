//! Holds everything one run was told: the checked values that the engine is built from.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use dragline_core::CanonicalUrl;
use dragline_core::fetch::{FetchLimits, HttpVersion};
use dragline_core::recrawl::{Adaptive, RecrawlRules};
use dragline_core::rules::{CrawlRules, GuardRules};

use crate::network::NetworkPlan;
use crate::origins::Place;

/// Everything one run was told; made by [`crate::Loader::load`], or by hand from its default.
///
/// The default has no seeds, one handler that extracts links, and no sinks beside those of `[output] dir`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The URLs the crawl starts from, in the order given, without duplicates.
    pub seeds: Vec<Seed>,
    /// The rules of the crawl.
    pub rules: CrawlRules,
    /// Which addresses may be dialled beyond the public ones.
    pub guard: GuardRules,
    /// How much is fetched at a time, within which limits.
    pub fetch: FetchPlan,
    /// How the network is reached.
    pub network: NetworkPlan,
    /// Where results go.
    pub output: OutputPlan,
    /// Where the crawl's state is kept, and how large it may become.
    pub state: StatePlan,
    /// What is visited again.
    pub recrawl: RecrawlPlan,
    /// The handlers that are part of Dragline, each with a name of its own.
    pub handlers: Vec<HandlerPlan>,
    /// Sinks beside those of `[output] dir`, each with a name of its own.
    pub sinks: Vec<SinkPlan>,
    /// How dead actors are started again.
    pub actors: ActorsPlan,
    /// The admin server.
    pub admin: AdminPlan,
    /// The program's log.
    pub log: LogPlan,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seeds: Vec::new(),
            rules: CrawlRules { redirects_max: 10, ..CrawlRules::default() },
            guard: GuardRules::default(),
            fetch: FetchPlan::default(),
            network: NetworkPlan::default(),
            output: OutputPlan::default(),
            state: StatePlan::default(),
            recrawl: RecrawlPlan::default(),
            handlers: vec![HandlerPlan::default()],
            sinks: Vec::new(),
            actors: ActorsPlan::default(),
            admin: AdminPlan::default(),
            log: LogPlan::default(),
        }
    }
}

impl Plan {
    /// Returns the folder of the crawl's state: inside that of the output unless it was written as an absolute path.
    pub fn state_dir(&self) -> PathBuf {
        self.output.dir.join(&self.state.dir)
    }
}

/// A URL the crawl starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The URL.
    pub url: CanonicalUrl,
    /// Where it was written.
    pub origin: Place,
}

/// How much is fetched at a time, within which limits.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchPlan {
    /// Fetches under way, whole process; at least 1.
    pub concurrency: u32,
    /// Fetchers, each on an arbiter (thread) of its own; `None`: one for each core, at most one for each fetch.
    pub fetchers: Option<u32>,
    /// Pages between lease and settle; 2 x concurrency unless told otherwise; at least 1.
    pub pages_max: u32,
    /// Bytes of bodies in memory, all fetches together.
    pub bodies_bytes_max: u64,
    /// The versions of HTTP that are offered; 1.1 is always one of them.
    pub http_versions: Vec<HttpVersion>,
    /// The limits of one fetch.
    pub limits: FetchLimits,
    /// The `Accept` field that is sent.
    pub accept: String,
}

impl Default for FetchPlan {
    fn default() -> Self {
        Self {
            concurrency: 256,
            fetchers: None,
            pages_max: 512,
            bodies_bytes_max: 128 << 20,
            http_versions: vec![HttpVersion::Http1],
            limits: FetchLimits::default(),
            accept: "text/html, application/xhtml+xml;q=0.9, */*;q=0.1".into(),
        }
    }
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPlan {
    /// The folder of `pages.jsonl`, `items.jsonl`, `skipped.jsonl` and `report.json`.
    pub dir: PathBuf,
    /// Whether output of an earlier run is replaced; only the command line says so.
    pub fresh: bool,
    /// Rows of `skipped.jsonl`; skips beyond are only counted.
    pub skipped_rows_max: u64,
    /// How its files of rows are divided.
    pub files: FilesPlan,
}

impl Default for OutputPlan {
    fn default() -> Self {
        Self {
            dir: "dragline-out".into(),
            fresh: false,
            skipped_rows_max: 1_000_000,
            files: FilesPlan::default(),
        }
    }
}

/// Where the crawl's state is kept, and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePlan {
    /// The folder as it was written; [`Plan::state_dir`] says where that is.
    pub dir: PathBuf,
    /// Fetched URLs that are settled and in no commit; as many as fetches unless told otherwise; at least 1.
    pub uncommitted_max: u32,
    /// Bytes that must be free where state and output are, else nothing is leased; 0: that is not looked at.
    pub disk_free_min: u64,
    /// URLs of one host that may wait; 0: no limit.
    pub pending_per_host_max: u64,
    /// Hosts; URLs of more are skipped; 0: no limit.
    pub hosts_max: u64,
    /// Bytes of memory that the frontier may take; 0: no limit.
    pub memory_max: u64,
    /// Whether it is remembered by which rule each URL was skipped.
    pub keep_skips: bool,
}

impl Default for StatePlan {
    fn default() -> Self {
        Self {
            dir: "state".into(),
            uncommitted_max: FetchPlan::default().concurrency,
            disk_free_min: 1 << 30,
            pending_per_host_max: 100_000,
            hosts_max: 1_000_000,
            memory_max: 0,
            keep_skips: true,
        }
    }
}

/// What a start visits again.
#[derive(Clone, Debug, PartialEq)]
pub struct RecrawlPlan {
    /// How it is decided.
    pub policy: RecrawlPolicy,
    /// The interval, or the first.
    pub interval: Duration,
    /// The shortest interval that adapts.
    pub interval_min: Duration,
    /// The longest interval that adapts.
    pub interval_max: Duration,
    /// What an interval is multiplied by when the page had changed.
    pub shorten: f64,
    /// What an interval is multiplied by when the page had not changed.
    pub lengthen: f64,
}

/// How it is decided what is visited again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecrawlPolicy {
    /// Nothing is.
    #[default]
    Off,
    /// Everything, after the same interval.
    Fixed,
    /// Each page after its own interval.
    Adaptive,
}

impl Default for RecrawlPlan {
    fn default() -> Self {
        let Adaptive { first, min, max, shorten, lengthen } = Adaptive::default();
        let policy = RecrawlPolicy::Off;
        Self { policy, interval: first, interval_min: min, interval_max: max, shorten, lengthen }
    }
}

impl RecrawlPlan {
    /// Returns the rules it stands for.
    pub const fn rules(&self) -> RecrawlRules {
        match self.policy {
            RecrawlPolicy::Off => RecrawlRules::Off,
            RecrawlPolicy::Fixed => RecrawlRules::Fixed(self.interval),
            RecrawlPolicy::Adaptive => RecrawlRules::Adaptive(Adaptive {
                first: self.interval,
                min: self.interval_min,
                max: self.interval_max,
                shorten: self.shorten,
                lengthen: self.lengthen,
            }),
        }
    }
}

/// How rows are divided into files. With the default there is one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilesPlan {
    /// Bytes, before compression, at which a file is finished and another one begun; 0: never for its size.
    pub rotate_bytes: u64,
    /// Rows at which a file is finished and another one begun; 0: never for its rows.
    pub rotate_rows: u64,
    /// How long after its first row a file is finished, at the next commit; zero: never for its age.
    pub rotate_after: Duration,
    /// How finished files are compressed.
    pub compress: CompressPlan,
}

impl FilesPlan {
    /// Whether files are numbered: `items.jsonl` then stands for `items-000001.jsonl` and so on.
    pub fn are_numbered(&self) -> bool {
        self.rotate_bytes > 0
            || self.rotate_rows > 0
            || !self.rotate_after.is_zero()
            || self.compress != CompressPlan::None
    }
}

/// How finished files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompressPlan {
    /// They stay plain.
    #[default]
    None,
    /// By gzip, each as a whole.
    Gzip,
    /// By zstd, each as a whole.
    Zstd,
}

/// A handler that is part of Dragline, and which pages it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerPlan {
    /// The name, a label value in metrics: lower-case letters, digits and `_`.
    pub name: String,
    /// What it does.
    pub kind: HandlerKind,
    /// Threads it works on; at least 1.
    pub workers: u32,
    /// Pages given to it and not yet answered; at least 1.
    pub credits: u32,
    /// How long it may take over one page.
    pub timeout: Duration,
    /// The content types of its pages, lower case, without parameters; empty: all.
    pub content_types: Vec<String>,
    /// The labels of its pages; empty: all, those without a label too.
    pub labels: Vec<String>,
}

impl Default for HandlerPlan {
    fn default() -> Self {
        Self {
            name: "links".into(),
            kind: HandlerKind::ExtractLinks,
            workers: 2,
            credits: 256,
            timeout: Duration::from_secs(30),
            content_types: vec!["text/html".into(), "application/xhtml+xml".into()],
            labels: Vec::new(),
        }
    }
}

/// What a handler does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HandlerKind {
    /// Finds the links of HTML pages.
    #[default]
    ExtractLinks,
    /// Makes an item of the URL and the title of each HTML page that has one.
    ExtractTitles,
}

/// One more place that results are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkPlan {
    /// The name, a label value in metrics: lower-case letters, digits and `_`.
    pub name: String,
    /// How it writes.
    pub kind: SinkKind,
    /// Its file, inside `[output] dir` unless absolute.
    pub path: PathBuf,
    /// What it writes.
    pub records: SinkRecords,
    /// Keys of items that are columns of CSV in place of the whole item; empty: the whole item is one.
    pub columns: Vec<String>,
    /// How its rows are divided into files.
    pub files: FilesPlan,
    /// Settles given to it and not yet written; at least 1.
    pub credits: u32,
}

/// How a sink writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkKind {
    /// One JSON value a line.
    #[default]
    Jsonl,
    /// CSV after RFC 4180, with a header in each file.
    Csv,
}

/// What a sink writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkRecords {
    /// The items of handlers.
    #[default]
    Items,
    /// One record for each page.
    Pages,
    /// One record for each skipped URL.
    Skipped,
}

/// How dead actors are started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorsPlan {
    /// Restarts within `restarts_within` that are borne; one more ends the run.
    pub restarts_max: u32,
    /// The span that is looked at.
    pub restarts_within: Duration,
    /// The wait before the first restart of a burst.
    pub backoff_min: Duration,
    /// The longest wait; each restart of a burst doubles it.
    pub backoff_max: Duration,
}

impl Default for ActorsPlan {
    fn default() -> Self {
        Self {
            restarts_max: 10,
            restarts_within: Duration::from_secs(60),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// The admin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPlan {
    /// The loopback address it listens on; `None`: there is no admin server.
    pub listen: Option<SocketAddr>,
    /// How long it stays up after the crawl's end, for a last scrape.
    pub linger: Duration,
}

impl Default for AdminPlan {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9_911))), linger: Duration::ZERO }
    }
}

/// The program's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPlan {
    /// What is logged.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
    /// The file it is appended to; `None`: standard error.
    pub file: Option<PathBuf>,
    /// How much of a URL is logged.
    pub urls: LogUrls,
}

/// The least severe events that are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The run cannot go on.
    Error,
    /// Something needs a person's eye.
    Warn,
    /// Start, stop and changes of state.
    #[default]
    Info,
    /// One line for each fetch and skip.
    Debug,
    /// Every phase and message.
    Trace,
}

impl LogLevel {
    /// Returns the flat name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much of a URL is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogUrls {
    /// All of it.
    #[default]
    Full,
    /// All but the query.
    NoQuery,
}
