//! Holds what the operator decided beforehand: plain values, checked once by `dragline-config`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::pattern::Pattern;

/// Every rule of one crawl.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrawlRules {
    /// Who we say we are.
    pub agent: Agent,
    /// Which URLs belong to the crawl.
    pub scope: ScopeRules,
    /// What looks like a crawl trap.
    pub traps: TrapRules,
    /// How hosts are spared.
    pub politeness: PolitenessRules,
    /// How robots.txt is obeyed.
    pub robots: RobotsRules,
    /// When a failed fetch is tried again.
    pub retry: RetryRules,
    /// Redirect hops before a URL ends failed(`redirect_error`).
    pub redirects_max: u32,
    /// How large the frontier may become.
    pub limits: FrontierLimits,
}

/// How large a frontier may become; 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontierLimits {
    /// URLs of one host that wait; more are skipped(`host_limit`).
    pub pending_per_host_max: u64,
    /// Hosts; URLs of more are skipped(`host_limit`).
    pub hosts_max: u64,
    /// Bytes of memory; links to new URLs are refused beyond.
    pub memory_max: u64,
    /// Whether the history tells of URLs that were skipped when they were discovered.
    pub keep_skips: bool,
}

impl Default for FrontierLimits {
    fn default() -> Self {
        Self { pending_per_host_max: 100_000, hosts_max: 1_000_000, memory_max: 0, keep_skips: true }
    }
}

/// Who we say we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The product token that robots.txt groups are matched against: letters, `-` and `_`.
    pub name: String,
    /// The version behind the token.
    pub version: String,
    /// A URL or e-mail address of the operator; needed for hosts outside loopback.
    pub contact: Option<String>,
    /// The `From` field; none is sent when absent.
    pub from: Option<String>,
}

impl Agent {
    /// Returns the `User-Agent` field: `Name/Version (+contact)`.
    pub fn user_agent(&self) -> String {
        match &self.contact {
            Some(contact) => format!("{}/{} (+{contact})", self.name, self.version),
            None => format!("{}/{}", self.name, self.version),
        }
    }
}

impl Default for Agent {
    fn default() -> Self {
        Self { name: "dragline".into(), version: env!("CARGO_PKG_VERSION").into(), contact: None, from: None }
    }
}

/// Which URLs belong to the crawl.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopeRules {
    /// How far from the seeds' hosts.
    pub mode: ScopeMode,
    /// Whether a redirected seed brings its new host into scope.
    pub seed_redirects: SeedRedirects,
    /// Patterns of which a URL must match one; empty: all do. Seeds are asked too.
    pub include: Vec<Pattern>,
    /// Patterns of which a URL must match none. Seeds are asked too.
    pub exclude: Vec<Pattern>,
    /// Links from a seed.
    pub depth_max: u32,
    /// URLs leased at least once; 0: no limit. The rest end skipped(budget).
    pub urls_max: u64,
    /// URLs of one host leased at least once; 0: no limit. The rest end skipped(`host_limit`).
    pub urls_per_host_max: u64,
    /// Bytes of a URL.
    pub url_bytes_max: usize,
}

impl Default for ScopeRules {
    fn default() -> Self {
        Self {
            mode: ScopeMode::Host,
            seed_redirects: SeedRedirects::Domain,
            include: Vec::new(),
            exclude: Vec::new(),
            depth_max: 20,
            urls_max: 0,
            urls_per_host_max: 100_000,
            url_bytes_max: 8_192,
        }
    }
}

/// How far the scope reaches from the seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScopeMode {
    /// The seed's origin: scheme, host and port.
    Exact,
    /// The seed's host name with any scheme, on the seed's port or the scheme's default.
    #[default]
    Host,
    /// Every host of the seed's registrable domain.
    Domain,
    /// Every host.
    Any,
}

/// Which redirects of a seed bring their host into scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeedRedirects {
    /// To another host of the same registrable domain.
    #[default]
    Domain,
    /// To any host.
    Any,
    /// None.
    Off,
}

/// What looks like a crawl trap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapRules {
    /// Segments of a path.
    pub path_segments_max: usize,
    /// Times the same segment may stand in a path.
    pub segment_repeats_max: usize,
    /// Bytes of a query.
    pub query_bytes_max: usize,
    /// Links taken from one page; the rest are counted and dropped.
    pub links_per_page_max: usize,
}

impl Default for TrapRules {
    fn default() -> Self {
        Self {
            path_segments_max: 20,
            segment_repeats_max: 3,
            query_bytes_max: 1_024,
            links_per_page_max: 10_000,
        }
    }
}

/// How hosts are spared.
#[derive(Clone, Debug, PartialEq)]
pub struct PolitenessRules {
    /// Fetches of one host at a time (its slots).
    pub concurrency: u32,
    /// The least gap between two dispatches to one host.
    pub delay: Duration,
    /// Whether the gap follows the host's latency: clamp(factor x smoothed latency, delay, `delay_max`).
    pub adaptive: bool,
    /// Gap per smoothed latency.
    pub factor: f64,
    /// The longest adaptive gap.
    pub delay_max: Duration,
    /// Whether a host that refuses, or does not answer, is left alone for longer: penalties, `Retry-After`, parking.
    /// A crawl always does; a session of its own only when it is asked to.
    pub backoff: bool,
    /// How much penalties are spread, 0 to 1.
    pub jitter: f64,
    /// The longest penalty or `Retry-After` that is waited out; a host that asks for more is parked.
    pub backoff_max: Duration,
    /// A host that only refuses for this long is parked.
    pub give_up_after: Duration,
    /// Exceptions by host; the first that matches wins.
    pub rules: Vec<PolitenessRule>,
}

impl Default for PolitenessRules {
    fn default() -> Self {
        Self {
            concurrency: 1,
            delay: Duration::from_secs(1),
            adaptive: true,
            factor: 5.0,
            delay_max: Duration::from_secs(60),
            backoff: true,
            jitter: 0.2,
            backoff_max: Duration::from_secs(3_600),
            give_up_after: Duration::from_secs(3_600),
            rules: Vec::new(),
        }
    }
}

/// An exception from the politeness of the other hosts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolitenessRule {
    /// Patterns of host names, one of which must match.
    pub hosts: Vec<Pattern>,
    /// The least gap, when it differs.
    pub delay: Option<Duration>,
    /// The slots, when they differ.
    pub concurrency: Option<u32>,
}

/// How robots.txt is obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotsRules {
    /// Whether it is fetched and obeyed at all.
    pub obey: bool,
    /// Bytes of it that are read; at least 500 KiB (RFC 9309 2.5).
    pub bytes_max: usize,
    /// How long it is kept; at most 24 h (RFC 9309 2.4).
    pub cache: Duration,
    /// Redirects followed for it; at least 5 (RFC 9309 2.3.1.2).
    pub redirects_max: u32,
    /// The longest crawl delay that is kept as asked.
    pub crawl_delay_max: Duration,
    /// What becomes of a longer one.
    pub crawl_delay_over: CrawlDelayOver,
    /// Whether `<meta name=robots>` and `X-Robots-Tag` are obeyed.
    pub meta: bool,
    /// What becomes of links that say nofollow, ugc or sponsored.
    pub nofollow_links: NofollowLinks,
}

impl Default for RobotsRules {
    fn default() -> Self {
        Self {
            obey: true,
            bytes_max: 500 << 10,
            cache: Duration::from_secs(24 * 3_600),
            redirects_max: 5,
            crawl_delay_max: Duration::from_secs(60),
            crawl_delay_over: CrawlDelayOver::Cap,
            meta: true,
            nofollow_links: NofollowLinks::Skip,
        }
    }
}

/// What becomes of a crawl delay above the longest that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrawlDelayOver {
    /// The longest is kept instead.
    #[default]
    Cap,
    /// The host is parked.
    SkipHost,
}

/// What becomes of links that say nofollow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NofollowLinks {
    /// They are counted and dropped.
    #[default]
    Skip,
    /// They are followed.
    Follow,
}

/// When a failed fetch is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryRules {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// The wait is drawn evenly from 0 to base x 2^n (full jitter), n counting from 0.
    pub base: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Statuses worth another attempt.
    pub statuses: Vec<u16>,
}

impl Default for RetryRules {
    fn default() -> Self {
        Self {
            attempts: 3,
            base: Duration::from_secs(1),
            max: Duration::from_secs(60),
            statuses: vec![408, 429, 500, 502, 503, 504],
        }
    }
}

/// Which addresses may be dialled beyond the public ones, and which may not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardRules {
    /// Networks opened by the operator. A broad one never opens a metadata address.
    pub allow_networks: Vec<IpNet>,
    /// Host names whose addresses may be private; metadata addresses stay closed.
    pub allow_hosts: Vec<String>,
    /// Where this program itself serves: no URL makes it fetch from itself, whatever network or host is opened, and the
    /// only way to open such an address is to leave it out here.
    ///
    /// An unspecified address (`0.0.0.0`, `::`) stands for its port at every loopback address of either family; other
    /// addresses of the machine must be named one by one. IPv6 forms of an IPv4 address are seen through. There are a
    /// few at most: each is looked at for every address that is dialled.
    pub own_addresses: Vec<SocketAddr>,
}

/// Addresses of cloud metadata services: opened only by an entry of their own.
pub const METADATA_ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(std::net::Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];
