//! Builds the head of an HTTP/2 request from what the exchange knows of it.

use dragline_core::fetch::{Method, RequestBody};
use dragline_core::outcome::Outcome;
use dragline_core::url::CanonicalUrl;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{PathAndQuery, Uri};

use super::failure::SendError;

/// Fields that speak of a connection of HTTP/1.1 (RFC 9113 section 8.2.2), or that a pseudo-field stands for.
const LEFT_OUT: [HeaderName; 7] = [
    CONNECTION,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// One request, ready to be sent; it can be sent again.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(super) method: Method,
    pub(super) head: http::Request<()>,
    pub(super) body: &'a RequestBody,
    /// Bytes of the head as it reads.
    pub(super) head_bytes: u64,
}

impl<'a> Request<'a> {
    /// Builds a request; fields of HTTP/1.1's connections are left out, and those that describe the content are added.
    ///
    /// # Errors
    /// When the URL or a field cannot be sent.
    pub(crate) fn new<'f>(
        method: Method,
        url: &CanonicalUrl,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: &'a RequestBody,
    ) -> Result<Self, SendError> {
        let uri = uri_of(url).ok_or_else(|| invalid("the URL cannot be sent".into()))?;
        let sent_method = http::Method::from_bytes(method.name().as_bytes());
        let sent_method = sent_method.map_err(|_| invalid("the method cannot be sent".into()))?;
        let mut head = http::Request::new(());
        *head.method_mut() = sent_method;
        *head.uri_mut() = uri;
        let headers = head.headers_mut();
        for (name, value) in fields {
            let parsed = HeaderName::from_bytes(name).ok().zip(HeaderValue::from_bytes(value).ok());
            let (name, mut value) = parsed
                .ok_or_else(|| invalid(format!("the field \"{}\" cannot be sent", name.escape_ascii())))?;
            if LEFT_OUT.contains(&name) || name == CONTENT_LENGTH {
                continue;
            }
            // Secrets stay out of the compression's memory (RFC 7541 section 7.1.3).
            value.set_sensitive([AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(&name));
            headers.append(name, value);
        }
        let length = match body {
            RequestBody::None => method.announces_empty_content().then_some(0),
            RequestBody::Bytes { content, content_type } => {
                if let Some(content_type) = content_type {
                    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
                }
                Some(content.len() as u64)
            }
            RequestBody::Stream(stream) => stream.length(),
        };
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        let head_bytes = lines.sum::<usize>() + method.name().len() + url.as_str().len();
        Ok(Self { method, head, body, head_bytes: head_bytes as u64 })
    }
}

fn invalid(message: String) -> SendError {
    SendError::unsent(Outcome::InvalidUrl, message)
}

/// Returns scheme, authority and path: the userinfo and the fragment are none of the server's business.
fn uri_of(url: &CanonicalUrl) -> Option<Uri> {
    let path = url.path_and_query();
    let path = match path.starts_with('/') {
        true => PathAndQuery::try_from(path),
        false => PathAndQuery::try_from(format!("/{path}")),
    };
    Uri::builder()
        .scheme(url.scheme().name())
        .authority(url.authority())
        .path_and_query(path.ok()?)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, url: &str, fields: &[(&str, &str)], body: &RequestBody, expected: &str) {
        let url = CanonicalUrl::parse(url).unwrap();
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let told = match Request::new(method, &url, fields, body) {
            Ok(request) => {
                let mut told = format!("{} {}", request.head.method(), request.head.uri());
                for (name, value) in request.head.headers() {
                    told.push_str(&format!(" {name}={value:?}"));
                }
                told
            }
            Err(error) => error.message,
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn what_belongs_to_a_connection_is_left_out_and_content_is_described() {
        let none = RequestBody::None;
        check(Method::Get, "https://me:pw@a.org", &[], &none, "GET https://a.org/");
        check(Method::Get, "https://a.org:8443?q={|}", &[], &none, "GET https://a.org:8443/?q={|}");
        check(Method::Get, "https://[::1]/x", &[], &none, "GET https://[::1]/x");
        let fields = [("Host", "a.org"), ("Connection", "close"), ("TE", "x"), ("X-A", "1"), ("Cookie", "c")];
        check(Method::Get, "https://a.org/", &fields, &none, "GET https://a.org/ x-a=\"1\" cookie=Sensitive");
        let empty = "POST https://a.org/ content-length=\"0\"";
        check(Method::Post, "https://a.org/", &[("content-length", "7")], &none, empty);
        let json = RequestBody::json(&1).unwrap();
        let typed = "PUT https://a.org/ content-type=\"application/json\" content-length=\"1\"";
        check(Method::Put, "https://a.org/", &[], &json, typed);
        let own = "PUT https://a.org/ content-type=\"x/y\" content-length=\"1\"";
        check(Method::Put, "https://a.org/", &[("Content-Type", "x/y")], &json, own);
        let split = [("X-A", "1\r\nX-B: 2")];
        check(Method::Get, "https://a.org/", &split, &none, "the field \"X-A\" cannot be sent");
        check(Method::Get, "https://a.org/", &[("a\n", "")], &none, "the field \"a\\n\" cannot be sent");
    }
}
