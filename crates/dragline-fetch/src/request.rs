//! Builds the request that awc is given: method, URI with the route in it, and every field ourselves.

use actix_http::body::{self, BodyStream, SizedStream};
use actix_http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, COOKIE, FROM, HOST, HeaderMap, HeaderName,
    HeaderValue, USER_AGENT,
};
use awc::error::SendRequestError;
use awc::http::Method as HttpMethod;
use awc::{Client, ClientRequest, ClientResponse};
use bytes::Bytes;
use dragline_core::fetch::{FetchRequest, Method, RequestBody};

use crate::route::{Route, awc_uri};
use crate::setup::TransportSetupError;
use crate::{chance, clock};

/// The codings that are undone.
const CODINGS: HeaderValue = HeaderValue::from_static("gzip, deflate, br, zstd");
/// Fields that belong to the connection, or to a body that no request has.
const RESERVED: [&str; 9] = [
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The fields that every request of a transport carries.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    user_agent: HeaderValue,
    accept: HeaderValue,
    from: Option<HeaderValue>,
}

impl Fields {
    pub(crate) fn new(
        user_agent: &str,
        accept: &str,
        from: Option<&str>,
    ) -> Result<Self, TransportSetupError> {
        let value =
            |name, text: &str| HeaderValue::from_str(text).map_err(|_| TransportSetupError::Field(name));
        Ok(Self {
            user_agent: value("user-agent", user_agent)?,
            accept: value("accept", accept)?,
            from: from.map(|from| value("from", from)).transpose()?,
        })
    }
}

/// A request that awc can send.
#[derive(Debug)]
pub(crate) struct Built<'a> {
    request: ClientRequest,
    body: &'a RequestBody,
    announces_empty_content: bool,
}

impl Built<'_> {
    /// Sends the request and waits for the head of its response.
    ///
    /// # Errors
    /// As awc puts them.
    pub(crate) async fn send(self) -> Result<ClientResponse, SendRequestError> {
        match self.body {
            RequestBody::None if self.announces_empty_content => self.request.send_body(Bytes::new()).await,
            RequestBody::None => self.request.send_body(body::None::new()).await,
            RequestBody::Bytes { content, .. } => self.request.send_body(content.clone()).await,
            RequestBody::Stream(stream) => match stream.length() {
                Some(length) => self.request.send_body(SizedStream::new(length, stream.open())).await,
                None => self.request.send_body(BodyStream::new(stream.open())).await,
            },
        }
    }
}

/// What is to be known of the fields of one request.
#[derive(Debug)]
pub(crate) struct Fielded {
    /// Whether it is the last on its connection.
    close: bool,
    /// The `Authorization` that is sent, a secret.
    pub(crate) authorization: Option<String>,
}

/// Puts the fields of a request into `headers`: those of every request, then of its host, then its own, which win.
///
/// Each call counts as one answer to a challenge: it is made once for each request sent.
///
/// # Errors
/// Says what cannot be sent.
pub(crate) fn fields(
    headers: &mut HeaderMap,
    common: &Fields,
    of_host: &[(Box<str>, Box<str>)],
    request: &FetchRequest,
) -> Result<Fielded, String> {
    let host = HeaderValue::from_str(request.url.authority()).map_err(|_| "the host cannot be sent")?;
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, common.user_agent.clone());
    headers.insert(ACCEPT, common.accept.clone());
    headers.insert(ACCEPT_ENCODING, CODINGS);
    if let Some(from) = &common.from {
        headers.insert(FROM, from.clone());
    }
    if let RequestBody::Bytes { content_type: Some(content_type), .. } = &request.body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let mut close = false;
    for (name, value) in of_host.iter().chain(request.headers.iter()) {
        close |= own_field(headers, name, value)?;
    }
    let cookie = request.cookies.as_ref().and_then(|jar| jar.field(&request.url, clock::wall()));
    if let Some(cookie) = cookie.filter(|_| !headers.contains_key(COOKIE)) {
        let value = HeaderValue::from_str(&cookie).map_err(|_| "a cookie cannot be sent")?;
        headers.insert(COOKIE, value);
    }
    let mut authorization = None;
    if let Some(keyring) = request.keyring.as_ref().filter(|_| !headers.contains_key(AUTHORIZATION)) {
        authorization = keyring.authorization(&request.url, request.method.name(), chance::unforeseen());
    }
    if let Some(authorization) = &authorization {
        let value = HeaderValue::from_str(authorization);
        headers.insert(AUTHORIZATION, value.map_err(|_| "the credentials cannot be sent")?);
    }
    Ok(Fielded { close, authorization })
}

/// Builds the request that awc sends along a route; returns the `Authorization` in it, too.
///
/// # Errors
/// Says what cannot be sent.
pub(crate) fn build<'a>(
    client: &Client,
    route: Route,
    common: &Fields,
    of_host: &[(Box<str>, Box<str>)],
    request: &'a FetchRequest,
) -> Result<(Built<'a>, Option<String>), String> {
    let uri = awc_uri(&request.url, route).ok_or("the URL is too long to be sent")?;
    let method = match request.method {
        Method::Get => HttpMethod::GET,
        Method::Head => HttpMethod::HEAD,
        Method::Post => HttpMethod::POST,
        Method::Put => HttpMethod::PUT,
        Method::Patch => HttpMethod::PATCH,
        Method::Delete => HttpMethod::DELETE,
        Method::Options => HttpMethod::OPTIONS,
    };
    let mut built = client.request(method, uri);
    let Fielded { close, authorization } = fields(built.headers_mut(), common, of_host, request)?;
    let built = if close { built.force_close() } else { built };
    let announces_empty_content = request.method.announces_empty_content();
    Ok((Built { request: built, body: &request.body, announces_empty_content }, authorization))
}

/// Sets a field of the caller; true when it asks to close the connection afterwards.
fn own_field(headers: &mut HeaderMap, name: &str, value: &str) -> Result<bool, String> {
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(format!("the field \"{name}\" is the transport's to set"));
    }
    if name.eq_ignore_ascii_case("connection") {
        return match value.trim() {
            close if close.eq_ignore_ascii_case("close") => Ok(true),
            _ => Err("the field \"connection\" may only say close".into()),
        };
    }
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
    let (name, value) =
        parsed.ok_or_else(|| format!("the field \"{}\" cannot be sent", name.escape_default()))?;
    headers.insert(name, value);
    Ok(false)
}
