//! Holds how the network is reached: names, TLS, proxies, fields and credentials for hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use dragline_core::fetch::HttpVersion;
use dragline_core::pattern::Pattern;
use dragline_core::url::{Origin, Scheme};

use crate::disk;

/// How the network is reached. Files are named here and read later, secrets too: neither stands in a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkPlan {
    /// How names become addresses.
    pub dns: DnsPlan,
    /// Whom TLS trusts, and who we say we are.
    pub tls: TlsPlan,
    /// The proxies, each with a name of its own.
    pub proxies: Vec<ProxyPlan>,
    /// Which hosts are reached through which proxies; the first that matches wins. Empty: all hosts through all
    /// proxies, in turn.
    pub routes: Vec<RoutePlan>,
    /// What requests to some hosts carry; the first that matches wins.
    pub requests: Vec<RequestPlan>,
    /// Credentials, each for one origin.
    pub auth: Vec<AuthPlan>,
    /// Whether cookies are kept and sent.
    pub cookies: bool,
}

/// How names become addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsPlan {
    /// Who is asked.
    pub resolver: ResolverPlan,
    /// The servers that hickory asks; empty: those of the system's configuration.
    pub servers: Vec<SocketAddr>,
    /// Addresses of names that nobody is asked for.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
}

/// Who is asked for the addresses of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResolverPlan {
    /// The system's resolver, `/etc/hosts` included.
    #[default]
    System,
    /// Our own resolver, which respects the time to live of each record.
    Hickory,
}

/// Whom TLS trusts, and who we say we are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsPlan {
    /// The authorities that are trusted.
    pub roots: RootsPlan,
    /// Files of certificates (PEM) of authorities that are trusted too.
    pub ca_files: Vec<PathBuf>,
    /// The file of our own certificate and its chain (PEM).
    pub client_cert: Option<PathBuf>,
    /// The file of its key (PEM).
    pub client_key: Option<PathBuf>,
    /// Hosts whose certificate may be wrong.
    pub insecure_hosts: Vec<Pattern>,
}

/// The authorities that are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootsPlan {
    /// Those of the system; those of Mozilla when it has none.
    #[default]
    System,
    /// Those of Mozilla, as they were when this program was built.
    Mozilla,
}

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyPlan {
    /// The name, which stands in records.
    pub name: String,
    /// What is spoken to it, and who resolves names.
    pub scheme: ProxySchemePlan,
    /// Its name or address; an IPv6 address in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are to it.
    pub user: Option<String>,
    /// The password that goes with the user.
    pub password: SecretPlan,
    /// How plain `http://` targets are reached through it.
    pub plain_http: PlainHttpPlan,
}

/// What is spoken to a proxy, and who resolves names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxySchemePlan {
    /// HTTP; names are resolved here.
    #[default]
    Http,
    /// SOCKS5; names are resolved here.
    Socks5,
    /// SOCKS5; names are resolved by the proxy.
    Socks5h,
}

/// How plain `http://` targets are reached through an HTTP proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttpPlan {
    /// By a tunnel (`CONNECT`), as `https://` targets.
    #[default]
    Tunnel,
    /// By a request in absolute form; the proxy resolves the name once more.
    Absolute,
}

/// Which hosts are reached through which proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePlan {
    /// Patterns of host names, one of which must match.
    pub hosts: Vec<Pattern>,
    /// Names of proxies, used in turn; empty: none, these hosts are reached directly.
    pub proxies: Vec<String>,
}

/// What requests to some hosts carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestPlan {
    /// Patterns of host names, one of which must match.
    pub hosts: Vec<Pattern>,
    /// Fields (name, value) that are sent.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The versions of HTTP that are offered; empty: those of `fetch.http_versions`.
    pub http_versions: Vec<HttpVersion>,
}

/// Credentials for one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthPlan {
    /// Who is shown them.
    pub origin: Origin,
    /// How they are shown.
    pub kind: AuthKind,
    /// Who we are (`basic`, `digest`).
    pub user: Option<String>,
    /// The password that goes with the user.
    pub password: SecretPlan,
    /// The token (`bearer`).
    pub token: SecretPlan,
}

impl Default for AuthPlan {
    /// Credentials for nobody.
    fn default() -> Self {
        let origin = Origin { scheme: Scheme::Https, host: "".into(), port: 443 };
        let (password, token) = (SecretPlan::default(), SecretPlan::default());
        Self { origin, kind: AuthKind::Basic, user: None, password, token }
    }
}

/// How credentials are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthKind {
    /// With every request (RFC 7617).
    #[default]
    Basic,
    /// As an answer to a challenge (RFC 7616).
    Digest,
    /// A token with every request (RFC 6750).
    Bearer,
}

/// Where a secret stands: in an environment variable or in a file, of which at most one is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretPlan {
    /// The environment variable.
    pub env: Option<String>,
    /// The file; what ends its last line is no part of the secret.
    pub file: Option<PathBuf>,
}

impl SecretPlan {
    /// Whether a place is named.
    pub const fn is_set(&self) -> bool {
        self.env.is_some() || self.file.is_some()
    }

    /// Reads the secret; `None` when no place is named. Waits for the disk.
    ///
    /// # Errors
    /// Names the variable or the file and what is wrong with it, without a word of what stands there.
    pub fn read(&self) -> Result<Option<String>, String> {
        let secret = match (&self.env, &self.file) {
            (Some(variable), _) => disk::read_variable(variable)?,
            (None, Some(file)) => disk::read(file, disk::SECRET_BYTES_MAX)?,
            (None, None) => return Ok(None),
        };
        let secret = secret.trim_end_matches(['\r', '\n']);
        if secret.is_empty() || secret.contains(|letter: char| letter.is_control()) {
            let place = match (&self.env, &self.file) {
                (Some(variable), _) => format!("the environment variable {variable}"),
                (None, file) => file.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
            };
            let problem =
                if secret.is_empty() { "is empty" } else { "holds line ends or control characters" };
            return Err(format!("{place} {problem}"));
        }
        Ok(Some(secret.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_its_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let check = |content: Option<&str>, expected: Result<&str, &str>| {
            match content {
                Some(content) => std::fs::write(&file, content).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            let plan = SecretPlan { env: None, file: Some(file.clone()) };
            match (plan.read(), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read.as_deref(), Some(expected)),
                (Err(error), Err(words)) => {
                    assert!(error.contains(words) && error.contains("secret"), "{error}");
                    assert!(!error.contains("hunter"), "{error}");
                }
                (read, _) => panic!("{read:?}, expected {expected:?}"),
            }
        };
        check(Some("hunter2\n"), Ok("hunter2"));
        check(Some(" hunter 2\r\n"), Ok(" hunter 2"));
        check(Some("\n"), Err("is empty"));
        check(Some("hunter\n2"), Err("control characters"));
        check(None, Err("cannot read"));
        assert_eq!(SecretPlan::default().read(), Ok(None));
    }
}
