//! Holds the shipped file, the table of keys and the built-in defaults equal.

use dragline_config::{FilesPlan, Loader, Plan, SinkKind, SinkPlan, SinkRecords, keys, reference};

const SHIPPED: &str = include_str!("../../../../config/dragline.toml");

#[test]
fn the_shipped_file_is_the_table_of_keys_written_out() {
    assert_eq!(SHIPPED, reference(), "write config/dragline.toml anew from dragline_config::reference()");
}

#[test]
fn the_shipped_file_changes_no_default() {
    let (plan, origins) = Loader::new().text("dragline.toml", SHIPPED).seeds_optional().load().unwrap();
    assert_eq!(plan, Plan::default());
    let (empty, _) = Loader::new().seeds_optional().load().unwrap();
    assert_eq!(empty, Plan::default());
    for key in keys().into_iter().filter(|key| !key.key.contains("[]")) {
        let lists = ["auth", "politeness.rule", "proxy", "request", "route", "sink"];
        let written = key.default != Some("[]") || !lists.contains(&key.key.as_str());
        assert_eq!(origins.written(&key.key).is_some(), written, "{}", key.key);
    }
}

#[test]
fn the_examples_in_the_shipped_file_are_right() {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let text: String = SHIPPED.lines().map(uncomment).collect();
    let (plan, origins) = Loader::new().text("dragline.toml", &text).seeds_optional().load().unwrap();
    let copy = SinkPlan {
        name: "copy".into(),
        kind: SinkKind::Jsonl,
        path: "copy.jsonl".into(),
        records: SinkRecords::Items,
        columns: Vec::new(),
        files: FilesPlan::default(),
        credits: 256,
    };
    assert_eq!(plan.sinks, [copy]);
    assert_eq!(plan.rules.politeness.rules.len(), 1);
    assert_eq!((plan.network.proxies.len(), plan.network.auth.len()), (1, 1));
    for key in keys() {
        // What stands in place of another key is commented out as a sentence is.
        let name = key.key.rsplit('.').next().unwrap();
        let instead = key.default.is_none() && SHIPPED.contains(&format!("\n# {name} = "));
        let written = origins.written(&key.key.replace("[]", "[0]")).is_some();
        assert!(written || instead, "{} is not in the file", key.key);
    }
}

#[test]
fn every_default_is_what_its_key_says_it_is() {
    for key in keys().into_iter().filter(|key| !key.key.contains("[]")) {
        let default = key.default.unwrap();
        let (plan, _) = Loader::new().set(&format!("{}={default}", key.key)).seeds_optional().load().unwrap();
        assert_eq!(plan, Plan::default(), "{}", key.key);
    }
}
