//! Names numbered files so that their names sort like their numbers.

use std::path::{Path, PathBuf};

use dragline_disk::Disk;

use crate::error::LogError;

/// Returns `<prefix>-<number>`, the number with ten digits or more.
pub(crate) fn name_of(prefix: &str, number: u64) -> String {
    format!("{prefix}-{number:010}")
}

/// Returns the numbered files of a folder, by number. Files that only look alike are nobody's and are left alone.
pub(crate) fn numbered(disk: &dyn Disk, dir: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>, LogError> {
    numbered_with(disk, dir, prefix, "")
}

/// As [`numbered`], for names that end with something behind the number.
pub(crate) fn numbered_with(
    disk: &dyn Disk,
    dir: &Path,
    prefix: &str,
    suffix: &str,
) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let paths = disk.list(dir).map_err(|source| LogError::from_io(dir, "read", source))?;
    let number = |path: &Path| number_of(prefix, path.file_name()?.to_str()?.strip_suffix(suffix)?);
    let mut files: Vec<_> = paths.into_iter().filter_map(|path| Some((number(&path)?, path))).collect();
    files.sort_unstable();
    Ok(files)
}

fn number_of(prefix: &str, name: &str) -> Option<u64> {
    let number = name.strip_prefix(prefix)?.strip_prefix('-')?.parse().ok()?;
    (name_of(prefix, number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_we_give_are_ours() {
        let check =
            |name: &str, expected: Option<u64>| assert_eq!(number_of("log", name), expected, "{name}");
        check("log-0000000001", Some(1));
        check(&name_of("log", 12_345_678_901), Some(12_345_678_901));
        check("log-1", None);
        check("log-+000000001", None);
        check("log-0000000001.tmp", None);
        check("logs-0000000001", None);
        check("history-0000000001", None);
    }
}
