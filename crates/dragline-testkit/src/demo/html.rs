//! Writes the demo's pages as HTML, with words that look like a text.

use dragline_core::chance::Chance;

use super::web::Page;

const ADJECTIVES: [&str; 12] = [
    "Quiet", "Amber", "Narrow", "Early", "Hidden", "Broad", "Silver", "Patient", "Northern", "Hollow",
    "Bright", "Old",
];
const NOUNS: [&str; 16] = [
    "Harbour", "Orchard", "Ledger", "Bridge", "Lantern", "Meadow", "Archive", "Workshop", "Compass",
    "Garden", "Signal", "Mill", "Atlas", "Kiln", "Station", "Loom",
];
const WORDS: [&str; 24] = [
    "the", "thread", "holds", "where", "wind", "moves", "every", "corner", "of", "a", "web", "and", "waits",
    "until", "morning", "brings", "its", "light", "over", "fields", "that", "nobody", "has", "counted",
];

/// Returns a title of two words.
pub(super) fn title(chance: &mut Chance) -> String {
    format!("{} {}", pick(chance, &ADJECTIVES), pick(chance, &NOUNS))
}

/// Returns two to five paragraphs.
pub(super) fn paragraphs(chance: &mut Chance) -> String {
    let mut text = String::new();
    for _ in 0..2 + chance.below(4) {
        text.push_str("<p>");
        for index in 0..20 + chance.below(40) {
            text.push_str(if index == 0 { "" } else { " " });
            text.push_str(pick(chance, &WORDS));
        }
        text.push_str(".</p>\n");
    }
    text
}

/// Writes a page.
pub(super) fn page(page: &Page) -> String {
    let title = escape(&page.title);
    let mut html = String::with_capacity(1_024 + page.text.len() + 64 * page.links.len());
    html.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str(&format!("<title>{title}</title>\n"));
    if let Some(base) = &page.base {
        html.push_str(&format!("<base href=\"{}\">\n", escape(base)));
    }
    if page.nofollow {
        html.push_str("<meta name=\"robots\" content=\"nofollow\">\n");
    }
    html.push_str(&format!("</head>\n<body>\n<main>\n<h1>{title}</h1>\n{}</main>\n<nav>\n<ul>\n", page.text));
    for (index, link) in page.links.iter().enumerate() {
        let rel = if link.nofollow { " rel=\"nofollow\"" } else { "" };
        html.push_str(&format!("<li><a href=\"{}\"{rel}>read on {index}</a></li>\n", escape(&link.href)));
    }
    html.push_str("</ul>\n</nav>\n<footer>Served on loopback by Dragline.</footer>\n</body>\n</html>\n");
    html
}

/// Writes text so that it can stand in an element or a quoted attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Returns one of several words.
pub(super) fn pick<'a>(chance: &mut Chance, words: &[&'a str]) -> &'a str {
    let bound = u64::try_from(words.len()).unwrap_or(u64::MAX);
    usize::try_from(chance.below(bound)).ok().and_then(|index| words.get(index)).copied().unwrap_or_default()
}
