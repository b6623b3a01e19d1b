//! The lake is away, and comes back.

use landfall_testkit::{Instance, Outage};

use crate::{
    SOON, accept, accept_all, assert_landed_once, assert_refused, event, ids, lake_of, post,
    prepare, stop_in_order, unready, wait_until_landed,
};

#[test]
fn events_are_accepted_while_the_lake_is_away_and_land_by_themselves_when_it_is_back() {
    let (landfall, config) = prepare(SOON);
    let mut accepted = ids("before", 5);
    let mut instance = landfall.start(&config);
    accept_all(&instance, &accepted);
    wait_until_landed(&mut instance, accepted.len());

    let outage = Outage::of(&lake_of(instance.dir()));
    for part in ["first", "second", "third"] {
        let part = ids(part, 30);
        accept_all(&instance, &part);
        accepted.extend(part);
        wait_for_failure(&mut instance);
    }
    assert_eq!(unready(&instance), Vec::<String>::new());
    outage.end();

    wait_until_landed(&mut instance, accepted.len());
    assert_landed_once(&stop_in_order(instance), &accepted);
}

#[test]
fn behind_a_memory_buffer_nothing_is_accepted_meanwhile_and_readiness_says_so() {
    let (landfall, config) = prepare("buffer.type = \"memory\"");
    let instance = landfall.start(&config);
    let outage = Outage::of(&lake_of(instance.dir()));
    assert_refused(&post(instance.source(), &event("during")), "not_durable");
    let reasons = unready(&instance);
    assert!(reasons[0].contains("sinks.lake"), "{reasons:?}");
    outage.end();
    accept(&instance, &event("after"));
    assert_eq!(unready(&instance), Vec::<String>::new());
}

#[test]
fn the_lake_may_go_away_again_and_again() {
    let (landfall, config) = prepare("batch = { timeout_secs = 1, max_events = 7 }");
    let mut accepted = Vec::new();
    let mut instance = landfall.start(&config);
    for round in 0..4 {
        let outage = Outage::of(&lake_of(instance.dir()));
        let part = ids(&round.to_string(), 20);
        accept_all(&instance, &part);
        accepted.extend(part);
        wait_for_failure(&mut instance);
        outage.end();
        // The next outage may begin in the middle of landing this round.
        wait_until_landed(&mut instance, accepted.len() - 13);
    }
    wait_until_landed(&mut instance, accepted.len());
    assert_landed_once(&stop_in_order(instance), &accepted);
}

#[test]
fn a_process_that_was_killed_while_the_lake_was_away_lands_everything_after_its_next_start() {
    let (landfall, config) = prepare(SOON);
    let mut accepted = ids("during", 30);
    let mut instance = landfall.start(&config);
    let outage = Outage::of(&lake_of(instance.dir()));
    accept_all(&instance, &accepted);
    wait_for_failure(&mut instance);
    accepted.extend(ids("behind the plan", 30));
    accept_all(&instance, &accepted[30..]);
    let landfall = instance.kill();
    outage.end();

    // Killed once more, at once: whatever it was landing by then.
    let landfall = landfall.start(&config).kill();

    let mut instance = landfall.start(&config);
    accepted.extend(ids("after", 5));
    accept_all(&instance, &accepted[60..]);
    wait_until_landed(&mut instance, accepted.len());
    assert_landed_once(&stop_in_order(instance), &accepted);
}

#[test]
fn a_process_that_is_killed_when_the_lake_is_just_back_lands_everything_after_its_next_start() {
    let (landfall, config) = prepare("batch = { timeout_secs = 1, max_events = 7 }");
    let accepted = ids("during", 50);
    let mut instance = landfall.start(&config);
    let outage = Outage::of(&lake_of(instance.dir()));
    accept_all(&instance, &accepted);
    wait_for_failure(&mut instance);
    outage.end();
    // One batch of eight is there: the process dies among the others.
    wait_until_landed(&mut instance, 1);

    let mut instance = instance.kill().start(&config);
    wait_until_landed(&mut instance, accepted.len());
    assert_landed_once(&stop_in_order(instance), &accepted);
}

/// Waits until landing fails once more.
fn wait_for_failure(instance: &mut Instance) {
    let failures = |instance: &Instance| {
        instance.metric_with("component_errors_total", "error_type=\"landing_failed\"")
    };
    let before = failures(instance);
    instance.wait_until("the landing fails", |instance| failures(instance) > before);
}
