//! One process a journal.

use std::path::Path;

use landfall_testkit::{SIGNED, config, free_address};

use crate::{SOON, accept, assert_landed_once, event, prepare, stop_in_order};

#[test]
fn a_second_process_on_the_same_data_dir_says_so_and_exits_78() {
    let other_ports = config(SIGNED, "")
        .replace("{source}", &free_address().to_string())
        .replace("{api}", &free_address().to_string());
    let (landfall, config) = prepare(SOON);
    let instance = landfall.start(&config);
    let second = instance.landfall().write("second.toml", &other_ports);
    let ended = instance
        .landfall()
        .run([Path::new("run"), Path::new("--config"), &second]);
    assert_eq!(ended.code, Some(78), "{ended}");
    for said in ["another process has this journal open", "data/lake"] {
        assert!(ended.stderr.contains(said), "does not say {said}\n{ended}");
    }

    // The first is none the worse for it, and leaves the lock with its end.
    accept(&instance, &event("after the second"));
    let landfall = stop_in_order(instance);
    assert_landed_once(&landfall, [&"after the second".to_owned()]);
    stop_in_order(landfall.start(&config));
}
