use std::collections::HashSet;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use landfall_core::{
    Ack, Answer, Delivery, DeliveryReceiver, DeliverySender, Event, Outcome, Refusal, Shutdown,
    ShutdownTrigger, Timestamp, delivery_channel,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::readiness::Readiness;

struct Running {
    input: DeliverySender,
    output: DeliveryReceiver,
    buffer: DiskBuffer,
    stop: ShutdownTrigger,
    tasks: JoinSet<()>,
}

async fn start(directory: &Path) -> Running {
    start_with(directory, &BufferConfig::default()).await
}

async fn start_with(directory: &Path, config: &BufferConfig) -> Running {
    let buffer = DiskBuffer::open(directory, config, &Labels::default())
        .await
        .unwrap();
    let (input, receiver) = delivery_channel(16);
    let mut tasks = JoinSet::new();
    tasks.spawn(
        buffer
            .clone()
            .write(receiver, "lake".to_owned(), Readiness::default()),
    );
    let (output, stop) = read(&buffer, &mut tasks);
    Running {
        input,
        output,
        buffer,
        stop,
        tasks,
    }
}

fn read(buffer: &DiskBuffer, tasks: &mut JoinSet<()>) -> (DeliveryReceiver, ShutdownTrigger) {
    let (sender, output) = delivery_channel(DELIVERIES_AHEAD);
    let (stop, stopped) = Shutdown::new();
    let reading = buffer.clone().read(sender, stopped);
    tasks.spawn(async move { reading.await.unwrap() });
    (output, stop)
}

async fn send(running: &Running, body: &'static str) -> Answer {
    let (ack, answer) = Ack::channel();
    let event = Event::new(Timestamp::from_millis(7), body);
    running.input.send(Delivery::new(vec![event], ack)).await;
    answer
}

/// The next delivery that has events, and their bodies.
async fn next_events(running: &mut Running) -> (Vec<Bytes>, Ack) {
    loop {
        let Delivery { events, ack } = running.output.next().await.unwrap();
        if !events.is_empty() {
            return (events.into_iter().map(|event| event.body).collect(), ack);
        }
        ack.durable();
    }
}

#[tokio::test]
async fn an_event_is_acknowledged_when_it_is_journaled_and_comes_again_until_the_sink_says_durable()
{
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path()).await;
    assert_eq!(send(&running, "one").await.await, Outcome::Durable);
    let (bodies, ack) = next_events(&mut running).await;
    assert_eq!(bodies, ["one"]);
    ack.refuse(Refusal::Failed);
    let (bodies, ack) = next_events(&mut running).await;
    assert_eq!(bodies, ["one"]);
    ack.durable();
    assert_eq!(send(&running, "two").await.await, Outcome::Durable);
    let (bodies, _ack) = next_events(&mut running).await;
    assert_eq!(bodies, ["two"]);
}

#[tokio::test]
async fn a_sink_is_given_files_that_are_gone_when_they_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let names = || {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name())
            .collect::<HashSet<_>>()
    };
    let running = start(dir.path()).await;
    let before = names();
    let mut file = running.buffer.state().scratch().unwrap().unwrap();
    file.write_all(b"for now").unwrap();
    assert_eq!(names(), before);
}

#[tokio::test]
async fn what_an_earlier_run_left_is_followed_by_a_delivery_without_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path()).await;
    for body in ["one", "two"] {
        assert_eq!(send(&running, body).await.await, Outcome::Durable);
    }
    assert_eq!(running.buffer.events(), Some(2));
    drop((running.input, running.buffer));
    // To its end, so that the journal is closed; nothing is acknowledged.
    while running.output.next().await.is_some() {}
    while running.tasks.join_next().await.is_some() {}

    let mut running = start(dir.path()).await;
    while running.buffer.events().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.buffer.events(), Some(2));
    let mut bodies = Vec::new();
    loop {
        let Delivery { events, ack } = running.output.next().await.unwrap();
        ack.durable();
        if events.is_empty() {
            break;
        }
        bodies.extend(events.into_iter().map(|event| event.body));
    }
    assert_eq!(bodies, ["one", "two"]);
    while running.buffer.events() != Some(0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_waits_for_room_is_let_go_when_another_sink_refuses_it_or_its_sender_gives_up() {
    let dir = tempfile::tempdir().unwrap();
    let config = BufferConfig {
        max_size: 1024 * 1024,
        when_full: WhenFull::Block,
        ..BufferConfig::default()
    };
    let running = start_with(dir.path(), &config).await;
    let send = async |ack| {
        let event = Event::new(Timestamp::from_millis(7), vec![b' '; 200 * 1024]);
        running.input.send(Delivery::new(vec![event], ack)).await;
    };
    for _ in 0..5 {
        let (ack, answer) = Ack::channel();
        send(ack).await;
        assert_eq!(answer.await, Outcome::Durable);
    }

    // The cursor of nobody moves, so that there is no room for a sixth.
    for gives_up in [true, false] {
        let (mut ack, answer) = Ack::channel();
        let (holds, held) = std::sync::mpsc::channel::<()>();
        ack.hold(holds);
        let mut parts = ack.split(2);
        send(parts.pop().unwrap()).await;
        let of_other_sink = parts.pop().unwrap();
        if gives_up {
            of_other_sink.durable();
            drop(answer);
        } else {
            of_other_sink.refuse(Refusal::Full);
        }
        let let_go = || held.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected);
        timeout(Duration::from_secs(30), async {
            while !let_go() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn what_one_sink_has_not_acknowledged_the_next_one_gets_while_events_come_all_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path()).await;
    assert_eq!(send(&running, "one").await.await, Outcome::Durable);
    let (_, ack) = next_events(&mut running).await;
    ack.durable();
    assert_eq!(send(&running, "two").await.await, Outcome::Durable);
    let (_, unanswered) = next_events(&mut running).await;

    running.stop.trigger();
    assert_eq!(send(&running, "three").await.await, Outcome::Durable);
    drop(unanswered);
    while running.output.next().await.is_some() {}

    (running.output, running.stop) = read(&running.buffer, &mut running.tasks);
    let mut bodies = Vec::new();
    while bodies.len() < 2 {
        let (more, ack) = next_events(&mut running).await;
        bodies.extend(more);
        ack.durable();
    }
    assert_eq!(bodies, ["two", "three"]);
}

#[tokio::test]
async fn a_journal_that_is_closed_is_read_to_its_end_also_for_a_sink_that_refuses_everything_at_once()
 {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path()).await;
    for body in ["one", "two"] {
        assert_eq!(send(&running, body).await.await, Outcome::Durable);
    }
    drop((running.input, running.buffer));
    let refusing = async { while running.output.next().await.is_some() {} };
    timeout(Duration::from_secs(10), refusing).await.unwrap();
}
