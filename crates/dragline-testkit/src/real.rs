//! Finds real programs that some tests need, and says loudly when one is missing.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Set to `1` where every program must be there: a missing one is then a failure and not a skip.
pub const REQUIRE_VARIABLE: &str = "DRAGLINE_REQUIRE_REAL";

/// Returns the program of this name on `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    find_in(program, &variable("PATH")?)
}

/// Returns the program of this name, or says on standard error that the test is skipped.
///
/// The words `SKIPPED: needs <program>` go past the test harness's capture, so that a skip is never silent.
///
/// # Panics
/// When the program is missing and [`REQUIRE_VARIABLE`] is `1`.
pub fn require(program: &str) -> Option<PathBuf> {
    let found = find(program);
    if found.is_none() {
        let required = variable(REQUIRE_VARIABLE).is_some_and(|value| value == "1");
        assert!(!required, "needs {program}, which is not on PATH, and {REQUIRE_VARIABLE} is 1");
        say_skipped(program);
    }
    found
}

fn say_skipped(program: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED: needs {program}, which is not on PATH ({test})\n");
    // A locked stderr is not captured by the harness, which only redirects the print macros.
    drop(std::io::stderr().lock().write_all(line.as_bytes()));
}

#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of a crawl")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var(name).ok().map(Into::into)
}

fn find_in(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file() || file.with_extension("exe").is_file()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_an_executable_file_on_the_path() {
        let check = |program, path: &str, found: bool| {
            assert_eq!(find_in(program, OsStr::new(path)).is_some(), found, "{program} in {path}");
        };
        check("sh", "/nowhere:/bin", true);
        check("passwd", "/etc", false);
        check("sh", "", false);
        assert!(require("sh").is_some());
    }
}
