//! Starts a real nginx in a folder of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use dragline_testkit::{ChildGuard, wait_until};

use crate::process::{PATIENCE, Place};

/// Starts the program with a configuration, logs in the folder `place`, and waits until it `answers`.
pub(crate) fn serve(
    program: PathBuf,
    place: &Place,
    config: &str,
    answers: impl FnMut() -> bool,
) -> ChildGuard {
    let config = place.write("nginx.conf", config);
    let process = ChildGuard::start(
        Command::new(program)
            .args(["-p".as_ref(), place.path("").as_os_str(), "-c".as_ref(), config.as_os_str()])
            .args(["-e".as_ref(), place.path("error.log").as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
    .expect("nginx starts");
    let up = wait_until(PATIENCE, answers);
    assert!(up, "nginx does not start: {:?}", fs::read_to_string(place.path("error.log")));
    process
}
