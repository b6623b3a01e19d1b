//! A duplicate is the same account, the same id and the same bytes. The id alone is none.

use std::collections::HashMap;
use std::thread;

use landfall_testkit::{Instance, Outage};

use crate::lake::landed_ids;
use crate::{
    LATE, SOON, accept, event, lake_of, prepare, start_and_stop, stop_in_order, wait_until_landed,
};

const DUPLICATES: &str = "landfall_duplicate_events_total";
const SAME_ID: &str = "landfall_same_id_events_total";

#[test]
fn a_copy_is_answered_200_and_lands_once_whenever_it_comes() {
    let (landfall, config) = prepare(SOON);
    let body = event("copied");

    let mut instance = landfall.start(&config);
    accept_at_once(&instance, &body, 8);
    accept(&instance, &body);
    wait_until_landed(&mut instance, 1);
    accept(&instance, &body);
    // What came after the last copy has landed, so the copy has been dealt with.
    accept(&instance, &event("first life"));
    wait_until_landed(&mut instance, 2);
    wait_for_metric(&mut instance, DUPLICATES, 9);

    let mut instance = stop_in_order(instance).start(&config);
    accept(&instance, &body);
    accept(&instance, &event("second life"));
    wait_until_landed(&mut instance, 3);
    wait_for_metric(&mut instance, DUPLICATES, 1);

    let mut instance = instance.kill().start(&config);
    accept(&instance, &body);
    accept(&instance, &event("third life"));
    wait_until_landed(&mut instance, 4);
    wait_for_metric(&mut instance, DUPLICATES, 1);
    assert_eq!(instance.metric(SAME_ID), 0);

    let landfall = stop_in_order(instance);
    let expected = ["copied", "first life", "second life", "third life"];
    assert_eq!(
        landed_ids(&lake_of(landfall.dir())),
        expected.map(|id| (id.to_owned(), 1)).into()
    );
}

#[test]
fn a_copy_is_recognised_when_the_process_was_killed_before_the_event_had_landed() {
    let (landfall, config) = prepare(LATE);
    let body = event("copied");
    let instance = landfall.start(&config);
    accept(&instance, &body);
    let instance = instance.kill().start(&config);
    accept(&instance, &body);
    let instance = instance.kill().start(&config);
    accept(&instance, &body);
    let landfall = stop_in_order(instance);
    assert_eq!(landed_ids(&lake_of(landfall.dir())), once("copied"));
}

#[test]
fn a_copy_is_recognised_when_the_process_was_killed_while_the_event_was_landing() {
    let (landfall, config) = prepare(SOON);
    let body = event("copied");
    let mut instance = landfall.start(&config);
    let outage = Outage::of(&lake_of(instance.dir()));
    accept(&instance, &body);
    instance.wait_until("the landing fails", |instance| {
        instance.stderr().contains("cannot upload a batch")
    });
    // This copy comes behind the batch that is planned.
    accept(&instance, &body);
    let landfall = instance.kill();
    outage.end();
    let mut instance = landfall.start(&config);
    accept(&instance, &body);
    wait_until_landed(&mut instance, 1);
    let landfall = start_and_stop(stop_in_order(instance), &config);
    assert_eq!(landed_ids(&lake_of(landfall.dir())), once("copied"));
}

#[test]
fn every_copy_lands_when_deduplication_is_off() {
    let (landfall, config) = prepare("batch.timeout_secs = 1\ndeduplicate.window_secs = 0");
    let body = event("copied");
    let mut instance = landfall.start(&config);
    accept_at_once(&instance, &body, 8);
    wait_until_landed(&mut instance, 1);
    accept(&instance, &body);
    let instance = stop_in_order(instance).start(&config);
    accept(&instance, &body);
    // Killed before this copy has landed: a replay makes no copy of its own.
    let landfall = start_and_stop(instance.kill(), &config);
    let expected = HashMap::from([("copied".to_owned(), 10)]);
    assert_eq!(landed_ids(&lake_of(landfall.dir())), expected);
}

#[test]
fn the_same_id_with_other_bytes_lands_as_another_event_and_is_counted() {
    let (landfall, config) = prepare(SOON);
    let first = event("shared");
    let second = first.replace(r#""flowId":"f""#, r#""flowId":"g""#);
    let third = first.replace(r#""flowId":"f""#, r#""flowId":"h""#);
    let other_account = first.replace(r#""account_id":"1""#, r#""account_id":"2""#);

    let mut instance = landfall.start(&config);
    for body in [&first, &second, &other_account, &first, &second] {
        accept(&instance, body);
    }
    wait_for_metric(&mut instance, SAME_ID, 1);
    wait_for_metric(&mut instance, DUPLICATES, 2);

    // An id is remembered over a restart, as the bytes are.
    let mut instance = stop_in_order(instance).start(&config);
    for body in [&third, &first, &second, &other_account] {
        accept(&instance, body);
    }
    wait_for_metric(&mut instance, SAME_ID, 1);
    wait_for_metric(&mut instance, DUPLICATES, 3);
    let landfall = stop_in_order(instance);
    let expected = HashMap::from([("shared".to_owned(), 4)]);
    assert_eq!(landed_ids(&lake_of(landfall.dir())), expected);
}

fn accept_at_once(instance: &Instance, body: &str, copies: usize) {
    thread::scope(|scope| {
        for _ in 0..copies {
            scope.spawn(|| accept(instance, body));
        }
    });
}

/// Metrics follow the landing, so they are waited for.
#[track_caller]
fn wait_for_metric(instance: &mut Instance, name: &str, value: u64) {
    let what = format!("{name} is {value}");
    instance.wait_until(&what, |instance| instance.metric(name) >= value);
    assert_eq!(instance.metric(name), value, "{name}");
}

fn once(id: &str) -> HashMap<String, usize> {
    HashMap::from([(id.to_owned(), 1)])
}
