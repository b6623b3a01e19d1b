//! A store that takes no notice of conditions on a put.

use landfall_testkit::{LenientStore, files_below};

use crate::lake::landed_ids;
use crate::load::{Load, finish, kill_at_random_moments, kill_at_steps};
use crate::{config, is_event_file, live_once_more, prepare, run};

#[test]
fn a_store_that_ignores_conditional_puts_is_landed_on_as_any_other() {
    let store = LenientStore::start();
    let prefix = "lenient";
    let (landfall, config) = prepare(&config(&store.endpoint(), prefix, "batch.max_events = 60"));
    let ended = run(&landfall, "validate", &config);
    assert_eq!(ended.code, Some(0), "{ended}");

    let load = Load::start("event", landfall.source());
    let landfall = kill_at_random_moments(landfall, &config, &load, 4);
    // Its files then stand and are looked for, in a store that gives no part of them.
    let landfall = kill_at_steps(landfall, &config, &["uploaded"]);
    let directory = store.directory(prefix);
    let landfall = finish(landfall, &config, load, |_| landed_ids(&directory));
    live_once_more(landfall, &config);
    for file in files_below(&directory, "") {
        let name = file.strip_prefix(&directory).unwrap();
        assert!(is_event_file(&name.to_string_lossy()), "{name:?} is left");
    }
}
