//! Runs a crawl as actix actors around the pure core.
