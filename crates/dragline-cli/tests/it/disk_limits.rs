//! Lets a crawl meet a full disk and a limit of file sizes, and holds it to the promise that nothing is lost or doubled.
//!
//! A disk that can be filled takes the right to mount one. Without it the test says `SKIPPED`, or fails when
//! `DRAGLINE_REQUIRE_REAL` is `1`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dragline_testkit::{real, wait_until};

use crate::large_site::LargeSite;
use crate::process::{PATIENCE, Place};

/// Bytes of the disk, and of the file that fills nearly all of it.
const DISK: usize = 16 << 20;
const FILLER: usize = DISK - (512 << 10);

/// A small disk in memory; unmounted on drop.
#[derive(Debug)]
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        fs::create_dir(path).expect("the folder can be written");
        let size = format!("size={DISK}");
        let mounted = Command::new(real::require("mount")?)
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path)
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(path.to_owned()));
        }
        real::require("the right to mount a disk");
        None
    }

    /// Fills it but for a little.
    fn fill(&self) {
        fs::write(self.0.join("filler"), vec![1; FILLER]).expect("there is room for it");
    }

    fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        let done = Command::new("mount").args(["-o", &how]).arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "it can be mounted anew");
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(),
            "it stays mounted"
        );
    }
}

/// Crawls on a disk that is full, with this much to be left free, until there is room.
fn fill_up(free_min: &str) {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk")) else { return };
    disk.fill();
    let site = LargeSite::start();
    let more = format!("[state]\ndisk_free_min = '{free_min}'\n");
    let mut running = place.start(&site.configure(&place, "disk/out", &more));
    running.wait_for("the crawl stands still until there is space");
    disk.make_room();
    running.wait().assert(0, &["finished: "]);
    assert_eq!(site.judge(&place.path("disk/out"), 0), 0);
}

#[test]
fn a_crawl_waits_while_its_disk_is_full_and_goes_on_when_there_is_room() {
    fill_up("0B");
}

#[test]
fn a_crawl_waits_before_its_disk_is_full_when_some_is_to_be_left_free() {
    fill_up("300KiB");
}

#[test]
fn a_disk_that_cannot_be_written_is_named_and_nothing_is_fetched() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk")) else { return };
    let site = LargeSite::start();
    let arguments = site.configure(&place, "disk/out", "[state]\ndisk_free_min = '0B'\n");
    let mut running = place.start(&arguments);
    assert!(wait_until(PATIENCE, || site.server.log().count() > 100), "{}", running.stderr());
    running.signal("INT");
    running.wait().assert(0, &["drained: "]);
    let asked = site.server.log().count();
    disk.remount("ro");
    place
        .start(&arguments)
        .wait()
        .assert(4, &["cannot write in disk/out/state: make it writable, or choose"]);
    assert_eq!(site.server.log().count(), asked);
    disk.remount("rw");
    place.start(&arguments).wait().assert(0, &["resuming run ", "finished: "]);
    site.judge(&place.path("disk/out"), 0);
}

#[test]
fn a_limit_of_file_sizes_ends_the_crawl_and_without_it_the_crawl_goes_on() {
    let (place, site) = (Place::new(), LargeSite::start());
    let arguments = site.configure(&place, "out", "");
    // In blocks of 512 bytes, as POSIX has it.
    let limited: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = place.start_after("ulimit -f 400", &limited).wait();
    ended.assert(6, &["reached the file size limit"]);
    place.start(&arguments).wait().assert(0, &["resuming run ", "finished: "]);
    site.judge(&place.path("out"), 1);
}
