use std::sync::Mutex as StdMutex;

use loom::future::block_on;
use loom::thread::{self, JoinHandle};

use super::super::Refusal;
use super::*;

const REFUSED: Outcome = Outcome::Refused(Refusal::Full);

/// An acknowledgement that holds something, and what has become of it: its answers, and then `"released"`.
fn watched() -> (Ack, Arc<StdMutex<Vec<String>>>) {
    let seen = Arc::new(StdMutex::new(Vec::new()));
    let answers = Arc::clone(&seen);
    let mut ack =
        Ack::callback(move |outcome| answers.lock().unwrap().push(format!("{outcome:?}")));
    ack.hold(Held(Arc::clone(&seen)));
    (ack, seen)
}

struct Held(Arc<StdMutex<Vec<String>>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("released".to_owned());
    }
}

/// Answers each of `parts` on a thread of its own, the last one on this.
fn answer_at_once(mut parts: Vec<Ack>, outcomes: &[Outcome]) {
    let last = parts.pop().unwrap();
    let answering = parts
        .into_iter()
        .zip(outcomes.iter().copied())
        .map(|(part, outcome)| thread::spawn(move || part.answer(outcome)))
        .collect();
    last.answer(*outcomes.last().unwrap());
    join(answering);
}

/// Waits for each of `parts` to be abandoned, on a thread of its own.
fn wait(parts: Vec<Ack>) -> Vec<JoinHandle<()>> {
    let wait = |mut part: Ack| thread::spawn(move || block_on(part.abandoned()));
    parts.into_iter().map(wait).collect()
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn parts_that_are_answered_at_once_give_one_answer_and_release_what_was_held_once() {
    for (outcomes, expected) in [
        ([Outcome::Durable; 3], "Durable"),
        (
            [Outcome::Durable, REFUSED, Outcome::Durable],
            "Refused(Full)",
        ),
        ([REFUSED; 3], "Refused(Full)"),
    ] {
        loom::model(move || {
            let (ack, seen) = watched();
            answer_at_once(ack.split(3), &outcomes);
            let mut seen = std::mem::take(&mut *seen.lock().unwrap());
            seen.sort();
            assert_eq!(seen, [expected, "released"]);
        });
    }
}

#[test]
fn parts_of_parts_that_are_answered_at_once_give_one_answer() {
    loom::model(|| {
        let (ack, seen) = watched();
        let mut parts = ack.split(2);
        let of_a_part = parts.pop().unwrap().split(2);
        parts.extend(of_a_part);
        answer_at_once(parts, &[Outcome::Durable, REFUSED, Outcome::Durable]);
        let mut seen = std::mem::take(&mut *seen.lock().unwrap());
        seen.sort();
        assert_eq!(seen, ["Refused(Full)", "released"]);
    });
}

// A wake-up that is lost would leave a thread waiting, which loom reports as a deadlock.

#[test]
fn a_part_that_waits_learns_of_a_refusal_whenever_it_comes() {
    loom::model(|| {
        let (ack, _answer) = Ack::channel();
        let mut parts = ack.split(2);
        let refused = parts.pop().unwrap();
        let waiting = wait(parts);
        refused.refuse(Refusal::Full);
        join(waiting);
    });
}

#[test]
fn parts_that_wait_learn_that_nobody_waits_for_the_answer_any_more() {
    loom::model(|| {
        let (ack, answer) = Ack::channel();
        let mut parts = ack.split(2);
        let mut own = parts.pop().unwrap();
        let waiting = wait(parts);
        drop(answer);
        block_on(own.abandoned());
        join(waiting);
    });
}

#[test]
fn a_part_that_is_answered_durable_leaves_the_others_waiting_until_they_are_abandoned() {
    loom::model(|| {
        let (ack, answer) = Ack::channel();
        let mut parts = ack.split(2);
        let durable = parts.pop().unwrap();
        let waiting = wait(parts);
        durable.durable();
        drop(answer);
        join(waiting);
    });
}
