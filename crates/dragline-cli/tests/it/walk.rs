//! Finds the pages of a site by other means than the crawler: html5ever, the `url` crate, and a plain queue.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use url::Url;

use crate::http;

/// What the walk calls itself.
pub(crate) const AGENT: &str = "independent-walk";

/// Walks a host breadth first from one path, and returns the status of every path and query it can reach by links,
/// frames, refreshes and redirects.
pub(crate) fn walk(address: SocketAddr, from: &str) -> BTreeMap<String, u16> {
    let home = Url::parse(&format!("http://{address}{from}")).expect("an address and a path are a URL");
    let mut statuses = BTreeMap::from([(path_of(&home), 0)]);
    let mut waiting = VecDeque::from([home.clone()]);
    while let Some(url) = waiting.pop_front() {
        let path = path_of(&url);
        let answer = http::get(address, &path, AGENT).expect("the server answers");
        let found = match answer.field("location") {
            Some(location) if (300..400).contains(&answer.status) => url.join(location).into_iter().collect(),
            _ if answer.status == 200 && answer.field("content-type").is_some_and(is_html) => {
                links(&url, &String::from_utf8_lossy(&answer.body))
            }
            _ => Vec::new(),
        };
        statuses.insert(path, answer.status);
        for url in found.into_iter().filter(|url| url.origin() == home.origin()) {
            statuses.entry(path_of(&url)).or_insert_with(|| {
                waiting.push_back(url);
                0
            });
        }
    }
    statuses
}

fn is_html(content_type: &str) -> bool {
    content_type.starts_with("text/html")
}

/// Returns what a request line says of a URL.
fn path_of(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// Returns the targets of a page.
fn links(page: &Url, html: &str) -> Vec<Url> {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    let tokenizer = Tokenizer::new(References::default(), TokenizerOpts::default());
    assert!(
        matches!(tokenizer.feed(&input), html5ever::TokenizerResult::Done),
        "no script waits for anybody"
    );
    tokenizer.end();
    let References { base, targets } = tokenizer.sink;
    let base = base.into_inner().and_then(|base| page.join(&base).ok()).unwrap_or_else(|| page.clone());
    let targets = targets.into_inner();
    targets.iter().filter_map(|target| base.join(target).ok()).collect()
}

/// Gathers what the tags of a page refer to.
#[derive(Default)]
struct References {
    base: RefCell<Option<String>>,
    targets: RefCell<Vec<String>>,
}

impl TokenSink for References {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let TagToken(tag) = token else { return TokenSinkResult::Continue };
        if tag.kind != StartTag {
            return TokenSinkResult::Continue;
        }
        let target = match &*tag.name {
            "a" | "area" if !is_nofollow(&tag) => attribute(&tag, "href"),
            "frame" | "iframe" => attribute(&tag, "src"),
            "meta" => refresh(&tag),
            _ => None,
        };
        self.targets.borrow_mut().extend(target);
        if &*tag.name == "base" && self.base.borrow().is_none() {
            *self.base.borrow_mut() = attribute(&tag, "href");
        }
        match &*tag.name {
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => TokenSinkResult::RawData(RawKind::Rawtext),
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            _ => TokenSinkResult::Continue,
        }
    }
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    tag.attrs.iter().find(|found| &*found.name.local == name).map(|found| found.value.to_string())
}

fn is_nofollow(tag: &Tag) -> bool {
    let rel = attribute(tag, "rel").unwrap_or_default().to_ascii_lowercase();
    rel.split_ascii_whitespace().any(|word| ["nofollow", "ugc", "sponsored"].contains(&word))
}

/// Returns the target of `<meta http-equiv=refresh content="0; url=target">`.
fn refresh(tag: &Tag) -> Option<String> {
    let is_refresh = attribute(tag, "http-equiv")?.eq_ignore_ascii_case("refresh");
    let content = attribute(tag, "content").filter(|_| is_refresh)?;
    let (_, target) =
        content.split_once(['=']).filter(|(before, _)| before.to_ascii_lowercase().ends_with("url"))?;
    Some(target.trim().to_owned())
}
