//! The source without the rest of Landfall: a stream of deliveries in a program of one's own.

#![expect(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

use std::net::SocketAddr;

use futures::StreamExt;
use landfall_core::{Secret, Shutdown, ShutdownTrigger, Source, SourceStream};
use landfall_source_appcues::{AppcuesConfig, AppcuesSource};
use landfall_testkit::Request;
use tokio::task::{JoinHandle, spawn_blocking};

const SECRET: &str = "a secret only of this test";

fn start() -> (SourceStream, SocketAddr, ShutdownTrigger) {
    let mut config = AppcuesConfig {
        address: ([127, 0, 0, 1], 0).into(),
        ..AppcuesConfig::default()
    };
    config.signature.secrets = vec![Secret::new(SECRET)];
    let source = AppcuesSource::bind(&config).unwrap();
    let address = source.local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::new();
    (source.into_stream(shutdown), address, trigger)
}

/// Posts an event, and gives the status that it is answered with; 0 if nobody answers.
fn post(address: SocketAddr, secret: &'static str) -> JoinHandle<u16> {
    let request = Request::post("/webhooks/appcues")
        .signed(secret, b"{}")
        .body(b"{}");
    spawn_blocking(move || {
        let answer = request.try_send(address);
        answer.map_or(0, |answer| answer.status)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_acknowledged_is_answered_200_and_one_that_is_dropped_503() {
    let (mut deliveries, address, _trigger) = start();
    let answer = post(address, SECRET);
    let delivery = deliveries.next().await.unwrap();
    assert_eq!(delivery.events[0].body, "{}");
    assert!(!answer.is_finished());
    delivery.ack.durable();
    assert_eq!(answer.await.unwrap(), 200);

    let answer = post(address, SECRET);
    drop(deliveries.next().await.unwrap());
    assert_eq!(answer.await.unwrap(), 503);

    // One that is not genuine does not come out of the stream: the next that does is the one after it.
    assert_eq!(post(address, "another secret").await.unwrap(), 401);
    let answer = post(address, SECRET);
    deliveries.next().await.unwrap().ack.durable();
    assert_eq!(answer.await.unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_told_to_end_does_so_once_what_was_taken_is_answered() {
    let (mut deliveries, address, trigger) = start();
    let answers = [post(address, SECRET), post(address, SECRET)];
    let first = deliveries.next().await.unwrap();
    let second = deliveries.next().await.unwrap();
    trigger.trigger();
    first.ack.durable();
    drop(second);
    assert!(deliveries.next().await.is_none());
    // No more is written once the stream has ended.
    let mut statuses = Vec::new();
    for answer in answers {
        statuses.push(answer.await.unwrap());
    }
    statuses.sort();
    assert_eq!(statuses, [200, 503]);
    assert_eq!(post(address, SECRET).await.unwrap(), 0);
    deliveries.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stream_closes_the_door_and_still_answers_what_was_taken() {
    let (mut deliveries, address, _trigger) = start();
    let answer = post(address, SECRET);
    let delivery = deliveries.next().await.unwrap();
    drop(deliveries);
    delivery.ack.durable();
    assert_eq!(answer.await.unwrap(), 200);
    // It is either refused, or finds nobody, while the source goes.
    assert!([0, 503].contains(&post(address, SECRET).await.unwrap()));
}
