//! Keeps every lease from its grant to its settle, with the page and the answers of its handlers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::disposition::FailKind;
use crate::fetch::{FetchError, Phases};
use crate::frontier::{Lease, OfferBatch, Purpose, Settlement, Token, Visit};
use crate::handled::{Item, Verdict};
use crate::map::{self, Map};
use crate::outcome::Outcome;
use crate::page::Page;
use crate::time::Wall;

/// What is known of a fetch for records, after its body is gone.
#[derive(Clone, Debug)]
pub struct FetchSummary {
    /// How it ended.
    pub outcome: Outcome,
    /// The status, when a head arrived.
    pub status: Option<u16>,
    /// The media type without parameters, when one was named.
    pub content_type: Option<Box<str>>,
    /// All bytes received, heads and framing included.
    pub received_bytes: u64,
    /// Bytes of the body as received.
    pub body_wire_bytes: u64,
    /// Bytes of the body as decoded.
    pub body_bytes: u64,
    /// Whether the body was cut at a cap.
    pub truncated: bool,
    /// How long each phase took.
    pub phases: Phases,
    /// The address that was talked to.
    pub peer: Option<SocketAddr>,
    /// When the fetch ended.
    pub fetched_at: Wall,
    /// What went wrong and when.
    pub error: Option<FetchError>,
    /// The `ETag` as it came, when it can be sent back.
    pub etag: Option<Box<str>>,
    /// The `Last-Modified` as it came, when it can be sent back.
    pub last_modified: Option<Box<str>>,
    /// The digest of a page's decoded body (XXH3, 128 bits); `None` when there was none or it is not whole.
    pub digest: Option<u128>,
}

/// One handler's answer to one page, as the supervisor gets it.
#[derive(Debug)]
pub enum Answer {
    /// The handler answered.
    Handled {
        /// Whether it is done.
        verdict: Verdict,
        /// Its links, fingerprinted.
        offer: Option<Box<OfferBatch>>,
        /// Its items, in order.
        items: Vec<Item>,
        /// The title it read.
        title: Option<Box<str>>,
    },
    /// The handler did not answer: it panicked, hung, or reported an error.
    Failed(FailKind, Box<str>),
}

/// One lease that is not settled.
#[derive(Debug)]
pub struct Entry {
    /// The lease.
    pub lease: Lease,
    /// The fetcher that has it.
    pub fetcher: usize,
    /// How its fetch ended; `None` while it runs.
    pub summary: Option<FetchSummary>,
    /// The page, kept so that it can be given to another handler.
    pub page: Option<Arc<Page>>,
    /// Routes that have not answered.
    pub waiting_for: Vec<usize>,
    /// Answers by route.
    pub answers: Vec<(usize, Answer)>,
}

/// What a route's answer led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Other routes of the page have not answered.
    Waiting,
    /// Every route has answered: the lease can be settled.
    Complete,
    /// The lease is gone, or the route had answered: dropped.
    Stale,
}

/// How a page that every route has answered is settled, in one step.
#[derive(Debug)]
pub struct Conclusion {
    /// How its lease is settled.
    pub settlement: Settlement,
    /// Links to offer, in the order of the routes; empty unless it is done.
    pub offers: Vec<OfferBatch>,
    /// Items by route, in the order of the routes; empty unless it is done.
    pub items: Vec<(usize, Vec<Item>)>,
    /// The first title a route read.
    pub title: Option<Box<str>>,
    /// What a handler said when it failed.
    pub message: Option<Box<str>>,
}

/// Every lease that is not settled.
#[derive(Debug)]
pub struct Ledger {
    entries: Map<Token, Entry>,
}

impl Ledger {
    /// Starts empty; `seed` is the run's.
    pub fn new(seed: u64) -> Self {
        Self { entries: map::map(seed) }
    }

    /// Enters a lease that was granted to a fetcher.
    ///
    /// # Panics
    /// When the token is in the ledger: a token is granted once.
    pub fn open(&mut self, lease: Lease, fetcher: usize) {
        let entry =
            Entry { lease, fetcher, summary: None, page: None, waiting_for: Vec::new(), answers: Vec::new() };
        let earlier = self.entries.insert(entry.lease.token, entry);
        assert!(earlier.is_none(), "a token is granted once");
    }

    /// Notes the end of a fetch; `false`: the lease is gone or was fetched already, drop the answer.
    pub fn fetched(&mut self, token: Token, fetcher: usize, summary: FetchSummary) -> bool {
        match self.entries.get_mut(&token) {
            Some(entry) if entry.summary.is_none() && entry.fetcher == fetcher => {
                entry.summary = Some(summary);
                true
            }
            _ => false,
        }
    }

    /// Hands a page to its routes, each of which must answer.
    pub fn to_handlers(&mut self, token: Token, page: Arc<Page>, routes: &[usize]) {
        debug_assert!(!routes.is_empty(), "a page without a route is settled at once");
        if let Some(entry) = self.entries.get_mut(&token) {
            entry.page = Some(page);
            entry.waiting_for.extend_from_slice(routes);
        }
    }

    /// Takes a route's answer.
    pub fn answer(&mut self, token: Token, route: usize, answer: Answer) -> Answered {
        let Some(entry) = self.entries.get_mut(&token) else { return Answered::Stale };
        let Some(position) = entry.waiting_for.iter().position(|&waiting| waiting == route) else {
            return Answered::Stale;
        };
        entry.waiting_for.swap_remove(position);
        entry.answers.push((route, answer));
        if entry.waiting_for.is_empty() { Answered::Complete } else { Answered::Waiting }
    }

    /// Takes out the answers of a lease that every route has answered.
    pub fn take_answers(&mut self, token: Token) -> Vec<(usize, Answer)> {
        self.entries.get_mut(&token).map(|entry| std::mem::take(&mut entry.answers)).unwrap_or_default()
    }

    /// Takes out what the fetch of a page's lease brought, for the history; the summary keeps all but the validators.
    pub fn take_visit(&mut self, token: Token) -> Option<Box<Visit>> {
        let entry = self.entries.get_mut(&token).filter(|entry| entry.lease.purpose == Purpose::Page)?;
        let summary = entry.summary.as_mut()?;
        Some(Box::new(Visit {
            at: summary.fetched_at,
            outcome: summary.outcome,
            status: summary.status,
            body_bytes: summary.body_bytes,
            etag: summary.etag.take(),
            last_modified: summary.last_modified.take(),
            digest: summary.digest,
        }))
    }

    /// Returns a lease that is not settled.
    pub fn get(&self, token: Token) -> Option<&Entry> {
        self.entries.get(&token)
    }

    /// Takes out a lease that is being settled.
    pub fn close(&mut self, token: Token) -> Option<Entry> {
        self.entries.remove(&token)
    }

    /// Returns the leases whose fetch a fetcher has not finished, in the order of their tokens.
    pub fn unfinished_at(&self, fetcher: usize) -> Vec<Token> {
        let unfinished =
            self.entries.values().filter(|entry| entry.fetcher == fetcher && entry.summary.is_none());
        let mut tokens: Vec<_> = unfinished.map(|entry| entry.lease.token).collect();
        tokens.sort_unstable();
        tokens
    }

    /// Returns how many leases are not settled: the page credits in use.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Joins the answers of every route into one settlement.
///
/// A failure wins over a wish to retry, and both over done; then links and items of all routes are dropped, so that
/// a page is applied wholly or not at all.
pub fn conclude(mut answers: Vec<(usize, Answer)>) -> Conclusion {
    answers.sort_by_key(|&(route, _)| route);
    let mut failed = None;
    let mut retry_after: Option<Duration> = None;
    let (mut offers, mut items, mut title) = (Vec::new(), Vec::new(), None);
    for (route, answer) in answers {
        match answer {
            Answer::Failed(kind, message) => failed = failed.or(Some((kind, message))),
            Answer::Handled { verdict: Verdict::Failed(message), .. } => {
                failed = failed.or(Some((FailKind::HandlerError, message)));
            }
            Answer::Handled { verdict: Verdict::Retry(after), .. } => {
                retry_after = Some(retry_after.map_or(after, |longest| longest.max(after)));
            }
            Answer::Handled { verdict: Verdict::Done, offer, items: made, title: read } => {
                offers.extend(offer.map(|offer| *offer));
                if !made.is_empty() {
                    items.push((route, made));
                }
                title = title.or(read);
            }
        }
    }
    let nothing = |settlement, message| Conclusion {
        settlement,
        offers: Vec::new(),
        items: Vec::new(),
        title: None,
        message,
    };
    match (failed, retry_after) {
        (Some((kind, message)), _) => nothing(Settlement::Failed(kind), Some(message)),
        (None, Some(after)) => nothing(Settlement::RetryLater(after), None),
        (None, None) => Conclusion { settlement: Settlement::Done, offers, items, title, message: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::digest;
    use crate::fetch::FetchResponse;
    use crate::headers::Headers;
    use crate::rules::CrawlRules;
    use crate::url::CanonicalUrl;

    fn handled(verdict: Verdict, item: u32) -> Answer {
        Answer::Handled {
            verdict,
            offer: None,
            items: vec![Item::new(&item).unwrap()],
            title: Some(format!("title {item}").into()),
        }
    }

    #[test]
    fn a_visit_is_what_the_fetch_of_a_page_brought() {
        let lease = |token, purpose| Lease {
            token: Token(token),
            url: CanonicalUrl::parse("http://a/").unwrap(),
            purpose,
            depth: 0,
            attempt: 1,
            generation: 0,
            revisit: None,
            label: None,
            data: None,
            referrer: None,
            chain: Arc::new([]),
            queue_wait: Duration::ZERO,
            gap: Duration::ZERO,
        };
        let mut ledger = Ledger::new(1);
        for (token, purpose) in [(1, Purpose::Page), (2, Purpose::Page), (3, Purpose::Robots)] {
            let lease = lease(token, purpose);
            let head = Headers::from_pairs([("ETag", "\"1\""), ("Last-Modified", "then")]);
            let response = FetchResponse::whole(&lease.url, 200, head, "body".into());
            let done = digest(&lease, response, &CrawlRules::default(), Wall::from_secs(9));
            ledger.open(lease, 0);
            assert!(token == 2 || ledger.fetched(Token(token), 0, done.summary));
        }
        let visit = ledger.take_visit(Token(1)).unwrap();
        assert_eq!((visit.at, visit.outcome, visit.status), (Wall::from_secs(9), Outcome::Ok, Some(200)));
        assert_eq!((visit.etag.as_deref(), visit.last_modified.as_deref()), (Some("\"1\""), Some("then")));
        assert!(visit.digest.is_some() && visit.body_bytes == 4);
        assert_eq!(ledger.take_visit(Token(2)), None, "its fetch has not ended");
        assert_eq!(ledger.take_visit(Token(3)), None, "an errand is no URL");
    }

    #[test]
    fn answers_apply_in_the_order_of_the_routes() {
        let conclusion = conclude(vec![(1, handled(Verdict::Done, 1)), (0, handled(Verdict::Done, 0))]);
        assert!(matches!(conclusion.settlement, Settlement::Done));
        let made: Vec<_> = conclusion.items.iter().map(|(route, items)| (*route, items.len())).collect();
        assert_eq!(made, [(0, 1), (1, 1)]);
        assert_eq!(conclusion.title.as_deref(), Some("title 0"));
    }

    #[test]
    fn one_failure_drops_everything() {
        let answers = vec![
            (0, handled(Verdict::Done, 0)),
            (1, handled(Verdict::Retry(Duration::from_secs(1)), 1)),
            (2, Answer::Failed(FailKind::HandlerPanic, "boom".into())),
        ];
        let conclusion = conclude(answers);
        assert!(matches!(conclusion.settlement, Settlement::Failed(FailKind::HandlerPanic)));
        assert!(conclusion.items.is_empty() && conclusion.offers.is_empty());
        assert_eq!(conclusion.message.as_deref(), Some("boom"));
    }

    #[test]
    fn the_longest_wish_to_retry_wins() {
        let secs = Duration::from_secs;
        let answers =
            vec![(0, handled(Verdict::Retry(secs(1)), 0)), (1, handled(Verdict::Retry(secs(3)), 1))];
        let conclusion = conclude(answers);
        assert!(matches!(conclusion.settlement, Settlement::RetryLater(after) if after == secs(3)));
        assert!(conclusion.items.is_empty());
    }
}
