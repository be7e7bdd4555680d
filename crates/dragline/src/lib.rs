#![doc = include_str!("../../../README.md")]
//!
//! # The crates behind this one
//!
//! [`core`] decides, [`fetch`] gets, [`page`] reads, [`frontier`] and [`sink`] write to a [`disk`], [`telemetry`] counts, [`engine`] runs
//! the actors, [`config`] reads TOML, and [`console`] answers admin HTTP.

pub use actix;
pub use dragline_config as config;
pub use dragline_console as console;
pub use dragline_core as core;
pub use dragline_disk as disk;
pub use dragline_engine as engine;
pub use dragline_engine::{process, session};
pub use dragline_fetch as fetch;
pub use dragline_frontier as frontier;
pub use dragline_page as page;
pub use dragline_sink as sink;
pub use dragline_telemetry as telemetry;

/// What most programs need: `use dragline::prelude::*;`.
pub mod prelude {
    pub use actix::{Actor, Context, Handler, ResponseFuture};
    pub use dragline_core::{Handled, Item, Outlinks, Page, Verdict};
    pub use dragline_engine::session::{
        Any, Close, Executor, Fetch, FetchSet, Response, Session, SessionError, WaitCanceller, as_completed,
        wait_all, wait_any,
    };
    pub use dragline_engine::{Crawl, CrawlBuilder, CrawlEnd, HandleError, HandlePage, HandleResult, Route};
    pub use dragline_page::{ExtractRules, extract, link_extractor, text};
}
