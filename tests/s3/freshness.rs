//! How old an accepted event can be before it is in the lake, as `/metrics` tells it.

use landfall_testkit::{Fault, FaultProxy, Instance, ObjectStore};

use crate::{
    Lake, accept, config, prepare, start, stop_in_order, wait_until_landed, wait_until_tried,
};

const TIMEOUT_SECS: f64 = 2.0;

/// What a busy machine may add to it.
const SLACK_SECS: f64 = 3.0;

fn age(instance: &Instance) -> f64 {
    instance.metric_with("landfall_oldest_unlanded_age_seconds", "")
}

#[test]
fn no_event_gets_older_than_the_batch_timeout_unless_the_store_is_away() {
    let store = ObjectStore::shared();
    let proxy = FaultProxy::of(store.address());
    let prefix = "freshness";
    let timeout = format!("batch.timeout_secs = {TIMEOUT_SECS}");
    let config = config(&proxy.endpoint(), prefix, "").replace("batch.timeout_secs = 1", &timeout);
    let (landfall, config) = prepare(&config);
    let mut instance = start(landfall, &config);
    wait_until_tried(&mut instance);
    assert_eq!(age(&instance), 0.0);

    // A trickle that never stops, so that each batch begins while the one before is landed.
    let lags = |instance: &Instance| instance.metric("landfall_landing_lag_seconds_count");
    let (mut accepted, mut ages) = (Vec::new(), Vec::new());
    instance.wait_until("three batches have landed", |instance| {
        let name = format!("event-{}", accepted.len());
        accepted.extend(accept(instance, &name, 1));
        ages.push(age(instance));
        lags(instance) >= 3
    });
    let oldest = ages.iter().copied().fold(0.0, f64::max);
    println!("oldest {oldest} s in {} looks", ages.len());
    assert!(oldest > TIMEOUT_SECS / 2.0, "events do wait: {oldest}");
    // The way into the store takes as long as it takes.
    let most = TIMEOUT_SECS + SLACK_SECS + instance.metric_with("landfall_put_seconds_sum", "");
    assert!(oldest < most, "{oldest}, and {most} would be too much");
    let lag = instance.metric_with("landfall_landing_lag_seconds_sum", "") / lags(&instance) as f64;
    assert!(lag < most, "{lag} on average");

    proxy.set(Fault::ACCESS_DENIED);
    accepted.extend(accept(&instance, "meanwhile", 5));
    instance.wait_until("the age tells of the outage", |instance| {
        age(instance) > TIMEOUT_SECS + SLACK_SECS
    });
    proxy.set(Fault::None);
    let mut lake = Lake::new(prefix);
    wait_until_landed(&mut instance, &store, &mut lake, accepted.len());
    instance.wait_until("nothing waits any more", |instance| age(instance) == 0.0);

    let files = lake.events(&store);
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    for (name, value) in [
        ("component_sent_events_total", accepted.len() as u64),
        ("component_sent_bytes_total", bytes),
        ("landfall_landed_files_total", files.len() as u64),
        ("landfall_put_seconds_count", files.len() as u64),
    ] {
        let of_sink = instance.metric_with(name, r#"component_kind="sink""#);
        assert_eq!(of_sink, value as f64, "{name}");
    }
    stop_in_order(instance);
    lake.assert_holds_once(&store, &accepted);
}
