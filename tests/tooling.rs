//! What tells people and editors how a configuration is written, and draws one.

#![allow(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use landfall_testkit::{Landfall, SIGNED, config, files_below, python, workspace_root};
use serde_json::Value;

fn landfall() -> Landfall {
    Landfall::new(env!("CARGO_BIN_EXE_landfall"))
        .env("APPCUES_WEBHOOK_SECRET", "a secret")
        .env("REDACT_KEY", "a secret of 16 bytes or more")
}

/// What the command prints, which must succeed.
#[track_caller]
fn printed(landfall: &Landfall, args: &[&str]) -> String {
    let ended = landfall.run(args);
    assert_eq!(ended.code, Some(0), "{args:?}\n{ended}");
    ended.stdout
}

/// What `landfall list` knows of each type of component.
#[track_caller]
fn types(landfall: &Landfall) -> Vec<Value> {
    let all: Value =
        serde_json::from_str(&printed(landfall, &["list", "--format", "json"])).unwrap();
    all["components"].as_array().unwrap().clone()
}

/// Whether an independent validator finds each configuration valid by the schema of `landfall schema --config`.
fn valid(landfall: &Landfall, configurations: &[PathBuf]) -> BTreeMap<PathBuf, bool> {
    let schema = landfall.write("schema.json", "");
    fs::write(&schema, printed(landfall, &["schema", "--config"])).unwrap();
    let paths = [&schema].into_iter().chain(configurations);
    let answer = python("check_schema.py", paths.map(|path| path.as_os_str()));
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn the_schema_admits_what_loads_and_refuses_what_does_not() {
    let landfall = landfall();
    let examples = workspace_root().join("examples");
    let mut good = files_below(&examples.join("config"), ".toml");
    good.extend(files_below(&examples.join("vector"), "landfall.toml"));
    assert!(good.len() > 1);
    let right = config(SIGNED, "");
    let write = |name: &str, text: &str| landfall.write(name, text);
    good.push(write("right.toml", &right));
    for (name, settings) in [
        (
            "strings",
            "batch = { max_events = \"${MAX_EVENTS:-5}\", max_bytes = \"1048576\" }",
        ),
        (
            "choice",
            "buffer = { type = \"${BUFFER:-memory}\", when_full = \"block\" }",
        ),
        (
            "storage",
            "storage = { region = \"x\", allow_http = true, timeout = 5 }",
        ),
    ] {
        good.push(write(&format!("{name}.toml"), &config(SIGNED, settings)));
    }
    for (name, settings) in [
        (
            "one_secret",
            "signature.secrets = \"${APPCUES_WEBHOOK_SECRET}\"",
        ),
        (
            "auth",
            "signature.mode = \"off\"\nauth = { strategy = \"basic\", username = \"u\", password = \"p\" }",
        ),
        (
            "account",
            "accounts = [{ id = \"1\", secrets = [\"x\"], path = \"/1\" }]",
        ),
    ] {
        good.push(write(&format!("{name}.toml"), &config(settings, "")));
    }
    good.push(write(
        "schema_named.json",
        r#"{ "$schema": "./landfall.schema.json", "data_dir": "{dir}/data", "api": { "address": "{api}" },
            "sources": { "in": { "type": "appcues", "address": "{source}", "signature": { "secrets": ["x"] } } },
            "sinks": { "out": { "type": "parquet", "inputs": ["in"], "uri": "{dir}/lake" } } }"#,
    ));

    let mut bad = Vec::new();
    for (name, settings) in [
        ("unknown", "bathc = {}"),
        ("deep", "batch.max_evnets = 1"),
        ("kind", "batch.max_events = [1]"),
        ("word", "batch.max_events = \"many\""),
        ("choice_unknown", "buffer.when_full = \"wait\""),
    ] {
        bad.push(write(&format!("{name}.toml"), &config(SIGNED, settings)));
    }
    let changed = |name: &str, from: &str, to: &str| {
        assert!(right.contains(from), "{from}");
        write(name, &right.replace(from, to))
    };
    bad.push(changed(
        "type.toml",
        "type = \"parquet\"",
        "type = \"parkuet\"",
    ));
    bad.push(changed("no_type.toml", "type = \"parquet\"", ""));
    bad.push(changed("no_uri.toml", "uri = ", "# uri = "));
    bad.push(changed(
        "no_inputs.toml",
        "inputs = [\"appcues\"]",
        "inputs = []",
    ));
    bad.push(changed("root.toml", "data_dir", "data_dri"));
    bad.push(changed(
        "address.toml",
        "address = \"{source}\"",
        "address = 1",
    ));

    let all: Vec<_> = good.iter().chain(&bad).cloned().collect();
    for (path, is_valid) in valid(&landfall, &all) {
        let is_good = good.contains(&path);
        assert_eq!(is_valid, is_good, "by the schema: {}", path.display());
        let path = path.to_str().unwrap();
        let loaded = landfall.run(["validate", "--no-environment", "--config", path]);
        let code = if is_good { 0 } else { 78 };
        assert_eq!(loaded.code, Some(code), "{path}\n{loaded}");
    }
}

#[test]
fn every_option_in_the_schema_has_a_description() {
    let types = types(&landfall());
    assert!(types.len() > 1);
    for r#type in types {
        let says = |value: &Value| {
            value["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        };
        assert!(says(&r#type), "{type}");
        for option in r#type["options"].as_array().unwrap() {
            let is_said = says(option) || option.get("choices").is_some();
            assert!(is_said, "{}: {option}", r#type["type"]);
        }
    }
}

#[test]
fn list_names_every_type_of_component_in_a_line() {
    let landfall = landfall();
    let text = printed(&landfall, &["list"]);
    let types = types(&landfall);
    for r#type in &types {
        let (name, description) = (r#type["type"].as_str(), r#type["description"].as_str());
        let is_line = |line: &str| {
            line.trim().split_once("  ").is_some_and(|(known, text)| {
                Some(known) == name && Some(text.trim()) == description
            })
        };
        assert!(text.lines().any(is_line), "no line of {type}\n{text}");
    }
}

#[test]
fn what_generate_config_prints_loads() {
    let landfall = landfall();
    let types = types(&landfall);
    let of = |kind: &str| {
        let of_kind = types.iter().filter(|r#type| r#type["kind"] == kind);
        let names: Vec<_> = of_kind
            .map(|r#type| r#type["type"].as_str().unwrap())
            .collect();
        names.join(",")
    };
    let everything = format!("{}/{}/{}", of("source"), of("transform"), of("sink"));
    let default = landfall.run(["generate-config"]).stdout;
    for pipeline in ["appcues/parquet", "appcues//lake:parquet", &everything] {
        let text = printed(&landfall, &["generate-config", pipeline]);
        let file = landfall.write("generated.toml", &text);
        let ended = landfall.run(["validate", "--no-environment", "-c", file.to_str().unwrap()]);
        assert_eq!(ended.code, Some(0), "{pipeline}\n{text}\n{ended}");
        assert!(
            valid(&landfall, std::slice::from_ref(&file))[&file],
            "{pipeline}\n{text}"
        );
        assert_eq!(text == default, pipeline == "appcues//lake:parquet");
    }
}

#[test]
fn what_generate_config_comments_out_is_the_default() {
    let landfall = landfall();
    let text = printed(&landfall, &["generate-config", "appcues//lake:parquet"]);
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if is_setting(setting) && has_default(setting) => setting,
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n");
    assert_ne!(uncommented, text);
    let file = landfall.write("all.toml", &uncommented);
    let ended = landfall.run(["validate", "--no-environment", "-c", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{uncommented}\n{ended}");
}

/// Those of TLS have one where there is TLS, and then a certificate is needed.
fn has_default(setting: &str) -> bool {
    !setting.contains(" = <") && !setting.starts_with("tls.")
}

fn is_setting(line: &str) -> bool {
    let name = line.split_once(" = ").map(|(name, _)| name);
    let is_name = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
    name.is_some_and(|name| !name.is_empty() && name.chars().all(is_name))
}

#[test]
fn a_pipeline_that_cannot_be_is_told() {
    let landfall = landfall();
    for (pipeline, said) in [
        ("appcues", "SOURCES/TRANSFORMS/SINKS"),
        ("telegraph//parquet", "telegraph"),
        ("appcues//appcues", "parquet"),
    ] {
        let ended = landfall.run(["generate-config", pipeline]);
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(said), "{ended}");
    }
}

#[test]
fn graph_draws_which_component_gets_events_from_which() {
    let landfall = landfall();
    let text = config(
        SIGNED,
        "[sinks.copy]\ntype = \"parquet\"\ninputs = [\"appcues\"]\nuri = \"{dir}/copy\"\nbuffer.type = \"memory\"",
    );
    let file = landfall.write("landfall.toml", &text);
    let file = file.to_str().unwrap();
    let dot = printed(&landfall, &["graph", "--config", file]);
    assert_eq!(
        dot,
        "digraph landfall {\n  rankdir = LR;\n  n0 [shape = invhouse, label = \"appcues\\nappcues\"];\n  \
         n1 [shape = cylinder, label = \"copy\\nparquet\"];\n  n2 [shape = cylinder, label = \"lake\\nparquet\"];\n  \
         n0 -> n1 [label = \"memory\"];\n  n0 -> n2 [label = \"disk\"];\n}\n"
    );
    let mermaid = printed(
        &landfall,
        &["graph", "--format", "mermaid", "--config", file],
    );
    assert_eq!(
        mermaid,
        "flowchart LR\n  n0([\"appcues<br/>appcues\"])\n  n1[(\"copy<br/>parquet\")]\n  \
         n2[(\"lake<br/>parquet\")]\n  n0 -->|memory| n1\n  n0 -->|disk| n2\n"
    );
}

#[test]
fn every_command_has_a_manual_page_and_completions() {
    let landfall = landfall();
    let out = landfall.dir().join("man1");
    printed(&landfall, &["man", "--out", out.to_str().unwrap()]);
    let help = printed(&landfall, &["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let commands: Vec<_> = commands
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|command| !command.is_empty() && *command != "help")
        .collect();
    assert!(commands.len() > 10, "{help}");
    let bash = printed(&landfall, &["completions", "bash"]);
    for command in commands {
        let page = out.join(format!("landfall-{command}.1"));
        assert!(page.is_file(), "no page of {command}");
        assert!(bash.contains(command), "no completion of {command}");
    }
    assert!(printed(&landfall, &["man"]).contains(".TH landfall 1"));
    assert!(bash.contains("mermaid"), "values are completed too");

    let nowhere = "/dev/null/man1";
    let ended = landfall.run(["man", "--out", nowhere]);
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains(nowhere), "{ended}");
}

#[test]
fn validate_says_what_there_is_and_what_may_lose_events() {
    let landfall = landfall();
    let right = config(SIGNED, "");
    let validated = |text: &str| {
        let file = landfall.write("landfall.toml", text);
        printed(&landfall, &["validate", "--config", file.to_str().unwrap()])
    };
    let valid =
        "the configuration is valid, the ports are free, data_dir and the storage can be written\n";
    assert_eq!(
        validated(&right),
        format!("sources.appcues: appcues\nsinks.lake: parquet of appcues, disk buffer\n{valid}")
    );
    let (head, _) = right.split_once("[sinks.lake]").unwrap();
    let console =
        "[sinks.screen]\ntype = \"console\"\ninputs = [\"appcues\"]\nbuffer.type = \"memory\"\n";
    assert_eq!(
        validated(&format!("{head}{console}")),
        format!(
            "sources.appcues: appcues\nsinks.screen: console of appcues, memory buffer\nwarning: sources.appcues: nothing \
             keeps its events, since its sinks only show them\n{valid}"
        )
    );
}
