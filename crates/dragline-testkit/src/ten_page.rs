//! Serves ten small pages that link to each other: enough for a crawl to go wrong on.

use std::io;

use dragline_core::CanonicalUrl;

use crate::log::RequestLog;
use crate::reply::Reply;
use crate::server::Server;
use crate::site::Site;

/// Ten pages on one host, all reachable from `/`, each linked from at least two others, and no robots.txt (404).
#[derive(Debug)]
pub struct TenPages {
    server: Server,
}

impl TenPages {
    /// How many pages there are.
    pub const COUNT: u32 = 10;

    /// Starts the site.
    ///
    /// # Errors
    /// When no port can be bound or the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        Ok(Self { server: Server::start(Self::site())? })
    }

    /// Returns the site alone, to be served elsewhere.
    pub fn site() -> Site {
        (0..Self::COUNT)
            .fold(Site::new(), |site, number| site.on(Self::path(number), Reply::html(Self::html(number))))
    }

    /// Returns the path of a page: `/` for page 0, else `/page/<number>`.
    pub fn path(number: u32) -> String {
        if number == 0 { "/".into() } else { format!("/page/{number}") }
    }

    /// Returns the HTML of a page: a title and links to its two children in a binary tree, the page seven further on, and home.
    pub fn html(number: u32) -> String {
        let links = [2 * number + 1, 2 * number + 2, (number + 7) % Self::COUNT, 0];
        let links: String = links
            .iter()
            .filter(|target| **target < Self::COUNT)
            .map(|target| format!("<li><a href=\"{}\">page {target}</a></li>\n", Self::path(*target)))
            .collect();
        format!("<!DOCTYPE html>\n<title>Page {number}</title>\n<h1>Page {number}</h1>\n<ul>\n{links}</ul>\n")
    }

    /// Returns the URL of page 0.
    pub fn seed(&self) -> CanonicalUrl {
        self.server.url("/")
    }

    /// Returns the URLs of all pages, by number.
    pub fn urls(&self) -> Vec<CanonicalUrl> {
        (0..Self::COUNT).map(|number| self.server.url(&Self::path(number))).collect()
    }

    /// Returns what was asked.
    pub const fn log(&self) -> &RequestLog {
        self.server.log()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_is_reachable_and_linked_twice() {
        let mut known = BTreeSet::from([0]);
        let mut waiting = vec![0];
        let mut links = [0; 10];
        while let Some(number) = waiting.pop() {
            let html = TenPages::html(number);
            for target in 0..TenPages::COUNT {
                if html.contains(&format!("\"{}\"", TenPages::path(target))) {
                    links[usize::try_from(target).unwrap()] += 1;
                    if known.insert(target) {
                        waiting.push(target);
                    }
                }
            }
        }
        assert_eq!(known.len(), 10);
        assert!(links.iter().all(|count| *count >= 2), "{links:?}");
    }

    #[test]
    fn it_is_served() {
        let site = TenPages::start().unwrap();
        assert_eq!(site.urls().len(), 10);
        assert_eq!(site.urls().first(), Some(&site.seed()));
        assert_eq!(site.log().count(), 0);
    }
}
