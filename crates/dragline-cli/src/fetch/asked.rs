//! Reads what `dragline fetch` is asked for: URLs, method, fields, content.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use dragline::config::{Plan, request_field};
use dragline::core::auth::{Credentials, Keyring};
use dragline::core::cookies::CookieJar;
use dragline::core::fetch::{FetchLimits, FetchRequest, Method, RequestBody};
use dragline::core::{CanonicalUrl, UrlError};
use dragline::engine::Network;

use crate::args::FetchArgs;
use crate::exit::{Exit, Fault};

/// The longest file of URLs, and the longest content that is sent.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// What content is when nothing says otherwise: what a form sends.
const FORM: &str = "application/x-www-form-urlencoded";

/// One URL as it was given.
#[derive(Debug)]
pub(super) struct Asked {
    /// The text as given.
    pub(super) text: Box<str>,
}

/// What is the same for every request.
#[derive(Debug)]
pub(super) struct Template {
    method: Method,
    headers: Arc<[(Box<str>, Box<str>)]>,
    body: RequestBody,
    limits: Arc<FetchLimits>,
    pub(super) cookies: Option<Arc<CookieJar>>,
    /// Everybody's; a URL with credentials of its own has its own.
    pub(super) keyring: Option<Arc<Keyring>>,
    network: Network,
}

/// Reads a field of the command line.
pub(crate) fn field(text: &str) -> Result<(Box<str>, Box<str>), String> {
    request_field(text)
}

/// Reads a method of the command line.
pub(crate) fn method(text: &str) -> Result<Method, String> {
    Method::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        format!("not one of {}", known.join(", "))
    })
}

/// Returns every URL in the order given: those of the command line, then those of the file.
pub(super) fn urls(args: &FetchArgs) -> Result<Vec<Asked>, Fault> {
    let mut texts: Vec<Box<str>> = args.urls.iter().map(|url| url.as_str().into()).collect();
    check_places(args)?;
    if let Some(file) = &args.urls_file {
        let before = texts.len();
        let bytes = read(file).map_err(Fault::nothing_started)?;
        // What is no UTF-8 is no URL, and its record says so.
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines().map(str::trim);
        texts.extend(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Box::from));
        if texts.len() == before {
            let message = format!("{} holds no URL: write one a line", shown(file));
            return Err(Fault::nothing_started(anyhow::anyhow!(message)));
        }
    }
    Ok(texts.into_iter().map(|text| Asked { text }).collect())
}

/// Refuses what would read or write one place twice.
fn check_places(args: &FetchArgs) -> Result<(), Fault> {
    let is_standard = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str() == "-");
    let message = if args.output.is_some() && args.urls.len() > 1 {
        "--output takes the body of one URL: fetch the others by a call of their own"
    } else if is_standard(&args.urls_file) && args.data.as_deref() == Some("@-") {
        "--urls - and --data @- both read standard input: put one of them into a file"
    } else if is_standard(&args.jsonl) && is_standard(&args.output) {
        "--jsonl - and --output - both write standard output: put one of them into a file"
    } else {
        return Ok(());
    };
    Err(Fault::new(Exit::Usage, anyhow::anyhow!(message)))
}

impl Template {
    /// Reads the content, if some is to be sent.
    pub(super) fn new(args: &FetchArgs, plan: &Plan, network: Network) -> Result<Self, Fault> {
        let mut body = RequestBody::None;
        if let Some(data) = &args.data {
            let content = match data.strip_prefix('@') {
                Some(file) => read(Path::new(file)).map_err(Fault::nothing_started)?,
                None => data.clone().into_bytes(),
            };
            body = RequestBody::Bytes { content: content.into(), content_type: Some(FORM) };
        }
        let method = match args.method {
            _ if args.head => Method::Head,
            Some(method) => method,
            None if args.data.is_some() => Method::Post,
            None => Method::Get,
        };
        let headers = args.header.as_slice().into();
        let limits = Arc::new(plan.fetch.limits.clone());
        let (cookies, keyring) = (network.cookies(), network.keyring(Vec::new()));
        Ok(Self { method, headers, body, limits, cookies, keyring, network })
    }

    /// Makes the request for a URL as it was given.
    pub(super) fn request(&self, text: &str) -> Result<FetchRequest, UrlError> {
        let url = CanonicalUrl::parse(text)?;
        let own = Credentials::in_url(text).map(|credentials| (url.origin(), credentials));
        let keyring = match own {
            Some(own) => self.network.keyring(vec![own]),
            None => self.keyring.clone(),
        };
        Ok(FetchRequest {
            method: self.method,
            headers: Arc::clone(&self.headers),
            body: self.body.clone(),
            cookies: self.cookies.clone(),
            keyring,
            ..FetchRequest::get(url, Arc::clone(&self.limits))
        })
    }
}

/// Reads a file, or standard input for `-`.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let failed = || format!("could not read {}", shown(file));
    let mut bytes = Vec::new();
    let taken = if file.as_os_str() == "-" {
        io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).with_context(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    };
    taken.with_context(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        bail!("{} is longer than {FILE_BYTES_MAX} bytes", shown(file));
    }
    Ok(bytes)
}

fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".into() } else { file.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_method_names_the_known_ones() {
        assert_eq!(method("put"), Ok(Method::Put));
        assert_eq!(method("TRACE").unwrap_err(), "not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
}
