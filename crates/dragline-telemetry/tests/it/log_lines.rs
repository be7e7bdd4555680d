//! Checks the log lines that events write.

use std::io;
use std::sync::{LazyLock, Mutex};

use dragline_core::{FetchError, Outcome, Phase, Phases};
use dragline_telemetry::events::FetchFinished;
use tracing::Level;

use crate::exposition::telemetry;

static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

static INSTALLED: LazyLock<()> = LazyLock::new(|| {
    let log = tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_ansi(false).with_writer(|| Keep);
    tracing::subscriber::set_global_default(log.finish()).expect("nobody else installs one");
});

/// Appends to what is kept.
struct Keep;

impl io::Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        KEPT.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps every log line of the process from now on; every test that records events calls it first.
pub(crate) fn install() {
    LazyLock::force(&INSTALLED);
}

#[test]
fn a_fetch_is_one_line_at_debug_and_hostile_text_stays_in_it() {
    let telemetry = telemetry();
    let error = FetchError { phase: Phase::Ttfb, message: "bad line \"x\r\n2026 ERROR \u{202e}fake".into() };
    let event = FetchFinished {
        url: "http://one-line.example/\u{1b}[2Jb",
        purpose: None,
        attempt: 2,
        outcome: Outcome::ProtocolError,
        status: None,
        phases: Phases::default(),
        reused: false,
        body_wire_bytes: 0,
        received_bytes: 0,
        sent_bytes: 0,
        error: Some(&error),
        queue_wait: None,
        gap: None,
    };
    event.record(&telemetry);
    let text = String::from_utf8(KEPT.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("one-line.example")).collect();
    let [line] = lines.as_slice() else { panic!("one line a fetch: {lines:?}") };
    let parts = [
        "DEBUG dragline::fetch: fetch ended",
        r"url=http://one-line.example/\u{1b}[2Jb",
        "attempt=2",
        r#"outcome="protocol_error""#,
        "2026 ERROR",
        "fake",
        r#"phase="ttfb""#,
    ];
    for part in parts {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains(|character: char| character.is_control() || character == '\u{202e}'), "{line}");
}
