//! Shows what can be said about sinks and their files, and what of it does not go together.

use std::time::Duration;

use dragline_config::{CompressPlan, FilesPlan, Loader, Plan, SinkKind};

fn load(text: &str) -> Result<Plan, Vec<String>> {
    let loaded = Loader::new().seeds_optional().text("d.toml", text).load();
    loaded.map(|(plan, _)| plan).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// Checks the mistakes of one file, each on one line.
fn check(text: &str, expected: &[&str]) {
    let found = load(text).err().unwrap_or_default();
    assert_eq!(found, expected, "{text}");
}

fn sink(name: &str, path: &str, more: &str) -> String {
    format!("[[sink]]\nname = '{name}'\nkind = 'csv'\npath = '{path}'\n{more}\n")
}

#[test]
fn files_are_divided_and_compressed_as_it_is_said() {
    let plan = load(
        "[output]\nrotate_bytes = '256MiB'\ncompress = 'zstd'\n[[sink]]\nname = 'prices'\nkind = 'csv'\n\
         path = 'prices.csv'\ncolumns = ['price', 'name']\nrotate_rows = 1_000\nrotate_after = '1h'\ncompress = 'gzip'\n",
    );
    let plan = plan.unwrap();
    let compress = CompressPlan::Zstd;
    let files = FilesPlan { rotate_bytes: 256 << 20, compress, ..FilesPlan::default() };
    assert_eq!(plan.output.files, files);
    let sink = &plan.sinks[0];
    assert_eq!(
        (sink.kind, sink.path.to_str(), &sink.columns[..]),
        (SinkKind::Csv, Some("prices.csv"), &["price".to_owned(), "name".to_owned()][..])
    );
    let (rotate_after, compress) = (Duration::from_secs(3_600), CompressPlan::Gzip);
    assert_eq!(sink.files, FilesPlan { rotate_rows: 1_000, rotate_after, compress, ..FilesPlan::default() });
    let aged = load("[output]\nrotate_after = '90m'\n").unwrap().output.files;
    assert_eq!((aged.rotate_after, aged.are_numbered()), (Duration::from_secs(5_400), true));
    assert!(plan.output.files.are_numbered() && !Plan::default().output.files.are_numbered());
}

#[test]
fn columns_go_with_csv_of_items() {
    check(
        "[[sink]]\nname = 'a'\nkind = 'jsonl'\npath = 'x'\ncolumns = ['price']",
        &[
            "d.toml:5:11: `sink[0].columns` are columns of CSV, which this sink does not write (remove them, or set kind = \"csv\")",
        ],
    );
    check(
        &sink("a", "x", "records = 'pages'\ncolumns = ['price']"),
        &[
            "d.toml:6:11: `sink[0].columns` are keys of items, which this sink does not write (remove them, or set records = \"items\")",
        ],
    );
    check(
        &sink("a", "x", "columns = ['price', 'name', 'price']"),
        &["d.toml:5:29: `sink[0].columns[2]`: \"price\" stands there twice (remove one)"],
    );
    check(&sink("a", "x", "columns = ['']"), &["d.toml:5:12: `sink[0].columns[0]`: must not be empty"]);
}

#[test]
fn every_sink_has_a_place_of_its_own() {
    for (path, expected) in [
        ("../x", "\"../x\" leaves the output folder (write it as an absolute path)"),
        ("a/../../x", "\"a/../../x\" leaves the output folder (write it as an absolute path)"),
        ("a/", "\"a/\" names no file"),
        ("a/..", "\"a/..\" names no file"),
        (
            "a.csv.gz",
            "\"a.csv.gz\" ends as compressed files do (leave the ending out: compress = \"gzip\" or \"zstd\" adds it)",
        ),
    ] {
        check(&sink("a", path, ""), &[&format!("d.toml:4:8: `sink[0].path`: {expected}")]);
    }
    check(&sink("a", "/elsewhere/x", ""), &[]);
    check(&sink("a", "b/../x", ""), &[]);
    for own in ["report.json", ".dragline", "skipped.jsonl"] {
        let message = format!(
            "d.toml:4:8: another sink's file of this name: \"{own}\" is part of every run (give it a file of its own)"
        );
        check(&sink("a", own, ""), &[&message]);
    }
}

#[test]
fn no_file_is_called_like_a_numbered_one_of_another_sink() {
    let pages = "d.toml:6:8: another sink's file of this name: \"pages-000012.jsonl\" is part of every run (give it a file of its own)";
    check(&("output.compress = 'gzip'\n\n".to_owned() + &sink("a", "pages-000012.jsonl", "")), &[pages]);
    check(&sink("a", "pages-000012.jsonl", ""), &[]);
    let both = sink("a", "x.csv", "rotate_rows = 5") + &sink("b", "y/../x-0000001.csv", "");
    check(
        &both,
        &[
            "d.toml:9:8: another sink's file of this name: \"y/../x-0000001.csv\" stands at d.toml:4 (give it a file of its own)",
        ],
    );
    check(&(sink("a", "x.csv", "rotate_rows = 5") + &sink("b", "x-2026.csv", "")), &[]);
    check(&(sink("a", "x.csv", "rotate_rows = 5") + &sink("b", "x-000001.jsonl", "")), &[]);
}
