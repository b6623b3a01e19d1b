use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray as _;
use bytes::Bytes;
use futures::future::join_all;
use landfall_core::{Answer, Seldom, StateStore};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use super::*;

/// State that survives a sink, as a disk would keep it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    values: Arc<Mutex<BTreeMap<String, Bytes>>>,
    lives: Arc<AtomicUsize>,
}

impl Kept {
    pub(crate) fn into_scratch(self) -> Scratch {
        Scratch::new(Some(Arc::new(self)), Seldom::default())
    }

    fn names(&self) -> Vec<String> {
        self.values.lock().unwrap().keys().cloned().collect()
    }

    fn put_back_to_pending(&self) {
        let mut kept = self.values.lock().unwrap();
        let (name, value) = kept.pop_last().unwrap();
        kept.insert(name.replace("landed", "pending"), value);
    }
}

#[async_trait]
impl StateStore for Kept {
    async fn put(&self, name: &str, value: Bytes) -> io::Result<()> {
        self.values.lock().unwrap().insert(name.to_owned(), value);
        Ok(())
    }

    async fn get(&self, name: &str) -> io::Result<Option<Bytes>> {
        Ok(self.values.lock().unwrap().get(name).cloned())
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut kept = self.values.lock().unwrap();
        let value = kept.remove(from).ok_or(io::ErrorKind::NotFound)?;
        kept.insert(to.to_owned(), value);
        Ok(())
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.values.lock().unwrap().remove(name);
        Ok(())
    }

    fn scratch(&self) -> io::Result<Option<File>> {
        tempfile::tempfile().map(Some)
    }
}

fn sink(lake: &Path, max_events: usize, state: Option<&Kept>) -> Box<ParquetSink> {
    partitioned_sink(lake, "events/date={date}", max_events, state)
}

fn partitioned_sink(
    lake: &Path,
    partition: &str,
    max_events: usize,
    state: Option<&Kept>,
) -> Box<ParquetSink> {
    // Each process has a name of its own; plans keep theirs.
    let name = state.map_or(0, |kept| kept.lives.fetch_add(1, Ordering::Relaxed));
    let config = json!({
        "uri": lake,
        "partition": partition,
        "batch": { "max_events": max_events, "timeout_secs": 3600 },
    });
    let config: ParquetConfig = serde_json::from_value(config).unwrap();
    let lake = Lake::open(&config).unwrap();
    let mut context = SinkContext::new("lake", "parquet", &format!("writer{name}"));
    context.state = state.map(|kept| Arc::new(kept.clone()) as Arc<dyn StateStore>);
    Box::new(ParquetSink::new(lake, &config, context))
}

/// An event at position `id` × 100, on a day that follows from whether `id` is even.
fn event(id: u64) -> Event {
    let timestamp = id % 2 * 86_400_000;
    let body = format!(r#"{{"id":"{id}","name":"appcues:flow_started","timestamp":{timestamp}}}"#);
    Event {
        position: Some(Position::new(id * 100)),
        ..Event::new(Timestamp::from_millis(0), body)
    }
}

/// Runs `sink` over `events`, each a delivery, to the end of its input.
async fn run(sink: Box<ParquetSink>, events: impl IntoIterator<Item = Event>) -> Vec<Outcome> {
    let (deliveries, answers): (Vec<_>, Vec<Answer>) = events
        .into_iter()
        .map(|event| {
            let (ack, answer) = Ack::channel();
            (Delivery::new(vec![event], ack), answer)
        })
        .unzip();
    sink.run(futures::stream::iter(deliveries).boxed())
        .await
        .unwrap();
    join_all(answers).await
}

/// The Parquet files of the lake by their names below its root, with their content.
fn files(lake: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for table in ["events", "quarantine"] {
        let days = std::fs::read_dir(lake.join(table)).into_iter().flatten();
        for file in days.flat_map(|day| std::fs::read_dir(day.unwrap().path()).unwrap()) {
            let path = file.unwrap().path();
            let name = path.strip_prefix(lake).unwrap().display().to_string();
            files.insert(name, std::fs::read(path).unwrap());
        }
    }
    files
}

/// A lake in which a batch of four events on two days has landed, and state that says it is still pending.
async fn pending_batch() -> (tempfile::TempDir, Kept, BTreeMap<String, Vec<u8>>) {
    let lake = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    let outcomes = run(sink(lake.path(), 4, Some(&kept)), (1..=4).map(event)).await;
    assert_eq!(outcomes, [Outcome::Durable; 4]);
    let landed = files(lake.path());
    assert_eq!(landed.len(), 2);
    kept.put_back_to_pending();
    (lake, kept, landed)
}

/// The ids in the lake, sorted; one that stands twice is there twice.
fn ids(lake: &Path) -> Vec<String> {
    let mut ids = Vec::new();
    for content in files(lake).into_values() {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(content)).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let column = batch.column_by_name("event_id").unwrap().as_string::<i32>();
            ids.extend(column.iter().map(|id| id.unwrap().to_owned()));
        }
    }
    ids.sort();
    ids
}

/// Removes the file of events 2 and 4, and returns its name.
fn remove_one(lake: &Path, landed: &BTreeMap<String, Vec<u8>>) -> String {
    let (name, _) = landed.first_key_value().unwrap();
    std::fs::remove_file(lake.join(name)).unwrap();
    assert_eq!(ids(lake), ["1", "3"]);
    name.clone()
}

/// The same event, sent again later.
fn again(id: u64) -> Event {
    Event {
        position: Some(Position::new(10_000 + id)),
        ..event(id)
    }
}

#[tokio::test]
async fn a_planned_batch_is_landed_as_it_was_planned_whatever_the_limits_are_now() {
    let (lake, kept, landed) = pending_batch().await;
    std::fs::remove_dir_all(lake.path().join("events")).unwrap();
    run(sink(lake.path(), 3, Some(&kept)), (1..=6).map(event)).await;
    let after = files(lake.path());
    assert_eq!(
        after.len(),
        4,
        "the planned batch, and the two events behind it"
    );
    for (name, content) in landed {
        assert!(after[&name] == content, "{name} has other bytes");
    }
    assert!(kept.names().iter().all(|name| name.starts_with("landed")));
}

#[tokio::test]
async fn a_planned_batch_that_stands_in_the_lake_is_only_noted() {
    let (lake, kept, landed) = pending_batch().await;
    let outcomes = run(sink(lake.path(), 4, Some(&kept)), (1..=2).map(event)).await;
    assert_eq!(outcomes, [Outcome::Durable; 2]);
    assert_eq!(files(lake.path()), landed);
    assert!(kept.names().iter().all(|name| name.starts_with("landed")));
}

#[tokio::test]
async fn what_has_landed_is_acknowledged_and_not_landed_again() {
    let (lake, kept, landed) = pending_batch().await;
    for _ in 0..2 {
        let outcomes = run(sink(lake.path(), 4, Some(&kept)), (1..=4).map(event)).await;
        assert_eq!(outcomes, [Outcome::Durable; 4]);
        assert_eq!(files(lake.path()), landed);
    }
}

#[tokio::test]
async fn the_missing_file_of_a_planned_batch_is_made_again_byte_for_byte() {
    let (lake, kept, landed) = pending_batch().await;
    remove_one(lake.path(), &landed);
    run(sink(lake.path(), 4, Some(&kept)), (1..=4).map(event)).await;
    assert_eq!(files(lake.path()), landed);
}

#[tokio::test]
async fn a_file_that_stands_is_kept_though_the_buffer_has_lost_its_events() {
    let (lake, kept, landed) = pending_batch().await;
    remove_one(lake.path(), &landed);
    // Event 1 stands in the other file, and in the buffer no more. It is still known when it is sent again.
    let events = [event(2), event(3), event(4), again(1)];
    run(sink(lake.path(), 4, Some(&kept)), events).await;
    assert_eq!(files(lake.path()), landed);
}

#[tokio::test]
async fn an_event_that_the_buffer_lost_lands_when_it_is_sent_again() {
    let (lake, kept, landed) = pending_batch().await;
    remove_one(lake.path(), &landed);
    let events = [event(1), event(3), event(4)];
    run(sink(lake.path(), 4, Some(&kept)), events).await;
    assert_eq!(ids(lake.path()), ["1", "3", "4"]);
    run(sink(lake.path(), 4, Some(&kept)), [again(2), again(3)]).await;
    assert_eq!(ids(lake.path()), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_planned_batch_is_completed_without_doubles_when_the_partitions_are_others_now() {
    for partition in [
        "events/all",
        "events/date=1970-01-01",
        "events/date=1970-01-02",
    ] {
        let (lake, kept, landed) = pending_batch().await;
        remove_one(lake.path(), &landed);
        let sink = partitioned_sink(lake.path(), partition, 4, Some(&kept));
        run(sink, (1..=4).map(event)).await;
        assert_eq!(ids(lake.path()), ["1", "2", "3", "4"], "{partition}");
        run(self::sink(lake.path(), 4, Some(&kept)), (1..=4).map(again)).await;
        assert_eq!(ids(lake.path()), ["1", "2", "3", "4"], "{partition}");
    }
}

#[tokio::test]
async fn a_planned_batch_is_not_landed_in_part_when_the_input_ends() {
    let (lake, kept, _) = pending_batch().await;
    std::fs::remove_dir_all(lake.path().join("events")).unwrap();
    let outcomes = run(sink(lake.path(), 4, Some(&kept)), (1..=2).map(event)).await;
    assert_eq!(outcomes, [Outcome::Refused(Refusal::Unanswered); 2]);
    assert!(files(lake.path()).is_empty());
}

#[tokio::test]
async fn a_planned_batch_whose_rest_is_lost_is_landed_once_the_buffer_has_caught_up() {
    let (lake, kept, _) = pending_batch().await;
    std::fs::remove_dir_all(lake.path().join("events")).unwrap();
    let (ack, answer) = Ack::channel();
    let caught_up = Delivery::new(Vec::new(), Ack::callback(drop));
    let deliveries = [Delivery::new(vec![event(1), event(2)], ack), caught_up];
    let input = futures::stream::iter(deliveries).boxed();
    sink(lake.path(), 4, Some(&kept)).run(input).await.unwrap();
    assert_eq!(answer.await, Outcome::Durable);
    assert_eq!(files(lake.path()).len(), 2);
    assert!(kept.names().iter().all(|name| name.starts_with("landed")));
}

#[tokio::test]
async fn a_damaged_plan_still_says_which_positions_and_names_were_planned() {
    let (lake, kept, landed) = pending_batch().await;
    for value in kept.values.lock().unwrap().values_mut() {
        *value = Bytes::from_static(b"damaged");
    }
    std::fs::remove_dir_all(lake.path().join("events")).unwrap();
    run(sink(lake.path(), 2, Some(&kept)), (1..=4).map(event)).await;
    assert_eq!(files(lake.path()), landed);
}

#[tokio::test]
async fn behind_a_memory_buffer_what_the_store_refused_lands_once_when_it_is_sent_again() {
    let lake = tempfile::tempdir().unwrap();
    let mut worker = Worker::resume(*sink(lake.path(), 2, None)).await.unwrap();
    let mut send = async || {
        let (deliveries, answers): (Vec<_>, Vec<Answer>) = [event(1), event(2)]
            .into_iter()
            .map(|event| {
                let (ack, answer) = Ack::channel();
                (Delivery::new(vec![event], ack), answer)
            })
            .unzip();
        worker.take(deliveries).await.unwrap();
        join_all(answers).await
    };
    // A file stands where the directory of one day should be.
    let blocked = lake.path().join("events/date=1970-01-01");
    std::fs::create_dir_all(lake.path().join("events")).unwrap();
    std::fs::write(&blocked, "").unwrap();
    assert_eq!(send().await, [Outcome::Refused(Refusal::Failed); 2]);
    std::fs::remove_file(&blocked).unwrap();
    assert!(
        files(lake.path()).is_empty(),
        "the file of the other day was taken back"
    );
    assert_eq!(send().await, [Outcome::Durable; 2]);
    assert_eq!(send().await, [Outcome::Durable; 2]);
    assert_eq!(files(lake.path()).len(), 2);
}
