//! Turns the network's part of a plan into what transports and requests are made of, and reads the files it names.

use std::fmt;
use std::sync::Arc;

use dragline_config::{
    AuthKind, AuthPlan, NetworkPlan, PlainHttpPlan, Plan, ProxyPlan, ProxySchemePlan, ResolverPlan,
    RootsPlan, TlsPlan,
};
use dragline_core::auth::{Credentials, Keyring, Secret};
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::HttpVersion;
use dragline_core::proxy::ProxyRule;
use dragline_core::url::Origin;
use dragline_fetch::{
    AwcTransportFactory, BodyBudget, ClientIdentity, DnsOptions, Names, PlainHttp, ProxyOptions, ProxyScheme,
    RequestRule, ResolverKind, Roots, TlsOptions, TransportOptions,
};

/// How the network is reached, with every file and secret read.
#[derive(Clone, Debug, Default)]
pub struct Network {
    dns: DnsOptions,
    tls: TlsOptions,
    proxies: Vec<ProxyOptions>,
    proxy_rules: Vec<ProxyRule>,
    requests: Vec<RequestRule>,
    http2: bool,
    cookies: bool,
    credentials: Vec<(Origin, Credentials)>,
}

impl Network {
    /// Reads every file and secret that the plan names. Waits for the disk.
    ///
    /// # Errors
    /// Every file and variable that cannot be used, each with its key.
    pub fn of_plan(plan: &Plan) -> Result<Self, NetworkErrors> {
        Self::read(&plan.network, &plan.fetch.http_versions)
    }

    /// As [`Network::of_plan`], from the parts.
    pub(crate) fn read(plan: &NetworkPlan, versions: &[HttpVersion]) -> Result<Self, NetworkErrors> {
        let mut errors = Vec::new();
        let resolver = match plan.dns.resolver {
            ResolverPlan::System => ResolverKind::System,
            ResolverPlan::Hickory => ResolverKind::Hickory { servers: plan.dns.servers.clone() },
        };
        let requests = plan.requests.iter().map(|request| RequestRule {
            hosts: request.hosts.clone(),
            headers: request.headers.as_slice().into(),
            http2: (!request.http_versions.is_empty())
                .then(|| request.http_versions.contains(&HttpVersion::Http2)),
        });
        let credentials = plan.auth.iter().filter_map(|auth| {
            let read = credentials(auth).map_err(|error| format!("[[auth]] of {}: {error}", auth.origin));
            Some((auth.origin.clone(), keep(read, &mut errors)?))
        });
        let credentials = credentials.collect();
        let proxies = plan.proxies.iter().filter_map(|plan| {
            let read = proxy(plan).map_err(|error| format!("[[proxy]] \"{}\": {error}", plan.name));
            keep(read, &mut errors)
        });
        let network = Self {
            dns: DnsOptions { resolver, hosts: plan.dns.hosts.clone() },
            proxies: proxies.collect(),
            proxy_rules: proxy_rules(plan),
            requests: requests.collect(),
            http2: versions.contains(&HttpVersion::Http2),
            cookies: plan.cookies,
            credentials,
            tls: tls(&plan.tls, &mut errors),
        };
        if errors.is_empty() { Ok(network) } else { Err(NetworkErrors(errors)) }
    }

    /// Sets what a transport needs of it; a warning names the hosts whose certificates may be wrong.
    pub fn apply(&self, options: &mut TransportOptions) {
        if !self.tls.insecure_hosts.is_empty() {
            let hosts: Vec<&str> = self.tls.insecure_hosts.iter().map(|host| host.as_str()).collect();
            tracing::warn!(
                target: "dragline::fetch",
                hosts = hosts.join(" "),
                "certificates of these hosts are not verified: whoever is in between can read and change everything"
            );
        }
        options.dns = self.dns.clone();
        options.tls = self.tls.clone();
        options.proxies.clone_from(&self.proxies);
        options.proxy_rules.clone_from(&self.proxy_rules);
        options.requests.clone_from(&self.requests);
        options.http2 = self.http2;
    }

    /// Makes an empty jar when cookies are to be kept.
    pub fn cookies(&self) -> Option<Arc<CookieJar>> {
        self.cookies.then(|| Arc::new(CookieJar::new()))
    }

    /// Makes a keyring of all credentials, and of `more` before them; `None` when there are none.
    pub fn keyring(&self, more: Vec<(Origin, Credentials)>) -> Option<Arc<Keyring>> {
        let all = self.credentials(more);
        (!all.is_empty()).then(|| Arc::new(Keyring::new(all)))
    }

    /// Returns `more`, and all credentials after them.
    pub(crate) fn credentials(&self, more: Vec<(Origin, Credentials)>) -> Vec<(Origin, Credentials)> {
        more.into_iter().chain(self.credentials.iter().cloned()).collect()
    }
}

/// Keeps a value, or its error among the others.
fn keep<T>(read: Result<T, String>, errors: &mut Vec<String>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

fn tls(plan: &TlsPlan, errors: &mut Vec<String>) -> TlsOptions {
    let mut options = TlsOptions {
        roots: match plan.roots {
            RootsPlan::System => Roots::System,
            RootsPlan::Mozilla => Roots::Mozilla,
        },
        insecure_hosts: plan.insecure_hosts.clone(),
        ..TlsOptions::default()
    };
    for file in &plan.ca_files {
        let read = TlsOptions::read_ca_file(file).map_err(|error| format!("tls.ca_files: {error}"));
        let Some(extra_roots) = keep(read, errors) else { continue };
        let trust = TlsOptions { extra_roots: extra_roots.clone(), ..TlsOptions::default() };
        let usable = try_out(trust, Vec::new());
        if keep(usable.map_err(|error| format!("tls.ca_files: {}: {error}", file.display())), errors)
            .is_some()
        {
            options.extra_roots.extend(extra_roots);
        }
    }
    if let (Some(certificate), Some(key)) = (&plan.client_cert, &plan.client_key) {
        let read = ClientIdentity::read(certificate, key);
        let tried = read.map_err(|error| error.to_string()).and_then(|identity| {
            let shown = TlsOptions { identity: Some(identity.clone()), ..TlsOptions::default() };
            let files = format!("{} with {}", certificate.display(), key.display());
            try_out(shown, Vec::new()).map(|()| identity).map_err(|error| format!("{files}: {error}"))
        });
        options.identity =
            keep(tried.map_err(|error| format!("tls.client_cert and tls.client_key: {error}")), errors);
    }
    options
}

/// Makes a transport of these alone, so that what it would not take is told by its name. Nothing is dialled.
fn try_out(tls: TlsOptions, proxies: Vec<ProxyOptions>) -> Result<(), String> {
    let mut options = TransportOptions::new("dragline", Arc::new(BodyBudget::new(1)));
    options.tls = TlsOptions { roots: Roots::Mozilla, ..tls };
    options.proxies = proxies;
    let tried = AwcTransportFactory::new(options);
    tried.map(|_| ()).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

fn proxy(plan: &ProxyPlan) -> Result<ProxyOptions, String> {
    let password = plan.password.read()?.map(Secret::new);
    let (scheme, names) = match plan.scheme {
        ProxySchemePlan::Http => (ProxyScheme::Http, Names::ResolvedHere),
        ProxySchemePlan::Socks5 => (ProxyScheme::Socks5, Names::ResolvedHere),
        ProxySchemePlan::Socks5h => (ProxyScheme::Socks5, Names::ResolvedByProxy),
    };
    let options = ProxyOptions {
        name: plan.name.clone(),
        scheme,
        host: plan.host.clone(),
        port: plan.port,
        credentials: plan.user.clone().zip(password),
        plain_http: match plan.plain_http {
            PlainHttpPlan::Tunnel => PlainHttp::Tunnel,
            PlainHttpPlan::Absolute => PlainHttp::AbsoluteForm,
        },
        names,
    };
    try_out(TlsOptions::default(), vec![options.clone()])?;
    Ok(options)
}

/// Turns names of proxies into their places; a checked plan names none that is not there.
fn proxy_rules(plan: &NetworkPlan) -> Vec<ProxyRule> {
    let place = |name: &String| plan.proxies.iter().position(|proxy| proxy.name == *name);
    let rule = |route: &dragline_config::RoutePlan| ProxyRule {
        hosts: route.hosts.clone(),
        proxies: route.proxies.iter().filter_map(place).collect(),
    };
    plan.routes.iter().map(rule).collect()
}

fn credentials(plan: &AuthPlan) -> Result<Credentials, String> {
    let secret = match plan.kind {
        AuthKind::Bearer => plan.token.read()?,
        AuthKind::Basic | AuthKind::Digest => plan.password.read()?,
    };
    let secret = secret.map(Secret::new).ok_or("it has no secret")?;
    let user = plan.user.clone().unwrap_or_default();
    let credentials = match plan.kind {
        AuthKind::Basic => Credentials::Basic { user, password: secret },
        AuthKind::Digest => Credentials::Digest { user, password: secret },
        AuthKind::Bearer => Credentials::Bearer { token: secret },
    };
    credentials.check().map_err(|error| error.to_string())?;
    Ok(credentials)
}

/// Every file and variable that cannot be used, each with its key: lower case, no full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkErrors(pub Vec<String>);

impl fmt::Display for NetworkErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for NetworkErrors {}

#[cfg(test)]
mod tests {
    use dragline_config::Loader;

    use super::*;

    fn read(text: &str) -> Result<Network, NetworkErrors> {
        let (plan, _) = Loader::new().seeds_optional().text("d.toml", text).load().unwrap();
        Network::of_plan(&plan)
    }

    #[test]
    fn every_key_reaches_the_transport() {
        let network = read(
            "[fetch]\nhttp_versions = ['1.1', '2']\n[dns]\nresolver = 'hickory'\nservers = ['127.0.0.1:5353']\n\
             hosts = ['a=127.0.0.1']\n[tls]\nroots = 'mozilla'\ninsecure_hosts = ['b']\n[cookies]\nenabled = true\n\
             [[proxy]]\nname = 'p'\nurl = 'socks5h://127.0.0.1:1080'\n[[proxy]]\nname = 'q'\nurl = 'http://q:1'\n\
             plain_http = 'absolute'\n[[route]]\nhosts = ['c']\nproxies = ['q', 'p']\n\
             [[route]]\nhosts = ['d']\nproxies = []\n\
             [[request]]\nhosts = ['e']\nheaders = ['X-A: b']\nhttp_versions = ['1.1']\n",
        )
        .unwrap();
        let mut options = TransportOptions::new("test", Arc::new(BodyBudget::new(1)));
        network.apply(&mut options);
        assert_eq!(
            options.dns.resolver,
            ResolverKind::Hickory { servers: vec!["127.0.0.1:5353".parse().unwrap()] }
        );
        assert!(options.dns.hosts.contains_key("a") && options.http2);
        assert_eq!((options.tls.roots, options.tls.insecure_hosts.len()), (Roots::Mozilla, 1));
        let proxy = |index: usize| &options.proxies[index];
        assert_eq!((proxy(0).scheme, proxy(0).names), (ProxyScheme::Socks5, Names::ResolvedByProxy));
        assert_eq!((proxy(1).plain_http, proxy(1).names), (PlainHttp::AbsoluteForm, Names::ResolvedHere));
        let rules: Vec<_> = options.proxy_rules.iter().map(|rule| rule.proxies.clone()).collect();
        assert_eq!(rules, [vec![1, 0], vec![]]);
        assert_eq!((options.requests[0].http2, options.requests[0].headers.len()), (Some(false), 1));
        assert!(network.cookies().is_some() && network.keyring(Vec::new()).is_none());
    }

    #[test]
    fn what_cannot_be_read_is_named_all_at_once() {
        let errors = read(
            "[tls]\nca_files = ['missing.pem']\nclient_cert = 'none.pem'\nclient_key = 'none.pem'\n\
             [[proxy]]\nname = 'p'\nurl = 'http://p:1'\nuser = 'u'\npassword_file = 'no.password'\n\
             [[auth]]\norigin = 'https://a'\nkind = 'bearer'\ntoken_env = 'DRAGLINE_NOT_SET_BY_ANYBODY'\n",
        )
        .unwrap_err();
        let words =
            ["https://a: the environment", "\"p\": cannot read no.password", "missing.pem", "none.pem"];
        assert_eq!(errors.0.len(), words.len(), "{errors}");
        for (error, words) in errors.0.iter().zip(words) {
            assert!(error.contains(words), "{error}");
        }
    }
}
