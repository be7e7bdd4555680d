//! Rewrites a request for the place it was redirected to.

use dragline_core::CanonicalUrl;
use dragline_core::fetch::{FetchRequest, RequestBody};
use dragline_core::hop::{hop, keeps_field};

/// Turns `request` into the one for `target`: method and content as the status asks, and nothing of what was meant for
/// another origin.
pub(super) fn follow(request: &mut FetchRequest, target: &CanonicalUrl, status: u16) {
    let hop = hop(request.method, status, request.certificates, &request.url, target);
    request.method = hop.method;
    if !hop.keep_body {
        request.body = RequestBody::None;
    }
    if request.headers.iter().any(|(name, _)| !keeps_field(name, &hop)) {
        request.headers =
            request.headers.iter().filter(|(name, _)| keeps_field(name, &hop)).cloned().collect();
    }
    if !hop.keeps_identity {
        (request.cookies, request.keyring) = (None, None);
    }
    request.url = target.clone();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dragline_core::auth::Keyring;
    use dragline_core::fetch::{Certificates, Method};

    use super::*;

    fn check(status: u16, target: &str, expected: (Method, bool, &[&str])) {
        let url = |text: &str| CanonicalUrl::parse(text).unwrap();
        let field = |name: &str| (name.into(), "x".into());
        let mut request = FetchRequest {
            method: Method::Post,
            headers: ["Authorization", "Content-Type", "X-A"].map(field).into(),
            body: RequestBody::bytes("a=b"),
            ..FetchRequest::get(url("http://a/"), Arc::default())
        };
        follow(&mut request, &url(target), status);
        let names: Vec<&str> = request.headers.iter().map(|(name, _)| &**name).collect();
        let found = (request.method, !request.body.is_none(), names.as_slice());
        assert_eq!((found, request.url), (expected, url(target)), "{status}");
    }

    #[test]
    fn what_goes_along_is_what_the_status_and_the_origin_allow() {
        check(302, "http://a/x", (Method::Get, false, &["Authorization", "X-A"]));
        check(307, "http://a/x", (Method::Post, true, &["Authorization", "Content-Type", "X-A"]));
        check(308, "http://a:81/", (Method::Post, true, &["Content-Type", "X-A"]));
        check(303, "https://a/", (Method::Get, false, &["X-A"]));
    }

    #[test]
    fn an_unverified_request_stays_so_and_tells_another_host_nothing_of_us() {
        let url = |text: &str| CanonicalUrl::parse(text).unwrap();
        let mut request = FetchRequest {
            cookies: Some(Arc::default()),
            keyring: Some(Arc::new(Keyring::new(Vec::new()))),
            certificates: Certificates::Unverified,
            ..FetchRequest::get(url("http://a/"), Arc::default())
        };
        for (target, keeps) in [("https://a/", true), ("https://b/", false), ("https://a/", false)] {
            follow(&mut request, &url(target), 302);
            assert_eq!((request.cookies.is_some(), request.keyring.is_some()), (keeps, keeps), "{target}");
            assert_eq!(request.certificates, Certificates::Unverified);
        }
    }
}
