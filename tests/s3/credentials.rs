//! The service starts with a wrong secret key.

use landfall_testkit::ObjectStore;

use crate::{
    Lake, accept, assert_refused, config, prepare, run, start, stop_in_order, wait_for_warning,
    wait_until_landed, wait_until_tried, warnings,
};

#[test]
fn with_a_wrong_secret_key_events_are_accepted_and_land_after_a_start_with_the_right_one() {
    let store = ObjectStore::shared();
    let prefix = "credentials";
    let right = config(&store.endpoint(), prefix, "");
    let (landfall, wrong_config) = prepare(&right.replace(ObjectStore::SECRET_KEY, "not-this-one"));
    let right_config = landfall.write("right.toml", &right);

    let mut instance = start(landfall, &wrong_config);
    let said = "the secret key does not fit the access key";
    wait_for_warning(&mut instance, &[said]);
    instance.wait_until("the log says it, too", |instance| {
        instance.stderr().contains(said)
    });
    let mut accepted = accept(&instance, "wrong", 30);
    instance.wait_until("the landing fails, too", |instance| {
        let warnings = warnings(instance).concat();
        warnings.contains("cannot upload") && warnings.contains(said)
    });
    accepted.extend(accept(&instance, "warned", 30));
    let landfall = stop_in_order(instance);

    let mut instance = start(landfall, &right_config);
    accepted.extend(accept(&instance, "right", 5));
    let mut lake = Lake::new(prefix);
    wait_until_landed(&mut instance, &store, &mut lake, accepted.len());
    instance.wait_until("nothing is warned of", |instance| {
        warnings(instance).is_empty()
    });
    wait_until_tried(&mut instance);
    stop_in_order(instance);
    lake.assert_holds_once(&store, &accepted);
}

#[test]
fn with_a_wrong_secret_key_and_a_memory_buffer_the_service_does_not_start() {
    let store = ObjectStore::shared();
    let config = config(
        &store.endpoint(),
        "credentials/memory",
        "buffer.type = \"memory\"",
    );
    let (landfall, config) = prepare(&config.replace(ObjectStore::SECRET_KEY, "not-this-one"));
    let ended = run(&landfall, "run", &config);
    assert_refused(&ended, &["the secret key does not fit the access key"]);
}
