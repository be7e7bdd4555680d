//! Names shelf files.

use std::path::{Path, PathBuf};

use crate::file::name_of;

pub(crate) const SHELF_PREFIX: &str = "shelf";

/// Returns the path of a shelf file.
pub(crate) fn shelf_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(name_of(SHELF_PREFIX, number.into()))
}
