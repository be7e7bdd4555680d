//! Shows what people read when they make mistakes.

use dragline_config::Loader;

/// Checks the mistakes of one file, each on one line.
fn check(text: &str, expected: &[&str]) {
    check_loader(&Loader::new().seeds_optional().text("d.toml", text), expected);
}

fn check_loader(loader: &Loader, expected: &[&str]) {
    let found = match loader.load() {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected, "{loader:#?}");
}

#[test]
fn five_mistakes_are_five_errors_on_their_lines() {
    let text = "\
[politeness]
delai = \"2s\"
factor = true

[fetch]
deadline = \"60\"
concurrency = 0

[fetsh]
";
    let expected = "\
error: unknown key `delai` in [politeness]
 --> dragline.toml:2:1
  |
2 | delai = \"2s\"
  | ^^^^^ did you mean `delay`?
error: `politeness.factor` is true or false, expected a number from 0 to 1000
 --> dragline.toml:3:10
  |
3 | factor = true
  |          ^^^^ such as 5.0
error: `fetch.deadline`: \"60\" has no unit
 --> dragline.toml:6:12
  |
6 | deadline = \"60\"
  |            ^^^^ did you mean \"60s\"?
error: `fetch.concurrency` is 0, out of range
 --> dragline.toml:7:15
  |
7 | concurrency = 0
  |               ^ expected 1 to 65536
error: unknown section `fetsh`
 --> dragline.toml:9:2
  |
9 | [fetsh]
  |  ^^^^^ did you mean `fetch`?
5 errors";
    let errors = Loader::new().seeds_optional().text("dragline.toml", text).load().unwrap_err();
    assert_eq!(errors.render(false), expected);
    assert!(errors.render(true).contains("\u{1b}["), "colour by choice only");
}

#[test]
fn unknown_keys_come_with_what_was_meant() {
    check(
        "concurency = 1",
        &[
            "d.toml:1:1: unknown key `concurency` (known here: `actors`, `admin`, `agent`, `auth`, `cookies`, `dns`, `fetch`, `handler`, `log`, `output`, `politeness`, `proxy`, `recrawl`, `request`, `retry`, `robots`, `route`, `scope`, `security`, `seeds`, `sink`, `state`, `tls`, `traps`, `version`)",
        ],
    );
    check(
        "fetch.delay = 1",
        &["d.toml:1:7: unknown key `delay` in [fetch] (`delay` belongs into [politeness])"],
    );
    check(
        "fetch = 1",
        &["d.toml:1:9: `fetch` is a whole number, expected a section (write [fetch] above its keys)"],
    );
    check(
        "[[handler]]\nname = 'a'\nkind = 'extract_links'\nworker = 1",
        &["d.toml:4:1: unknown key `worker` in [[handler]] (did you mean `workers`?)"],
    );
    check(
        "[[handler]]\n",
        &[
            "d.toml:1:1: [[handler]] without `name` (add name = \"links\")",
            "d.toml:1:1: [[handler]] without `kind` (add kind = \"extract_links\")",
        ],
    );
    check(
        "sink = [1]",
        &["d.toml:1:9: `sink[0]` is a whole number, expected a table (write [[sink]] above its keys)"],
    );
    check(
        "[politeness.rule]\nhosts = ['a']",
        &[
            "d.toml:1:1: `politeness.rule` is a table, expected a list of tables, each under [[politeness.rule]]",
        ],
    );
}

#[test]
fn values_out_of_kind_or_range_say_what_is_expected() {
    check(
        "scope.mode = 'hots'",
        &[
            "d.toml:1:14: `scope.mode` is \"hots\", expected \"exact\", \"host\", \"domain\" or \"any\" (did you mean \"host\"?)",
        ],
    );
    check(
        "fetch.concurrency = '64'",
        &[
            "d.toml:1:21: `fetch.concurrency` is a string, expected a whole number from 1 to 65536 (write it without quotes: 64)",
        ],
    );
    check(
        "politeness.delay = 2",
        &["d.toml:1:20: `politeness.delay` is a whole number, expected a duration (did you mean \"2s\"?)"],
    );
    check(
        "politeness.jitter = 1.5",
        &["d.toml:1:21: `politeness.jitter` is 1.5, out of range (expected 0 to 1)"],
    );
    check(
        "politeness.jitter = nan",
        &["d.toml:1:21: `politeness.jitter` is nan, out of range (expected 0 to 1)"],
    );
    check(
        "robots.bytes_max = '499KiB'",
        &["d.toml:1:20: `robots.bytes_max` is 499KiB, out of range (expected 500KiB to 64MiB)"],
    );
    check("robots.cache = '25h'", &["d.toml:1:16: `robots.cache` is 25h, out of range (expected 1s to 24h)"]);
    check(
        "scope.urls_max = -1",
        &["d.toml:1:18: `scope.urls_max` is -1, out of range (expected at least 0)"],
    );
    check(
        "retry.statuses = [500, 'x', 200]",
        &[
            "d.toml:1:24: `retry.statuses[1]` is a string, expected a list, each a whole number from 400 to 599 (such as [408, 429, 500, 502, 503, 504])",
            "d.toml:1:29: `retry.statuses[2]` is 200, out of range (expected 400 to 599)",
        ],
    );
    check(
        "admin.listen = '0.0.0.0:80'",
        &[
            "d.toml:1:16: `admin.listen`: 0.0.0.0:80 is no loopback address: the admin server has no access control and must not be reachable from elsewhere",
        ],
    );
    check(
        "agent.name = 'My Bot'",
        &[
            "d.toml:1:14: `agent.name`: \"My Bot\" is no product token: only letters, - and _ can be matched against robots.txt",
        ],
    );
    check(
        "security.allow_networks = [\n  '127.0.0.0/8',\n  'lan',\n]",
        &["d.toml:3:3: `security.allow_networks[1]`: \"lan\" is no network such as \"127.0.0.0/8\""],
    );
    check(
        "fetch.accept = \"a\\r\\nX: y\"",
        &[
            "d.toml:1:16: `fetch.accept`: \"a\\r\\nX: y\" cannot be sent: only visible ASCII, at most 1024 bytes, no space around it",
        ],
    );
}

#[test]
fn values_that_do_not_go_together_are_told_where_they_stand() {
    check(
        "[politeness]\ndelay = '2m'",
        &[
            "d.toml:2:9: `politeness.delay` (2m) is longer than `politeness.delay_max` (1m) (raise delay_max, or set adaptive = false)",
        ],
    );
    check("[politeness]\ndelay = '2m'\nadaptive = false", &[]);
    check(
        "retry.max = '10ms'",
        &["d.toml:1:13: `retry.base` (1s) is longer than `retry.max` (10ms) (raise max)"],
    );
    check(
        "actors.backoff_min = '1h'",
        &[
            "d.toml:1:22: `actors.backoff_min` (1h) is longer than `actors.backoff_max` (10s) (raise backoff_max)",
        ],
    );
    check(
        "fetch.concurrency = 2\nfetch.fetchers = 3",
        &[
            "d.toml:2:18: `fetch.fetchers` (3) is more than `fetch.concurrency` (2) (the rest would never have work)",
        ],
    );
    check(
        "[[politeness.rule]]\nhosts = []\n",
        &[
            "d.toml:1:1: `politeness.rule[0]` changes nothing (give it a delay or a concurrency)",
            "d.toml:2:9: `politeness.rule[0].hosts` is empty: the rule matches no host",
        ],
    );
    let handler = "[[handler]]\nname = 'a'\nkind = 'extract_links'\n";
    check(
        &handler.repeat(2),
        &["d.toml:5:8: another handler of this name: \"a\" stands at d.toml:2 (give it a name of its own)"],
    );
    let sink = |name, path| format!("[[sink]]\nname = '{name}'\nkind = 'jsonl'\npath = '{path}'\n");
    check(
        &sink("pages", "x"),
        &[
            "d.toml:2:8: another sink of this name: \"pages\" is part of every run (give it a name of its own)",
        ],
    );
    check(
        &sink("a", "x/.././items.jsonl"),
        &[
            "d.toml:4:8: another sink's file of this name: \"x/.././items.jsonl\" is part of every run (give it a file of its own)",
        ],
    );
    check(
        &(sink("a", "x") + &sink("b", "x")),
        &[
            "d.toml:8:8: another sink's file of this name: \"x\" stands at d.toml:4 (give it a file of its own)",
        ],
    );
    check(
        "fetch.concurrency = 'x'\nfetch.fetchers = 300",
        &[
            "d.toml:1:21: `fetch.concurrency` is a string, expected a whole number from 1 to 65536 (such as 256)",
        ],
    );
}

#[test]
fn seeds_and_contact_are_asked_for() {
    let none = "no seeds: there is nothing to crawl (name URLs on the command line, in [seeds] urls, or in a file of [seeds] files)";
    check_loader(&Loader::new(), &[none]);
    check_loader(
        &Loader::new().seed("example.org"),
        &["command line argument 1: not an absolute URL (write it as https://host/path)"],
    );
    let shown = Loader::new().seed("example.org").load().unwrap_err().render(false);
    assert!(shown.contains(" --> command line argument 1:1:1\n"), "{shown}");
    let contact = "command line argument 1: `agent.contact` is missing: example.org must be able to reach you (set it to a URL or e-mail address, or give --contact)";
    check_loader(&Loader::new().seed("https://example.org/"), &[contact]);
    check_loader(
        &Loader::new().seed("https://example.org/").flag("agent.contact", "me@example.org", "--contact"),
        &[],
    );
    let loader = Loader::new().seed("https://example.org/").set("agent.contact=me");
    check_loader(
        &loader,
        &[
            "--set agent.contact: `agent.contact`: \"me\" is neither a URL such as \"https://example.org/bot\" nor an e-mail address",
        ],
    );
    for own in [
        "http://127.0.0.1/",
        "http://[::1]:8/",
        "http://10.1.2.3/",
        "http://localhost/",
        "http://[::ffff:127.0.0.1]/",
    ] {
        check_loader(&Loader::new().seed(own), &[]);
    }
    check(
        "[seeds]\nurls = ['http://127.0.0.1/', 'ftp://x/']",
        &["d.toml:2:30: `seeds.urls[1]`: scheme \"ftp\" is not fetched (only http and https are)"],
    );
    check(
        "scope.url_bytes_max = 32\nseeds.urls = ['http://127.0.0.1/abcdefghijklmnopqrstuvwxyz']",
        &["d.toml:2:15: seed of 43 bytes, longer than `scope.url_bytes_max` (32)"],
    );
}

#[test]
fn lines_of_seed_files_are_told_and_capped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seeds.txt");
    std::fs::write(&file, format!("http://127.0.0.1/\n{}", "nonsense\n".repeat(50))).unwrap();
    let loader = Loader::new().set(&format!("seeds.files=[\"{}\"]", file.display()));
    let errors = loader.load().unwrap_err();
    let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 21);
    let first = format!("{}:2:1: not an absolute URL (write it as https://host/path)", file.display());
    assert_eq!(shown.first(), Some(&first));
    assert_eq!(shown.last(), Some(&format!("30 more lines of {} are no URLs", file.display())));
    let missing = folder.path().join("none.txt");
    let loader = Loader::new().set(&format!("seeds.files=[\"{}\"]", missing.display()));
    let cannot = format!(
        "--set seeds.files: cannot read {}: No such file or directory (os error 2)",
        missing.display()
    );
    check_loader(&loader, &[&cannot]);
}

#[test]
fn broken_text_is_told_once_and_hides_nothing_else() {
    check(
        "[fetch\nconcurency = 3\n\n[robots]\nobay = true",
        &[
            "d.toml:1:7: not TOML: unclosed table, expected `]`",
            "d.toml:5:1: unknown key `obay` in [robots] (did you mean `obey`?)",
        ],
    );
    check(
        "log.level = info\nlog.format = 'jsn'",
        &[
            "d.toml:1:13: not TOML: invalid float, expected `inf` (write it in quotes: \"info\")",
            "d.toml:2:14: `log.format` is \"jsn\", expected \"auto\", \"text\" or \"json\" (did you mean \"json\"?)",
        ],
    );
    check("[log]\nlevel = 'info'\nlevel = 'warn'", &["d.toml:3:1: not TOML: duplicate key"]);
    check(
        "version = 2\n[cache]\n",
        &[
            "d.toml:1:11: `version` is 2, but this Dragline knows only version 1 of the format (use a newer Dragline, or write 1)",
        ],
    );
    check("version = 0", &["d.toml:1:11: `version` is 0, out of range (expected 1 to 1)"]);
    check_loader(
        &Loader::new().file("no/such.toml"),
        &["cannot read no/such.toml: No such file or directory (os error 2)"],
    );
}

#[test]
fn every_layer_is_checked_and_named() {
    let variable = |name: &str| [(name.to_owned(), "x".to_owned())];
    let loader = Loader::new()
        .seeds_optional()
        .text("a.toml", "fetch.deadline = 'soon'")
        .text("b.toml", "fetch.deadline = '1s'")
        .environment(variable("DRAGLINE_FETCH__CONCURENCY"))
        .environment(variable("DRAGLINE_FETCH_CONCURRENCY"))
        .environment(variable("DRAGLINE_PORT"))
        .set("fetch.concurrency")
        .set("seeds.urls=[")
        .set("handler.workers=3")
        .set("scope.mode = hots")
        .flag("fetch.concurrency", 0, "--concurrency");
    check_loader(
        &loader,
        &[
            "a.toml:1:18: `fetch.deadline`: \"soon\" is no duration (write it as \"250ms\", \"1s\", \"5m\" or \"2h\")",
            "environment DRAGLINE_FETCH__CONCURENCY: unknown key `fetch.concurency` (did you mean `fetch.concurrency`?)",
            "environment DRAGLINE_FETCH_CONCURRENCY: `DRAGLINE_FETCH_CONCURRENCY` sets nothing (did you mean `DRAGLINE_FETCH__CONCURRENCY`?)",
            "--set fetch.concurrency: --set \"fetch.concurrency\" has no = (write it as fetch.concurrency=64)",
            "--set seeds.urls: `seeds.urls` is not TOML: unclosed array, expected `]` (such as fetch.concurrency=64)",
            "--set handler.workers: unknown key `handler.workers` (`handler` is a list of tables: give all of it, as handler=[{...}])",
            "--set scope.mode: `scope.mode` is \"hots\", expected \"exact\", \"host\", \"domain\" or \"any\" (did you mean \"host\"?)",
            "--concurrency: `fetch.concurrency` is 0, out of range (expected 1 to 65536)",
        ],
    );
}

#[test]
fn no_text_makes_the_loader_panic() {
    let shipped = include_str!("../../../../config/dragline.toml");
    let cuts = (0..shipped.len()).step_by(61).filter_map(|at| shipped.get(..at));
    let odd = [
        "é = ü",
        "\u{0}",
        "a = \"\u{202e}",
        "[[[",
        "x = {{",
        "'''",
        "\r\r",
        "= 1",
        "[ü\nö='ß\n",
        "\u{feff}version = 3",
    ];
    for text in cuts.chain(odd) {
        match Loader::new().seeds_optional().text("d.toml", text).load() {
            Ok((plan, _)) => assert!(plan.fetch.pages_max > 0),
            Err(errors) => assert!(errors.render(false).contains("error"), "{text}"),
        }
    }
}
