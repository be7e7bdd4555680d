//! Reads the keys of the state folder, and refuses folders that would hold each other's files.

use std::path::Path;

use dragline_config::{ConfigErrors, Loader, Plan};

fn load(text: &str) -> Result<Plan, ConfigErrors> {
    Loader::new().seeds_optional().text("d.toml", text).load().map(|(plan, _)| plan)
}

/// Checks the mistakes of one file, each on one line.
fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = match load(text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected, "{text}");
}

#[test]
fn every_key_of_the_state_is_read() {
    let text = "[state]\nuncommitted_max = 7\ndisk_free_min = '2MiB'\npending_per_host_max = 0\nhosts_max = 9\n\
                memory_max = '3GiB'\nkeep_skips = false\n";
    let state = load(text).unwrap().state;
    assert_eq!((state.uncommitted_max, state.disk_free_min, state.memory_max), (7, 2 << 20, 3 << 30));
    assert_eq!((state.pending_per_host_max, state.hosts_max, state.keep_skips), (0, 9, false));
}

#[test]
fn as_many_pages_as_fetches_are_uncommitted_unless_told_otherwise() {
    let check =
        |text: &str, expected: u32| assert_eq!(load(text).unwrap().state.uncommitted_max, expected, "{text}");
    check("", 256);
    check("fetch.concurrency = 3", 3);
    check("fetch.concurrency = 3\nstate.uncommitted_max = 0", 3);
    check("fetch.concurrency = 3\nstate.uncommitted_max = 8", 8);
}

#[test]
fn the_state_is_in_the_output_folder_unless_it_is_written_as_absolute() {
    let check = |text: &str, expected: &str| {
        assert_eq!(load(text).unwrap().state_dir(), Path::new(expected), "{text}");
    };
    check("", "dragline-out/state");
    check("output.dir = 'o'\nstate.dir = 'x/y'", "o/x/y");
    check("state.dir = '/var/lib/crawl'", "/var/lib/crawl");
}

#[test]
fn state_and_output_do_not_hold_each_others_files() {
    let own = "(give it a folder of its own, such as \"state\")";
    check("state.dir = ''", &["d.toml:1:13: `state.dir`: must not be empty"]);
    check(
        "state.dir = '.'",
        &[&format!("d.toml:1:13: the state folder (dragline-out) holds the output {own}")],
    );
    check(
        "output.dir = 'a/b/c'\nstate.dir = '../x/..'",
        &[&format!("d.toml:2:13: the state folder (a/b) holds the output {own}")],
    );
    check("output.dir = 'a/b'\nstate.dir = '../bc'", &[]);
    let sink = |path| format!("[[sink]]\nname = 'a'\nkind = 'jsonl'\npath = '{path}'\n");
    check(
        &sink("state/a.jsonl"),
        &[
            "d.toml:4:8: sink's file \"state/a.jsonl\" is in the state folder (dragline-out/state) (write it elsewhere)",
        ],
    );
    check(&sink("states/a.jsonl"), &[]);
}

#[test]
fn no_sink_has_the_name_of_the_totals() {
    check(
        "[[sink]]\nname = 'totals'\nkind = 'jsonl'\npath = 'x'",
        &[
            "d.toml:2:8: another sink of this name: \"totals\" is part of every run (give it a name of its own)",
        ],
    );
}
