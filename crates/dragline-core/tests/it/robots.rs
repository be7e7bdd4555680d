//! Runs the robots.txt parser against the cases of google/robotstxt.

use dragline_core::CanonicalUrl;
use dragline_core::robots::RobotsTxt;
use serde_json::Value;

const CASES: &str = include_str!("../../../dragline-testkit/data/robots/google-robotstxt-cases.json");

/// A path of a case on which we disagree on purpose, with its robots.txt rule and Google's answer.
type Disagreement = (&'static str, &'static str, bool);

/// RFC 9309 2.2.2 compares paths after percent-normalisation: escaped octets beyond ASCII equal the octets themselves,
/// and needless escapes equal what they stand for. Google compares what it is given and leaves the rest to the caller.
const DELIBERATE: [Disagreement; 3] = [
    ("Allow: /foo/bar/ツ", "http://foo.bar/foo/bar/ツ", false),
    ("Allow: /foo/bar/%E3%83%84", "http://foo.bar/foo/bar/ツ", false),
    ("Allow: /foo/bar/%62%61%7A", "http://foo.bar/foo/bar/baz", false),
];

/// Google takes `Allow: /x/index.html` to mean `/x/` too, and cuts lines at 16,664 octets, which turns a rule that
/// cannot match into one that does. RFC 9309 knows neither; these lines are given by their first 40 characters.
const BEYOND_THE_RFC: [Disagreement; 3] = [
    ("Allow: /allowed-slash/index.html", "http://foo.com/allowed-slash/", true),
    ("disallow: /x/aaaaaaaaaaaaaaaaaaaaaaaaaaa", "http://foo.bar/x/aaaaaaaaaaaaaaaaaaaaaaa", false),
    ("allow: /x/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "http://foo.bar/x/bbbbbbbbbbbbbbbbbbbbbbb", true),
];

struct Case {
    test: String,
    text: String,
    agent: String,
    url: String,
    allowed: bool,
}

fn cases(prefix: &str) -> Vec<Case> {
    let all: Vec<Value> = serde_json::from_str(CASES).expect("the cases are JSON");
    let text = |case: &Value, key: &str| case[key].as_str().expect("a text").to_owned();
    let cases = all.iter().map(|case| Case {
        test: text(case, "test"),
        text: text(case, "txt"),
        agent: text(case, "ua"),
        url: text(case, "url"),
        allowed: case["allow"].as_bool().expect("a truth value"),
    });
    cases.filter(|case| case.test.starts_with(prefix)).collect()
}

/// The first 40 characters: some lines and URLs are thousands of characters long.
fn brief(text: &str) -> String {
    text.chars().take(40).collect()
}

fn check(prefix: &str, count: usize, expected: &[Disagreement]) {
    let cases = cases(prefix);
    assert_eq!(cases.len(), count, "cases of {prefix}");
    let mut known: Vec<_> = expected.iter().collect();
    for case in cases {
        // Some cases have no URL at all: Google asks about `/` then.
        let url = CanonicalUrl::parse(&case.url).ok();
        let path = url.as_ref().map_or("/", CanonicalUrl::path_and_query);
        let found = RobotsTxt::parse(case.text.as_bytes(), 500 << 10, &case.agent).check(path);
        if found.allowed != case.allowed {
            let at = known.iter().position(|(rule, url, allowed)| {
                case.text.lines().any(|line| brief(line) == *rule)
                    && brief(&case.url) == *url
                    && case.allowed == *allowed
            });
            let at = at.unwrap_or_else(|| {
                let text: Vec<_> = case.text.lines().map(brief).collect();
                panic!("{}: {} by {text:?} for {}: {found:?}", case.test, brief(&case.url), case.agent)
            });
            known.swap_remove(at);
        }
    }
    assert!(known.is_empty(), "we agree after all: {known:?}");
}

#[test]
fn all_cases_of_rfc_9309_agree_but_for_percent_normalisation() {
    check("ID_", 72, &DELIBERATE);
}

#[test]
fn all_other_cases_of_google_agree_but_for_index_html_and_overlong_lines() {
    check("GoogleOnly_", 73, &BEYOND_THE_RFC);
}
