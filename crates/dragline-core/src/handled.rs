//! Holds a handler's answer: links found, items made, and whether the page is done.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::disposition::LinkRefusal;
use crate::url::CanonicalUrl;

/// A handler's answer to one page: an acknowledgement, applied in one step when every route has answered.
#[derive(Debug, Default)]
pub struct Handled {
    /// Links to offer to the frontier.
    pub outlinks: Outlinks,
    /// Items for the sinks, in order.
    pub items: Vec<Item>,
    /// Whether the page is done.
    pub verdict: Verdict,
    /// The page's title, when the handler read one; stands in the page's record.
    pub title: Option<Box<str>>,
}

impl Handled {
    /// Adds an item.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON (a map with keys that are no strings, or its own error).
    pub fn item(&mut self, value: &impl Serialize) -> Result<&mut Self, serde_json::Error> {
        self.items.push(Item::new(value)?);
        Ok(self)
    }

    /// Adds a link found on `page_url`, resolved by the WHATWG rules; counts it as refused when it cannot be fetched.
    pub fn link(&mut self, page_url: &CanonicalUrl, reference: &str) -> &mut Self {
        match page_url.join(reference) {
            Ok(url) => self.outlinks.push(&url),
            Err(_) => self.outlinks.refuse(LinkRefusal::InvalidUrl),
        }
        self
    }
}

/// Whether a handler is done with a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// The page is handled.
    #[default]
    Done,
    /// The page cannot be handled: it ends `failed(handler_error)` with this message; links and items are dropped.
    Failed(Box<str>),
    /// Fetch it again, not before this long from now; counts as an attempt. Links and items are dropped.
    Retry(Duration),
}

/// One item: a JSON value, written down on the handler's own thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item(Box<str>);

impl Item {
    /// Writes `value` as JSON.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON.
    pub fn new(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_string(value)?.into()))
    }

    /// Returns the JSON text, on one line.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

/// The links of one page in one arena: canonical URL texts, end to end.
#[derive(Debug, Default)]
pub struct Outlinks {
    text: String,
    links: Vec<Outlink>,
    labels: Vec<Arc<str>>,
    refused: [u32; LinkRefusal::ALL.len()],
}

#[derive(Clone, Copy, Debug)]
struct Outlink {
    start: u32,
    len: u16,
    /// 0 for none, else the index into `labels` plus one.
    label: u16,
}

impl Outlinks {
    /// Adds a URL.
    pub fn push(&mut self, url: &CanonicalUrl) {
        self.push_canonical(url.as_str());
    }

    /// Adds a URL under a label, which routes may ask for.
    pub fn push_labelled(&mut self, url: &CanonicalUrl, label: &str) {
        self.push(url);
        let known = self.labels.iter().position(|known| &**known == label);
        let index = known.unwrap_or_else(|| {
            self.labels.push(label.into());
            self.labels.len() - 1
        });
        if let (Some(link), Ok(number)) = (self.links.last_mut(), u16::try_from(index + 1)) {
            link.label = number;
        }
    }

    /// Adds a text that is already the canonical spelling of a URL; one that is too long is counted as refused.
    pub fn push_canonical(&mut self, text: &str) {
        match (u32::try_from(self.text.len()), u16::try_from(text.len())) {
            (Ok(start), Ok(len)) => {
                self.text.push_str(text);
                self.links.push(Outlink { start, len, label: 0 });
            }
            _ => self.refuse(LinkRefusal::TooLong),
        }
    }

    /// Counts a link that is not offered.
    pub fn refuse(&mut self, refusal: LinkRefusal) {
        self.refuse_many(refusal, 1);
    }

    /// Counts several links that are not offered.
    pub fn refuse_many(&mut self, refusal: LinkRefusal, count: u32) {
        if let Some(counter) = self.refused.get_mut(refusal as usize) {
            *counter = counter.saturating_add(count);
        }
    }

    /// Returns how many links were refused for this reason.
    pub fn refused(&self, refusal: LinkRefusal) -> u32 {
        self.refused.get(refusal as usize).copied().unwrap_or_default()
    }

    /// Returns the number of links to offer.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there are no links to offer.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Returns every link as (canonical text, label), in the order added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Option<&Arc<str>>)> {
        self.links.iter().map(|link| (self.text_of(*link), self.label_of(*link)))
    }

    /// Keeps the links that `keep` says yes to; it is asked in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        let text = std::mem::take(&mut self.text);
        self.links.retain(|link| keep(slice(&text, *link)));
        self.text = text;
    }

    /// Adds every link and refusal of `other`.
    pub fn append(&mut self, other: &Self) {
        for (text, label) in other.iter() {
            self.push_canonical(text);
            if let Some(label) = label {
                let index = self.labels.iter().position(|known| known == label).unwrap_or_else(|| {
                    self.labels.push(Arc::clone(label));
                    self.labels.len() - 1
                });
                if let (Some(link), Ok(number)) = (self.links.last_mut(), u16::try_from(index + 1)) {
                    link.label = number;
                }
            }
        }
        for refusal in LinkRefusal::ALL {
            self.refuse_many(refusal, other.refused(refusal));
        }
    }

    fn text_of(&self, link: Outlink) -> &str {
        slice(&self.text, link)
    }

    fn label_of(&self, link: Outlink) -> Option<&Arc<str>> {
        link.label.checked_sub(1).and_then(|index| self.labels.get(usize::from(index)))
    }
}

fn slice(text: &str, link: Outlink) -> &str {
    let start = link.start as usize;
    text.get(start..start + usize::from(link.len)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> CanonicalUrl {
        CanonicalUrl::parse(text).unwrap()
    }

    #[test]
    fn links_come_back_in_order_with_their_labels() {
        let mut outlinks = Outlinks::default();
        outlinks.push(&url("http://a/1"));
        outlinks.push_labelled(&url("http://a/2"), "detail");
        outlinks.push_labelled(&url("http://a/3"), "detail");
        let mut all = Outlinks::default();
        all.refuse(LinkRefusal::Depth);
        all.append(&outlinks);
        all.retain(|text| text != "http://a/2");
        let found: Vec<_> = all.iter().map(|(text, label)| (text, label.map(|label| &**label))).collect();
        assert_eq!(found, [("http://a/1", None), ("http://a/3", Some("detail"))]);
        assert_eq!(all.refused(LinkRefusal::Depth), 1);
    }

    #[test]
    fn a_link_that_cannot_be_fetched_is_counted() {
        let mut handled = Handled::default();
        handled.link(&url("http://a/b/"), "../c").link(&url("http://a/"), "mailto:x@y");
        assert_eq!(handled.outlinks.iter().map(|(text, _)| text).collect::<Vec<_>>(), ["http://a/c"]);
        assert_eq!(handled.outlinks.refused(LinkRefusal::InvalidUrl), 1);
    }
}
