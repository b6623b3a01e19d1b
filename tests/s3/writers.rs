//! Two services land below one prefix.

use std::collections::HashSet;

use landfall_testkit::ObjectStore;

use crate::load::Load;
use crate::{Lake, config, prepare, start, stop_in_order, wait_until_landed};

#[test]
fn two_services_below_one_prefix_never_collide() {
    let store = ObjectStore::shared();
    let prefix = "writers";
    let config = config(&store.endpoint(), prefix, "batch.max_events = 60");
    let services = ["one", "two"].map(|name| {
        let (landfall, config) = prepare(&config);
        let load = Load::start(name, landfall.source());
        (start(landfall, &config), load)
    });
    for (_, load) in &services {
        load.wait_for(1000);
    }

    let mut lake = Lake::new(prefix);
    let mut accepted = Vec::new();
    let mut instances = Vec::new();
    for (instance, load) in services {
        accepted.extend(load.stop());
        instances.push(instance);
    }
    wait_until_landed(&mut instances[0], &store, &mut lake, accepted.len());
    for instance in instances {
        stop_in_order(instance);
    }
    lake.assert_holds_once(&store, &accepted);
    let writers: HashSet<_> = lake
        .events(&store)
        .iter()
        .map(|object| {
            let (_, file) = object.key.rsplit_once('/').unwrap();
            file.split('-').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(writers.len(), 2, "{writers:?}");
}
