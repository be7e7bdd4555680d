//! Gathers the values of all layers, until they are checked together.

use dragline_core::CanonicalUrl;

use crate::plan::Plan;

/// A plan under way, with what is only settled when every layer was read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The plan so far.
    pub(crate) plan: Plan,
    /// `seeds.urls`, in order.
    pub(crate) seed_urls: Vec<CanonicalUrl>,
    /// `seeds.files`, in order.
    pub(crate) seed_files: Vec<String>,
    /// `fetch.pages_max`; 0: follows the concurrency.
    pub(crate) pages_max: u32,
    /// `state.uncommitted_max`; 0: follows the concurrency.
    pub(crate) uncommitted_max: u32,
}
