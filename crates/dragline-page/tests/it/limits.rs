//! Shows that hostile documents of a megabyte are read to their end in one pass.

use dragline_core::LinkRefusal;
use dragline_core::rules::CrawlRules;
use dragline_core::{CanonicalUrl, Headers, Page, Phases, Wall};
use dragline_page::{ExtractRules, Extraction, extract};

const DOCUMENT_BYTES: usize = 1 << 20;

/// Extracts from `prefix` followed by a megabyte of `unit`. Were any step quadratic this would take minutes.
fn check(prefix: &str, unit: &str) -> Extraction {
    let markup = format!("{prefix}{}", unit.repeat(DOCUMENT_BYTES / unit.len()));
    let page = Page {
        url: CanonicalUrl::parse("http://a.org/x/").expect("a URL"),
        status: 200,
        headers: Headers::from_pairs([("content-type", "text/html")]),
        body: markup.into_bytes().into(),
        truncated: false,
        depth: 0,
        label: None,
        data: None,
        referrer: None,
        chain: [].into(),
        attempt: 1,
        phases: Phases::default(),
        fetched_at: Wall::from_secs(0),
        peer: None,
        body_wire_bytes: 0,
        hold: None,
    };
    extract(&page, &ExtractRules::of(&CrawlRules::default()))
}

#[test]
fn what_never_closes_hides_the_rest() {
    let openings = [
        "<!--",
        "<!",
        "<?",
        "</ ",
        "<a href=\"",
        "<a href='",
        "<title>",
        "<textarea>",
        "<style>",
        "<script>",
        "<script><!--",
        "<script><!--<script>",
        "<plaintext>",
        "<template>",
        "<iframe>",
        "<p ",
    ];
    for opening in openings {
        // None of the units closes what was opened; each begins the search for its end anew.
        for unit in ["<", "--", "<!-", "</", "a", "<script", "</scrip", "</titl", "/", "=", "&amp", "\0"] {
            assert_eq!(check(opening, unit).outlinks.len(), 0, "{opening} {unit}");
        }
    }
}

#[test]
fn many_small_things_are_all_read() {
    let units = [
        "<",
        "<a",
        "<a ",
        "<!-->",
        "<script><!--",
        "<title>",
        "<svg>",
        "<template>",
        "<a x=1 href",
        "<p a b c d>",
        "<a href=>",
        "&#38",
        "<meta name=robots content=','>",
        "<base href=./>",
        "<link rel=canonical>",
    ];
    for unit in units {
        let found = check("<a href=first>", unit);
        assert_eq!(
            found.outlinks.iter().next().map(|(text, _)| text),
            Some("http://a.org/x/first"),
            "{unit}"
        );
    }
}

#[test]
fn links_are_resolved_up_to_the_limit_however_long_their_base_is() {
    let base = format!("<base href='/{}/'>", "b/".repeat(30_000));
    let found = check(&base, "<a href=x>");
    assert_eq!(found.outlinks.refused(LinkRefusal::TooLong), 10_000);
    assert_eq!(found.links_seen - found.dropped, 10_000);
    let climbing = check("", &format!("<a href='{}'>", "../".repeat(50_000)));
    assert!(climbing.outlinks.iter().all(|(text, _)| text == "http://a.org/"));
    assert!(!climbing.outlinks.is_empty());
}
