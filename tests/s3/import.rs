//! A bulk export is landed in the store once, whatever its folders are named.

use std::fs;

use landfall_testkit::ObjectStore;

use crate::{Lake, config, prepare};

#[test]
fn an_import_that_is_done_again_lands_nothing_twice() {
    let store = ObjectStore::shared();
    let settings = r#"partition = "events/account={account_id}/date={date}""#;
    let (landfall, config) = prepare(&config(&store.endpoint(), "import", settings));
    let accounts = ["94742", "a/b=c %ü", ".."];
    let lines = accounts.iter().enumerate().map(|(id, account)| {
        format!(r#"{{"id":"{id}","account_id":"{account}","name":"n","timestamp":1684439316293}}"#)
    });
    let lines: Vec<_> = lines.collect();
    let file = landfall.dir().join("export.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    for expected in ["landed           3\n", "landed           0\n"] {
        let ended = landfall.run([
            "import".as_ref(),
            "--config".as_ref(),
            config.as_os_str(),
            file.as_os_str(),
        ]);
        assert_eq!(ended.code, Some(0), "{ended}");
        assert!(ended.stdout.starts_with(expected), "{ended}");
    }
    let ids = Lake::new("import").landed_ids(&store);
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(ids.values().all(|count| *count == 1), "{ids:?}");
}
