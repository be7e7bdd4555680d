//! The one table of keys: what each may hold, its default, its meaning, and where its value goes.

mod checked;
mod crawl;
mod draft;
mod lists;
mod manners;
mod process;
mod reference;

pub(crate) use draft::Draft;
pub(crate) use reference::FIELDS;
pub use reference::{KeyInfo, keys, reference};
