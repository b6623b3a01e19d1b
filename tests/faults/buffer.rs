//! The buffer has reached its `max_size` because the lake is away.

use std::sync::mpsc;
use std::thread;

use landfall_testkit::{Instance, Outage};

use crate::{
    assert_landed_once, assert_refused, lake_of, padded_event, post, prepare, signed,
    stop_in_order, unready, wait_until_landed,
};

const MAX_SIZE: usize = 1024 * 1024;
const BODY: usize = 20 * 1024;

fn settings(when_full: &str) -> String {
    format!(
        "batch.timeout_secs = 1\nbuffer = {{ max_size = {MAX_SIZE}, when_full = \"{when_full}\" }}"
    )
}

#[test]
fn a_full_buffer_refuses_events_until_the_lake_is_back() {
    let (landfall, config) = prepare(&settings("reject"));
    let mut instance = landfall.start(&config);
    let outage = Outage::of(&lake_of(instance.dir()));
    let mut accepted = Vec::new();
    let refusal = loop {
        let id = format!("during-{}", accepted.len());
        let answer = post(instance.source(), &padded_event(&id, BODY));
        if answer.status != 200 {
            break answer;
        }
        accepted.push(id);
        assert!(accepted.len() * BODY <= MAX_SIZE, "more than it may hold");
    };
    assert_refused(&refusal, "buffer_full");
    assert!(accepted.len() * BODY > MAX_SIZE / 2, "{}", accepted.len());
    let reasons = unready(&instance);
    assert!(reasons.concat().contains("full"), "{reasons:?}");
    outage.end();

    let address = instance.source();
    instance.wait_until("events are accepted again", |_| {
        let id = format!("after-{}", accepted.len());
        let answer = post(address, &padded_event(&id, BODY));
        match answer.status {
            200 => accepted.push(id),
            _ => assert_refused(&answer, "buffer_full"),
        }
        answer.status == 200
    });
    wait_until_landed(&mut instance, accepted.len());
    instance.wait_until("it is ready again", |instance| unready(instance).is_empty());
    assert_landed_once(&stop_in_order(instance), &accepted);
}

#[test]
fn a_full_buffer_that_blocks_answers_200_once_the_lake_is_back() {
    let (mut instance, outage, blocked) = block();
    outage.end();
    assert_eq!(blocked.answer.recv(), Ok(200));
    wait_until_landed(&mut instance, blocked.sent.len());
    assert_landed_once(&stop_in_order(instance), &blocked.sent);
}

#[test]
fn a_full_buffer_that_blocks_is_not_ready() {
    let (instance, _outage, blocked) = block();
    let reasons = unready(&instance);
    assert_eq!(blocked.answer.try_recv(), Err(mpsc::TryRecvError::Empty));
    assert!(reasons.concat().contains("full"), "/ready: {reasons:?}");
}

struct Blocked {
    /// What was sent. All was answered 200 but the last.
    sent: Vec<String>,
    /// Where the status of the last will arrive.
    answer: mpsc::Receiver<u16>,
}

/// Fills a buffer that blocks until a request waits for room.
fn block() -> (Instance, Outage, Blocked) {
    let (landfall, config) = prepare(&settings("block"));
    let mut instance = landfall.start(&config);
    let outage = Outage::of(&lake_of(instance.dir()));
    let address = instance.source();
    let mut sent = Vec::new();
    loop {
        let id = format!("during-{}", sent.len());
        sent.push(id.clone());
        let (answered, answer) = mpsc::channel();
        thread::spawn(move || {
            // Nobody listens any more when a test has seen enough.
            if let Ok(response) = signed(padded_event(&id, BODY).as_bytes()).try_send(address) {
                let _ = answered.send(response.status);
            }
        });
        let mut status = None;
        instance.wait_until("an answer, or a full buffer", |instance| {
            status = answer.try_recv().ok();
            status.is_some() || unready(instance).concat().contains("full")
        });
        let Some(status) = status else {
            assert!(sent.len() * BODY > MAX_SIZE / 2, "{} are few", sent.len());
            return (instance, outage, Blocked { sent, answer });
        };
        assert_eq!(status, 200);
        assert!(sent.len() * BODY <= MAX_SIZE, "more than it may hold");
    }
}
