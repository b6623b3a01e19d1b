use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use landfall_testkit::{SIGNED, config, files_below, workspace_root};

use crate::lake::landed_ids;
use crate::{landfall, post};

/// What that release left when it was killed: two events that had landed, two in a batch that was planned and not landed, and
/// two behind it.
const RELEASED: &str = "tests/released/0.1.0/data";

/// An event as it was sent then.
fn event(id: &str) -> String {
    format!(
        "{{\"id\": \"{id}\", \"name\": \"appcues:flow_started\", \"account_id\": \"1\", \"user_id\": \"u\", \"timestamp\": 1700000000000}}"
    )
}

fn copy(from: &Path, to: &Path) {
    for file in files_below(from, "") {
        let copied = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copied.parent().unwrap()).unwrap();
        fs::copy(&file, copied).unwrap();
    }
}

fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(directory, "").into_iter();
    files
        .map(|file| (file.clone(), fs::read(file).unwrap()))
        .collect()
}

#[test]
fn what_an_older_release_left_is_landed_once_under_the_planned_names() {
    let landfall = landfall();
    copy(
        &workspace_root().join(RELEASED),
        &landfall.dir().join("data"),
    );
    let remembered = "batch.timeout_secs = 1\ndeduplicate.window_secs = 316224000";
    let file = landfall.write("landfall.toml", &config(SIGNED, remembered));
    let mut instance = landfall.start(&file);
    for id in ["landed-1", "planned-1", "waiting-1", "new"] {
        assert_eq!(post(&instance, &event(id)).status, 200);
    }
    instance.wait_until("everything has landed", |instance| {
        instance.metric_with("component_sent_events_total", "component_kind=\"sink\"") == 5.0
            && instance.metric("buffer_events") == 0
    });
    assert_eq!(instance.metric("landfall_duplicate_events_total"), 3);
    let lake = instance.dir().join("lake");
    let mut ids: Vec<_> = landed_ids(&lake).into_iter().collect();
    ids.sort();
    let once = ["new", "planned-1", "planned-2", "waiting-1", "waiting-2"];
    assert_eq!(ids, once.map(|id| (id.to_owned(), 1)));
    let plans = files_below(&workspace_root().join(RELEASED).join("lake/state"), "");
    let planned = plans.iter().find_map(|plan| {
        let name = plan.file_name()?.to_str()?.strip_prefix("pending-")?;
        let (span, writer) = name.rsplit_once('-')?;
        Some(format!("{writer}-{span}.parquet"))
    });
    let planned = planned.expect("a plan that had not landed");
    assert!(files_below(&lake, &planned).len() == 1, "{planned}");
}

#[test]
fn the_data_of_a_newer_release_is_refused_clearly_and_left_as_it_is() {
    let landfall = landfall();
    let data = landfall.dir().join("data");
    copy(&workspace_root().join(RELEASED), &data);
    let identity = workspace_root().join("tests/operations/identity-of-format-2");
    fs::copy(identity, data.join("lake/identity")).unwrap();
    fs::write(
        data.join("lake/half.tmp"),
        "what a newer release was writing",
    )
    .unwrap();
    let before = contents(&data);
    let file = landfall.write("landfall.toml", &config(SIGNED, ""));
    let ended = landfall.run(["run", "--config", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(78), "{ended}");
    for said in [
        "format version 2",
        "use the release that wrote it",
        "data/lake",
    ] {
        assert!(ended.stderr.contains(said), "does not say {said}\n{ended}");
    }
    let inspected = landfall.run(["journal", "inspect", data.join("lake").to_str().unwrap()]);
    assert_eq!(inspected.code, Some(1), "{inspected}");
    assert_eq!(contents(&data), before);
}
