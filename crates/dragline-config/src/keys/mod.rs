//! The one table of keys: what each may hold, its default, its meaning, and where its value goes.

mod checked;
mod crawl;
mod draft;
mod fetch;
mod lists;
mod lists_of_network;
mod manners;
mod network;
mod process;
mod reference;
mod texts;

pub(crate) use draft::Draft;
pub(crate) use reference::FIELDS;
pub use reference::{KeyInfo, keys, reference};
