//! Lays layers over one another, and asks where each value came from.

use dragline_config::{Loader, Place};
use dragline_core::Source;

fn loader() -> Loader {
    Loader::new().seeds_optional()
}

#[test]
fn each_layer_beats_the_one_below() {
    let check = |loader: Loader, expected: (u32, &str)| {
        let (plan, origins) = loader.load().unwrap();
        let place = origins.place("fetch.concurrency").to_string();
        assert_eq!((plan.fetch.concurrency, place.as_str()), expected);
    };
    let variable = || [("DRAGLINE_FETCH__CONCURRENCY".to_owned(), "3".to_owned())];
    let file = loader().text("a.toml", "[fetch]\nconcurrency = 1\n");
    let files = file.clone().text("b.toml", "\nfetch.concurrency = 2\n");
    check(loader(), (256, "default"));
    check(file, (1, "a.toml:2"));
    check(files.clone(), (2, "b.toml:2"));
    let environment = files.environment(variable());
    check(environment.clone(), (3, "environment DRAGLINE_FETCH__CONCURRENCY"));
    let set = environment.set("fetch.concurrency=4");
    check(set.clone(), (4, "--set fetch.concurrency"));
    check(set.flag("fetch.concurrency", 5, "--concurrency"), (5, "--concurrency"));
}

#[test]
fn tables_are_merged_and_lists_replaced() {
    let below = "[fetch]\nconcurrency = 7\ndeadline = \"5s\"\n[scope]\nexclude = [\"*a*\", \"*b*\"]\n";
    let (plan, origins) = loader()
        .text("a.toml", below)
        .text("b.toml", "[fetch]\nconcurrency = 8\n[scope]\nexclude = [\"*c*\"]\n")
        .load()
        .unwrap();
    assert_eq!((plan.fetch.concurrency, plan.fetch.limits.deadline.as_secs()), (8, 5));
    let patterns: Vec<_> = plan.rules.scope.exclude.iter().map(|pattern| pattern.as_str()).collect();
    assert_eq!(patterns, ["*c*"]);
    assert_eq!(origins.place("scope.exclude[1]"), Place::BuiltIn, "the replaced list is forgotten");
}

#[test]
fn the_rule_behind_a_decision_is_found_in_its_file() {
    let text = "[scope]\nmode = \"any\"\nexclude = [\n  \"*a*\",\n  \"*b*\",\n]\n[[politeness.rule]]\nhosts = [\"a\"]\ndelay = \"1s\"\n";
    let (_, origins) = loader().text("dragline.toml", text).load().unwrap();
    let check = |key, index, expected: &str| {
        assert_eq!(origins.describe(&Source::Config { key, index }), expected, "{key} {index:?}");
    };
    check("scope.mode", None, "dragline.toml:2");
    check("scope.exclude", Some(1), "dragline.toml:5");
    check("scope.exclude", None, "dragline.toml:3");
    check("politeness.rule", Some(0), "dragline.toml:7");
    check("scope.depth_max", None, "default");
    assert_eq!(origins.describe(&Source::BuiltIn), "built in");
    assert_eq!(origins.written("scope.mode"), Some("\"any\""));
    let place = Place::File { file: "dragline.toml".into(), line: 5, column: 3 };
    assert_eq!(origins.place("scope.exclude[1]"), place);
}

#[test]
fn a_bare_word_is_a_string_and_anything_else_is_toml() {
    let (plan, _) = loader()
        .set("agent.version=1.0")
        .set("scope.mode=domain")
        .set("fetch.deadline=5s")
        .set("scope.exclude=[\"*a=b*\"]")
        .set("handler=[{name = \"other\", kind = \"extract_links\", labels = [\"x\"]}]")
        .environment([
            ("DRAGLINE_ADMIN__LISTEN".into(), String::new()),
            ("DRAGLINE_PORT".into(), "tcp://x".into()),
        ])
        .load()
        .unwrap();
    assert_eq!(plan.rules.agent.version, "1.0");
    assert_eq!(plan.rules.scope.mode, dragline_core::rules::ScopeMode::Domain);
    assert_eq!(plan.fetch.limits.deadline.as_secs(), 5);
    assert_eq!(plan.rules.scope.exclude.first().map(|pattern| pattern.as_str()), Some("*a=b*"));
    assert_eq!(plan.handlers.first().map(|handler| handler.name.as_str()), Some("other"));
    assert_eq!(plan.admin.listen, None);
}

#[test]
fn pages_follow_the_concurrency_unless_told_otherwise() {
    let check = |text: &str, expected| {
        let (plan, _) = loader().text("dragline.toml", text).load().unwrap();
        assert_eq!(plan.fetch.pages_max, expected, "{text}");
    };
    check("", 512);
    check("fetch.concurrency = 10", 20);
    check("fetch.concurrency = 10\nfetch.pages_max = 3", 3);
}

#[test]
fn seeds_come_once_each_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("dragline.toml");
    let urls = "[seeds]\nurls = [\"http://127.0.0.1/a\"]\nfiles = [\"seeds.txt\"]\n";
    std::fs::write(&config, urls).unwrap();
    std::fs::write(
        folder.path().join("seeds.txt"),
        "# first\n\nhttp://127.0.0.1/b\r\n http://127.0.0.1/%61\n",
    )
    .unwrap();
    let (plan, _) =
        Loader::new().file(&config).seed("http://127.0.0.1/c").seed("http://127.0.0.1/b").load().unwrap();
    let shown: Vec<_> = plan.seeds.iter().map(|seed| (seed.url.path(), seed.origin.to_string())).collect();
    let listed = format!("{}:2", config.display());
    let from_file = format!("{}:3", folder.path().join("seeds.txt").display());
    let expected = [("/a", listed), ("/b", from_file), ("/c", "command line argument 1".to_owned())];
    assert_eq!(shown, expected);
}
