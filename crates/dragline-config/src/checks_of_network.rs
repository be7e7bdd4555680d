//! Checks how the network's keys go together: proxies and their routes, credentials, versions, files.

use std::collections::BTreeMap;

use dragline_core::fetch::HttpVersion;

use crate::checks::Checks;
use crate::hints;
use crate::network::{
    AuthKind, AuthPlan, NetworkPlan, PlainHttpPlan, ProxyPlan, ProxySchemePlan, ResolverPlan, SecretPlan,
};
use crate::plan::Plan;

impl Checks<'_> {
    /// Checks `[dns]`, `[tls]`, `[[proxy]]`, `[[route]]`, `[[request]]`, `[[auth]]` and the versions of HTTP.
    pub(crate) fn network(&mut self, plan: &Plan) {
        let network = &plan.network;
        self.versions("fetch.http_versions", &plan.fetch.http_versions);
        self.names_and_files(network);
        self.proxies(network);
        self.routes(network);
        for (index, request) in network.requests.iter().enumerate() {
            let path = format!("request[{index}]");
            self.hosts(&path, request.hosts.is_empty());
            let versions = format!("{path}.http_versions");
            if self.origins.spot(&versions).is_some() {
                self.versions(&versions, &request.http_versions);
            } else if request.headers.is_empty() {
                self.add(&[&path], format!("`{path}` changes nothing"), "give it headers or http_versions");
            }
        }
        self.auth(network);
    }

    fn versions(&mut self, key: &str, versions: &[HttpVersion]) {
        if !versions.contains(&HttpVersion::Http1) {
            let message = format!("`{key}` lacks \"1.1\", which every server may choose");
            self.add(&[key], message, "write [\"1.1\"] or [\"1.1\", \"2\"]");
        }
    }

    fn hosts(&mut self, path: &str, none: bool) {
        if none {
            let hosts = format!("{path}.hosts");
            self.add(&[&hosts, path], format!("`{hosts}` is empty: it matches no host"), "");
        }
    }

    fn names_and_files(&mut self, network: &NetworkPlan) {
        if network.dns.resolver == ResolverPlan::System && !network.dns.servers.is_empty() {
            let message = "`dns.servers` are asked by hickory only: the system has servers of its own";
            self.add(
                &["dns.servers", "dns.resolver"],
                message.into(),
                "set dns.resolver = \"hickory\", or remove them",
            );
        }
        match (&network.tls.client_cert, &network.tls.client_key) {
            (Some(_), None) => self.add(
                &["tls.client_cert", "tls.client_key"],
                "`tls.client_cert` without `tls.client_key`".into(),
                "name the file of the certificate's key too",
            ),
            (None, Some(_)) => self.add(
                &["tls.client_key", "tls.client_cert"],
                "`tls.client_key` without `tls.client_cert`".into(),
                "name the file of the certificate too",
            ),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn proxies(&mut self, network: &NetworkPlan) {
        let mut seen = BTreeMap::new();
        for (index, proxy) in network.proxies.iter().enumerate().filter(|(_, proxy)| !proxy.name.is_empty()) {
            let path = format!("proxy[{index}]");
            let key = format!("{path}.name");
            if let Some(first) = seen.insert(proxy.name.as_str(), key.clone()) {
                self.add(&[&key], self.taken("proxy", &proxy.name, &first), "give it a name of its own");
            }
            if proxy.scheme != ProxySchemePlan::Http && proxy.plain_http == PlainHttpPlan::Absolute {
                let message = format!("`{path}.plain_http`: a SOCKS proxy has tunnels only");
                self.add(&[&format!("{path}.plain_http"), &path], message, "remove it");
            }
            self.proxy_user(&path, proxy);
        }
        if network.routes.is_empty() {
            return;
        }
        let used =
            |name: &str| network.routes.iter().any(|route| route.proxies.iter().any(|used| used == name));
        let unused = network.proxies.iter().enumerate().filter(|(_, proxy)| !used(&proxy.name));
        for (index, proxy) in unused.filter(|(_, proxy)| !proxy.name.is_empty()) {
            let message =
                format!("no [[route]] names the proxy \"{}\": nothing would go through it", proxy.name);
            let keys = [format!("proxy[{index}].name"), "route".into()];
            self.add(&[&keys[0], &keys[1]], message, "add it to the proxies of a [[route]], or remove it");
        }
    }

    fn proxy_user(&mut self, path: &str, proxy: &ProxyPlan) {
        let user = format!("{path}.user");
        self.one_place(path, "password", &proxy.password);
        match (&proxy.user, proxy.password.is_set()) {
            (Some(_), false) => {
                let message = format!("`{user}` without a password");
                let keys = ["password_env", "password_file"].map(|key| format!("{path}.{key}"));
                self.add(&[&user, &keys[0], &keys[1]], message, "add password_env or password_file");
            }
            (None, true) => {
                let message = format!("`{path}` has a password and no `user`");
                let keys = [format!("{path}.password_env"), format!("{path}.password_file")];
                self.add(&[&keys[0], &keys[1], &user], message, "add user");
            }
            (Some(name), true) if name.contains(':') && proxy.scheme == ProxySchemePlan::Http => {
                self.colon(&user);
            }
            _ => {}
        }
    }

    /// RFC 7617 section 2: what stands before the first colon is the user.
    fn colon(&mut self, key: &str) {
        self.add(&[key], format!("`{key}` holds a colon, which would end it in Basic credentials"), "");
    }

    /// A secret stands in one place.
    fn one_place(&mut self, path: &str, what: &str, secret: &SecretPlan) {
        if secret.env.is_some() && secret.file.is_some() {
            let (env, file) = (format!("{path}.{what}_env"), format!("{path}.{what}_file"));
            let message = format!("both `{what}_env` and `{what}_file` in `{path}`");
            self.add(&[&file, &env], message, "keep one of them");
        }
    }

    fn routes(&mut self, network: &NetworkPlan) {
        for (index, route) in network.routes.iter().enumerate() {
            let path = format!("route[{index}]");
            self.hosts(&path, route.hosts.is_empty());
            for (place, name) in route.proxies.iter().enumerate() {
                let key = format!("{path}.proxies[{place}]");
                let known = network.proxies.iter().map(|proxy| proxy.name.as_str());
                if known.clone().any(|known| known == name) {
                    if route.proxies.iter().take(place).any(|earlier| earlier == name) {
                        self.add(&[&key], format!("`{key}`: \"{name}\" stands there twice"), "remove one");
                    }
                    continue;
                }
                let known: Vec<&str> = known.filter(|known| !known.is_empty()).collect();
                let hint = match hints::nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None if known.is_empty() => "there is no [[proxy]]".into(),
                    None => format!("there are: {}", known.join(", ")),
                };
                self.add(&[&key], format!("`{key}`: no [[proxy]] is named \"{name}\""), &hint);
            }
        }
    }

    fn auth(&mut self, network: &NetworkPlan) {
        let mut seen = BTreeMap::new();
        for (index, auth) in network.auth.iter().enumerate().filter(|(_, auth)| !auth.origin.host.is_empty())
        {
            let path = format!("auth[{index}]");
            let key = format!("{path}.origin");
            if let Some(first) = seen.insert(&auth.origin, key.clone()) {
                let message =
                    format!("credentials of {} stand at {} too", auth.origin, self.origins.place(&first));
                self.add(&[&key], message, "keep one of them");
            }
            self.one_place(&path, "password", &auth.password);
            self.one_place(&path, "token", &auth.token);
            self.credentials(&path, auth);
        }
    }

    fn credentials(&mut self, path: &str, auth: &AuthPlan) {
        // Shown at the kind; the others are named so that a mistake in one of them is told once.
        let keys = ["kind", "user", "password_env", "password_file", "token_env", "token_file"];
        let keys = keys.map(|key| format!("{path}.{key}"));
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        match auth.kind {
            AuthKind::Bearer => {
                if !auth.token.is_set() {
                    self.add(&keys, format!("`{path}` has no token"), "add token_env or token_file");
                }
                if auth.user.is_some() || auth.password.is_set() {
                    let message = format!("`{path}` is \"bearer\", which has neither user nor password");
                    self.add(&keys, message, "remove them, or set kind = \"basic\"");
                }
            }
            AuthKind::Basic | AuthKind::Digest => {
                if auth.user.is_none() {
                    self.add(&keys, format!("`{path}` has no user"), "add user");
                }
                if !auth.password.is_set() {
                    let hint = "add password_env or password_file";
                    self.add(&keys, format!("`{path}` has no password"), hint);
                }
                if auth.token.is_set() {
                    let message = format!("`{path}` has a token, which only \"bearer\" shows");
                    self.add(&keys, message, "remove it, or set kind = \"bearer\"");
                }
                if auth.kind == AuthKind::Basic && auth.user.as_ref().is_some_and(|user| user.contains(':')) {
                    self.colon(&format!("{path}.user"));
                }
            }
        }
    }
}
