//! The store answers, and the answer is no. Whatever it says, nothing that was accepted is given up.

use std::time::{Duration, Instant};

use landfall_testkit::{Fault, FaultProxy, Instance, ObjectStore};

use crate::{
    Lake, accept, config, event, live_once_more, post, prepare, start, stop_in_order,
    wait_for_warning, wait_until_landed, warnings,
};

/// An answer with its cause as the metrics name it, and as the operator reads it.
const ANSWERS: [(Fault, &str, &str); 8] = [
    (
        Fault::Answer(403, "QuotaExceeded"),
        "quota_exceeded",
        "the store's quota is used up",
    ),
    (
        Fault::Answer(507, "InsufficientStorage"),
        "quota_exceeded",
        "the store's quota is used up",
    ),
    (
        Fault::Answer(400, "BadDigest"),
        "checksum_mismatch",
        "the store got other bytes than were sent",
    ),
    (
        Fault::Answer(400, "XAmzContentSHA256Mismatch"),
        "checksum_mismatch",
        "the store got other bytes than were sent",
    ),
    (
        Fault::Answer(403, "RequestTimeTooSkewed"),
        "clock_skew",
        "this machine's clock is wrong",
    ),
    (
        Fault::Answer(400, "ExpiredToken"),
        "expired_credentials",
        "the credentials have expired",
    ),
    (Fault::ACCESS_DENIED, "access_denied", "access is denied"),
    (
        Fault::SLOW_DOWN,
        "slow_down",
        "the store asks for fewer requests",
    ),
];

fn failures(instance: &Instance, code: &str) -> f64 {
    let label = format!(r#"error_code="{code}""#);
    instance.metric_with("component_errors_total", &label)
}

#[test]
fn whatever_the_store_answers_events_are_kept_and_land_once_when_it_is_mended() {
    let store = ObjectStore::shared();
    let proxy = FaultProxy::of(store.address());
    let prefix = "answers/kept";
    let (landfall, config) = prepare(&config(&proxy.endpoint(), prefix, ""));
    let mut instance = start(landfall, &config);
    let mut lake = Lake::new(prefix);
    let mut accepted = Vec::new();
    for (number, (answer, code, sentence)) in ANSWERS.into_iter().enumerate() {
        println!("{answer:?}");
        proxy.set(answer);
        accepted.extend(accept(&instance, &format!("before-{number}"), 5));
        let counted = |instance: &Instance| failures(instance, code) > 0.0;
        instance.wait_until("the failure is counted", counted);
        wait_for_warning(&mut instance, &[sentence]);
        if number % 2 == 0 {
            instance = start(instance.kill(), &config);
            accepted.extend(accept(&instance, &format!("after-{number}"), 5));
            instance.wait_until("the failure is counted again", counted);
            wait_for_warning(&mut instance, &[sentence]);
        }
        proxy.set(Fault::None);
        wait_until_landed(&mut instance, &store, &mut lake, accepted.len());
        instance.wait_until("nothing is warned of", |instance| {
            warnings(instance).is_empty()
        });
    }
    // What a probe left whose store failed in the middle of it, the next start takes away.
    live_once_more(stop_in_order(instance), &config);
    lake.assert_holds_once(&store, &accepted);
}

#[test]
fn a_store_that_asks_for_fewer_requests_gets_few_however_many_files_wait() {
    const FILES: usize = 40;
    const LOOKED_FOR: Duration = Duration::from_secs(5);
    const MOST_A_SECOND: f64 = 5.0;
    let store = ObjectStore::shared();
    let proxy = FaultProxy::of(store.address());
    let prefix = "answers/slow";
    let settings = "partition = \"events/date={date}/account={account_id}\"";
    let (landfall, config) = prepare(&config(&proxy.endpoint(), prefix, settings));
    let mut instance = start(landfall, &config);
    proxy.set(Fault::SLOW_DOWN);
    let accepted: Vec<_> = (0..FILES).map(|number| number.to_string()).collect();
    for id in &accepted {
        let account = format!(r#""account_id":"{id}""#);
        let answer = post(
            &instance,
            &event(id).replace(r#""account_id":"1""#, &account),
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let said = "cannot upload a batch: the store asks for fewer requests";
    wait_for_warning(&mut instance, &[said]);
    let (before, began) = (proxy.met(), Instant::now());
    instance.wait_until("some time has passed", |_| began.elapsed() > LOOKED_FOR);
    let requests = proxy.met() - before;
    let most = began.elapsed().as_secs_f64() * MOST_A_SECOND;
    println!("{requests} requests, and {most} would be too many");
    assert!(requests > 0 && (requests as f64) < most);

    proxy.set(Fault::None);
    let mut lake = Lake::new(prefix);
    wait_until_landed(&mut instance, &store, &mut lake, FILES);
    stop_in_order(instance);
    let files = lake.events(&store);
    assert_eq!(files.len(), FILES, "a file for each account: {files:?}");
}
