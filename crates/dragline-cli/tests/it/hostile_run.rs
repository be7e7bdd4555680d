//! Runs `dragline fetch` against the hostile site, watches its memory, and reads its records.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dragline_testkit::hostile::{ALLOW_NETWORKS, Ask, BODY_BYTES_MAX, Behaviour, Record, SECRET, Tally};
use dragline_testkit::{ChildGuard, HostileSite, wait_until};
use serde_json::Value;

use crate::process::{PATIENCE, Place};

/// The site, and a folder with the configuration that leads to it.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) site: HostileSite,
    place: Place,
    runs: AtomicUsize,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let (site, place) = (HostileSite::start().expect("loopback ports are free"), Place::new());
        place.write("ca.pem", &site.trust().pem);
        let text = format!(
            r#"
[fetch]
concurrency = 32
body_bytes_max = {BODY_BYTES_MAX}
dns_timeout = "2s"
connect_timeout = "2s"
first_byte_timeout = "2s"
idle_body_timeout = "2s"
[politeness]
delay = "0s"
adaptive = false
backoff_max = "1ms"
concurrency = 32
[retry]
attempts = 1
[security]
allow_networks = {ALLOW_NETWORKS:?}
[dns]
resolver = "hickory"
servers = ["{}"]
[tls]
ca_files = ["ca.pem"]
"#,
            site.dns()
        );
        place.write("hostile.toml", &text);
        Self { site, place, runs: AtomicUsize::new(0) }
    }
}

/// A `dragline fetch` that runs.
#[derive(Debug)]
pub(crate) struct Fetch {
    child: ChildGuard,
    name: String,
    records: PathBuf,
    stderr: PathBuf,
    peak_bytes: u64,
}

/// What an ended one left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    records: BTreeMap<String, Record>,
    pub(crate) peak_bytes: u64,
}

impl Fetch {
    pub(crate) fn start(bed: &Bed, behaviours: &[&Behaviour], ask: Ask) -> Self {
        Self::start_with(bed, behaviours, ask, &[])
    }

    /// Starts one process for all of these.
    pub(crate) fn start_with(bed: &Bed, behaviours: &[&Behaviour], ask: Ask, more: &[&str]) -> Self {
        let run = bed.runs.fetch_add(1, Ordering::Relaxed);
        let urls: Vec<_> = behaviours.iter().map(|behaviour| behaviour.url.as_str()).collect();
        let file = bed.place.write(&format!("{run}.txt"), &urls.join("\n"));
        let (records, stderr) =
            (bed.place.path(&format!("{run}.jsonl")), bed.place.path(&format!("{run}.err")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_dragline"));
        command
            .args(["fetch", "-c", "hostile.toml", "--timeout=4s", "--urls"])
            .arg(file)
            .arg("--jsonl")
            .arg(&records);
        let authorization = format!("--header=Authorization: Bearer {SECRET}");
        let cookie = format!("--header=Cookie: session={SECRET}");
        command.args(match ask {
            Ask::Get => vec!["--ignore-robots"],
            Ask::Head => vec!["--ignore-robots", "--head"],
            Ask::Obediently => vec![],
            Ask::WithCookies => vec!["--ignore-robots", "--set=cookies.enabled=true"],
            Ask::WithSecret => vec!["--ignore-robots", &authorization, &cookie],
        });
        command.args(more).current_dir(bed.place.path("")).env_clear().env("HOME", bed.place.path(""));
        let log = File::create(&stderr).expect("the folder can be written");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = ChildGuard::start(&mut command).expect("the program starts");
        let name = behaviours.first().map(|behaviour| behaviour.name.clone()).unwrap_or_default();
        Self { child, name, records, stderr, peak_bytes: 0 }
    }

    /// Whether it has ended; notes how much memory it needs.
    fn has_ended(&mut self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.child().id()));
        let peak = status.ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.to_owned();
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        });
        self.peak_bytes = self.peak_bytes.max(peak.unwrap_or_default() << 10);
        self.child.wait(Duration::ZERO).is_ok_and(|status| status.is_some())
    }

    /// Waits until one or more have ended, and takes them out.
    pub(crate) fn any_ended<T>(running: &mut Vec<(T, Self)>) -> Vec<(T, Self)> {
        let mut ended = Vec::new();
        let came = wait_until(PATIENCE, || {
            ended = running.extract_if(.., |(_, fetch)| fetch.has_ended()).collect();
            !ended.is_empty()
        });
        assert!(
            came,
            "no process ends: {:?}",
            running.iter().map(|(_, fetch)| &fetch.name).collect::<Vec<_>>()
        );
        ended
    }

    /// Waits for its end, which must be one of its own making.
    pub(crate) fn wait(mut self) -> Ended {
        wait_until(PATIENCE, || self.has_ended());
        let status = self.child.wait(Duration::ZERO).expect("the system knows its children");
        let said = fs::read_to_string(&self.stderr).unwrap_or_default();
        let Some(status) = status else { panic!("{}: it does not end:\n{said}", self.name) };
        // Some URL did not end well, or all did; no signal, no panic, no other failure.
        assert!(matches!(status.code(), Some(0 | 1)), "{}: {status}:\n{said}", self.name);
        assert!(!said.contains("panicked"), "{}: {said}", self.name);
        let text = fs::read_to_string(&self.records).expect("it wrote its records");
        let mut records = BTreeMap::new();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let url = value["url"].as_str().unwrap_or_default().to_owned();
            assert!(records.insert(url.clone(), record(&value)).is_none(), "two records for {url}");
        }
        Ended { records, peak_bytes: self.peak_bytes }
    }
}

impl Ended {
    /// Returns the record of each behaviour; there is one for each URL, and no other.
    pub(crate) fn records<'a>(&self, behaviours: &[&'a Behaviour]) -> Vec<(&'a Behaviour, Record)> {
        assert_eq!(self.records.len(), behaviours.len(), "one record for each URL");
        let record_of = |behaviour: &&'a Behaviour| {
            let record = self.records.get(behaviour.url.trim());
            (*behaviour, record.unwrap_or_else(|| panic!("no record of {}", behaviour.name)).clone())
        };
        behaviours.iter().map(record_of).collect()
    }

    pub(crate) fn judge(&self, behaviours: &[&Behaviour], tally: &mut Tally) {
        for (behaviour, record) in self.records(behaviours) {
            tally.add(behaviour, &record);
        }
    }
}

fn record(value: &Value) -> Record {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Record {
        outcome: text("outcome").unwrap_or_default(),
        status: value["status"].as_u64().and_then(|status| u16::try_from(status).ok()),
        bytes: value["bytes"].as_u64().unwrap_or_default(),
        sha256: text("sha256").unwrap_or_default(),
        noted: !value["error"].is_null(),
        peer: text("peer"),
    }
}
