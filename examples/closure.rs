//! Crawls ten pages with a closure as handler, and counts the words of each.
//!
//! `cargo run --example closure` needs no network: the pages are served on loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dragline::prelude::*;
use dragline_testkit::TenPages;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = TenPages::start()?;
    let words = Arc::new(Mutex::new(BTreeMap::new()));
    let counted = Arc::clone(&words);
    let route = Route::closure("words", move |page: &Page| {
        // A page may be handled twice when its worker died in between. An entry under its URL does not mind.
        let words = words_of(&text(page));
        counted.lock().expect("nobody panics while counting").insert(page.url.to_string(), words);
        Handled::default()
    });
    let end = Crawl::builder()
        .seed(site.seed().as_str())
        .allow_network("127.0.0.0/8")
        .delay(Duration::ZERO) // our own server: nobody to be polite to
        .route(route)
        .follow_links() // the built-in handler, beside the closure: a page is settled when both have answered
        .build()?
        .run()?;
    for (url, words) in words.lock().expect("the crawl is over").iter() {
        println!("{words:4}  {url}");
    }
    println!("{}", end.report);
    Ok(())
}

/// Counts the words between tags.
fn words_of(html: &str) -> usize {
    html.split('<')
        .filter_map(|part| part.split_once('>'))
        .map(|(_, text)| text.split_whitespace().count())
        .sum()
}
