//! Chooses the way of every request: TLS or not, which protocols are offered, whether the certificate may be wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dragline_core::auth::Secret;
use dragline_core::fetch::Certificates;
use dragline_core::pattern::Pattern;
use dragline_core::proxy::ProxyRules;
use dragline_core::time::Time;
use dragline_core::url::{CanonicalUrl, Scheme};

use tokio::time::Instant;

use crate::clock;
use crate::options::{Names, PlainHttp, ProxyOptions, ProxyScheme, RequestRule, TransportOptions};
use crate::route::{Route, Waiver};
use crate::setup::TransportSetupError;

/// The ways to all hosts; one for all transports of a factory.
#[derive(Debug)]
pub(crate) struct Routes {
    requests: Vec<RequestRule>,
    http2: bool,
    insecure_hosts: Vec<Pattern>,
    proxies: Vec<Proxy>,
    /// Which proxy is used; `None` when there are no proxies, and nothing is to be locked.
    proxy_rules: Option<Mutex<ProxyRules>>,
    began: Instant,
}

impl Routes {
    /// Checks the options.
    pub(crate) fn new(options: &TransportOptions) -> Result<Self, TransportSetupError> {
        let proxies: Vec<Proxy> = options.proxies.iter().map(Proxy::new).collect::<Result<_, _>>()?;
        if u16::try_from(proxies.len()).is_err() {
            return Err(TransportSetupError::Proxy(options.proxies.len().to_string(), "there are too many"));
        }
        let names = proxies.iter().map(|proxy| Box::from(&*proxy.name)).collect();
        let rules =
            ProxyRules::new(names, options.proxy_rules.clone()).map_err(TransportSetupError::ProxyRules)?;
        let proxy_rules = (!proxies.is_empty()).then(|| Mutex::new(rules));
        Ok(Self {
            requests: options.requests.clone(),
            http2: options.http2,
            insecure_hosts: options.tls.insecure_hosts.clone(),
            proxies,
            proxy_rules,
            began: clock::now(),
        })
    }

    /// Chooses the way to a URL for a request that asks for as much of certificates.
    pub(crate) fn choose(&self, url: &CanonicalUrl, certificates: Certificates) -> Route {
        let host = bare(url.host());
        let tls = url.scheme() == Scheme::Https;
        let waiver = match certificates {
            _ if is_matched(&self.insecure_hosts, host) => Some(Waiver::Host),
            Certificates::Unverified => Some(Waiver::Request),
            Certificates::Verified => None,
        };
        Route {
            tls,
            http2: tls && self.rule(url).and_then(|rule| rule.http2).unwrap_or(self.http2),
            waiver: waiver.filter(|_| tls),
            proxy: self.pick(host),
        }
    }

    fn pick(&self, host: &str) -> Option<u16> {
        let index = lock(self.proxy_rules.as_ref()?).pick(host, self.now())?;
        u16::try_from(index).ok()
    }

    /// Returns the time since this was made, by which proxies rest.
    fn now(&self) -> Time {
        Time::ZERO + clock::now().saturating_duration_since(self.began)
    }

    /// Returns a proxy by its index.
    pub(crate) fn proxy(&self, index: u16) -> Option<&Proxy> {
        self.proxies.get(usize::from(index))
    }

    /// Notes whether the proxy of a route worked.
    pub(crate) fn report(&self, route: Route, fault: bool) {
        if let (Some(proxy), Some(rules)) = (route.proxy, &self.proxy_rules) {
            lock(rules).report(usize::from(proxy), fault, self.now());
        }
    }

    /// Returns the rule for what a host is sent, if there is one.
    pub(crate) fn rule(&self, url: &CanonicalUrl) -> Option<&RequestRule> {
        let host = bare(url.host());
        self.requests.iter().find(|rule| is_matched(&rule.hosts, host))
    }
}

fn lock(rules: &Mutex<ProxyRules>) -> MutexGuard<'_, ProxyRules> {
    rules.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A proxy, ready to be dialled.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) name: Arc<str>,
    pub(crate) scheme: ProxyScheme,
    /// Without brackets.
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
    /// Whether plain http requests are sent to it in absolute form.
    pub(crate) absolute_form: bool,
    pub(crate) names: Names,
    /// The `Proxy-Authorization` field.
    authorization: Option<Secret>,
    credentials: Option<(String, Secret)>,
}

impl Proxy {
    fn new(options: &ProxyOptions) -> Result<Self, TransportSetupError> {
        let fault = |why| TransportSetupError::Proxy(options.name.clone(), why);
        let mut authorization = None;
        if let Some((user, password)) = &options.credentials {
            let password = password.expose();
            let has_control = |text: &str| text.chars().any(char::is_control);
            if has_control(user) || has_control(password) {
                return Err(fault("its credentials hold control characters"));
            }
            match options.scheme {
                ProxyScheme::Http if user.contains(':') => {
                    return Err(fault("its user name holds a colon, which Basic cannot carry"));
                }
                ProxyScheme::Http => {
                    let pair = STANDARD.encode(format!("{user}:{password}"));
                    authorization = Some(Secret::new(format!("Basic {pair}")));
                }
                ProxyScheme::Socks5 if user.is_empty() || user.len().max(password.len()) > 255 => {
                    return Err(fault(
                        "socks5 takes a user name of 1 to 255 bytes and a password of up to 255",
                    ));
                }
                ProxyScheme::Socks5 => {}
            }
        }
        let host = bare(&options.host);
        if host.is_empty() || options.port == 0 {
            return Err(fault("it needs a host and a port"));
        }
        let absolute_form = options.plain_http == PlainHttp::AbsoluteForm;
        if absolute_form && options.scheme == ProxyScheme::Socks5 {
            return Err(fault("socks5 has no absolute form"));
        }
        Ok(Self {
            name: options.name.as_str().into(),
            scheme: options.scheme,
            host: host.to_ascii_lowercase().into(),
            port: options.port,
            absolute_form,
            names: options.names,
            authorization,
            credentials: options.credentials.clone(),
        })
    }

    /// Returns the `Proxy-Authorization` field.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(Secret::expose)
    }

    /// Returns user and password.
    pub(crate) fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.expose()))
    }
}

/// Patterns are matched without the brackets of an IPv6 address, and without the dot that may end a name.
fn bare(host: &str) -> &str {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

fn is_matched(patterns: &[Pattern], host: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(host))
}
