//! Runs the `dragline` program: in a folder of its own, with a bounded time, and killed when a test gives up.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dragline_testkit::{ChildGuard, wait_until};
use tempfile::TempDir;

use crate::results::Results;

/// How long one run may take; each is over in a fraction of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The arguments of a crawl of loopback into the folder `out`: no gaps, quick retries, no admin server.
pub(crate) const CRAWL: [&str; 7] = [
    "run",
    "--allow-net=127.0.0.0/8",
    "--listen=",
    "--out=out",
    "--set=politeness.delay=0s",
    "--set=politeness.adaptive=false",
    "--set=retry.base=10ms",
];

/// A folder in which the program runs; removed on drop.
#[derive(Debug)]
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder can be made"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the folder can be written");
        path
    }

    /// Starts `dragline` with these arguments.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Running {
        self.start_with(arguments, |_| {})
    }

    /// Starts `dragline` with these arguments, and whatever else a test changes.
    pub(crate) fn start_with<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        change: impl FnOnce(&mut Command),
    ) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dragline"));
        command.args(arguments);
        self.launch(command, change)
    }

    /// Starts `dragline` with these arguments in a shell that runs a command before, such as `ulimit -f 64`.
    pub(crate) fn start_after(&self, before: &str, arguments: &[&str]) -> Running {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{before} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_dragline")]);
        command.args(arguments);
        self.launch(command, |_| {})
    }

    fn launch(&self, mut command: Command, change: impl FnOnce(&mut Command)) -> Running {
        let file = |name: &str| File::create(self.path(name)).expect("the folder can be written");
        command.current_dir(self.0.path()).env_clear().env("HOME", self.0.path());
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        change(&mut command);
        let child = ChildGuard::start(&mut command).expect("the program starts");
        Running { child, folder: self.0.path().to_owned() }
    }

    /// Starts a crawl of loopback into the folder `out`: no gaps, quick retries, no admin server.
    pub(crate) fn start_crawl(&self, more: &[&str]) -> Running {
        self.start(&[&CRAWL, more].concat())
    }

    /// Runs such a crawl to its end.
    pub(crate) fn crawl(&self, more: &[&str]) -> Ended {
        self.start_crawl(more).wait()
    }

    /// Reads what such a crawl left, and checks that every URL is accounted for.
    pub(crate) fn results(&self) -> Results {
        Results::read(&self.path("out"))
    }

    /// Runs `dragline` to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ended {
        self.start(arguments).wait()
    }
}

/// A `dragline` that runs; killed on drop.
#[derive(Debug)]
pub(crate) struct Running {
    child: ChildGuard,
    folder: PathBuf,
}

impl Running {
    /// Returns what it has said so far.
    pub(crate) fn stderr(&self) -> String {
        read(&self.folder, "stderr")
    }

    /// Waits until it has said something, in vain when it ends without.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let mut said = false;
        wait_until(PATIENCE, || {
            let ended = self.child.wait(Duration::ZERO).is_ok_and(|status| status.is_some());
            said = self.stderr().contains(words);
            said || ended
        });
        assert!(said, "it never says {words:?}:\n{}", self.stderr());
    }

    /// Returns its number.
    pub(crate) fn pid(&mut self) -> u32 {
        self.child.child().id()
    }

    /// Kills it when `after` has passed, and returns whether it lived so long.
    pub(crate) fn kill_after(&mut self, after: Duration) -> bool {
        let lives = self.child.wait(after).expect("the system knows its children").is_none();
        if lives {
            self.child.kill().expect("it can be killed");
        }
        lives
    }

    /// Sends a signal, named as for `kill`.
    pub(crate) fn signal(&mut self, name: &str) {
        let id = self.child.child().id().to_string();
        let script = format!("kill -{name} $0");
        let sent = Command::new("/bin/sh").args(["-c", &script, &id]).status();
        assert!(sent.expect("a shell runs").success(), "the signal {name} cannot be sent");
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.child.wait(PATIENCE).expect("the system knows its children");
        let stderr = self.stderr();
        let Some(status) = status else { panic!("it does not end; it said:\n{stderr}") };
        let code = status.code().unwrap_or_else(|| panic!("ended by {:?}:\n{stderr}", status.signal()));
        Ended { code, stdout: read(&self.folder, "stdout"), stderr }
    }
}

/// What an ended `dragline` left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Asserts the exit code, and that each of the words was said on standard error.
    pub(crate) fn assert(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self}");
        for words in words {
            assert!(self.stderr.contains(words), "nothing says {words:?}:\n{self}");
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n-- stdout\n{}\n-- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

fn read(folder: &Path, name: &str) -> String {
    let bytes = fs::read(folder.join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
