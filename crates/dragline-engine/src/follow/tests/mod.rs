//! Follows fetches where no other crate can: behind the gate of a crawl.

mod crawl;
