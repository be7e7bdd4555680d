//! Explains why a URL is fetched or not: the rules in order, each with its place, and what happened to the URL.

mod run;
mod story;
mod trace;

pub(crate) use run::run;
