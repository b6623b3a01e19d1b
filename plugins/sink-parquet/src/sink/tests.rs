use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bytes::Bytes;
use futures::future::join_all;
use landfall_core::{Answer, StateStore};
use serde_json::json;

use super::*;

/// State that survives a sink, as a disk would keep it.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, Bytes>>>);

impl Kept {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    fn put_back_to_pending(&self) {
        let mut kept = self.0.lock().unwrap();
        let (name, value) = kept.pop_last().unwrap();
        kept.insert(name.replace("landed", "pending"), value);
    }
}

#[async_trait]
impl StateStore for Kept {
    async fn put(&self, name: &str, value: Bytes) -> io::Result<()> {
        self.0.lock().unwrap().insert(name.to_owned(), value);
        Ok(())
    }

    async fn get(&self, name: &str) -> io::Result<Option<Bytes>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        let value = kept.remove(from).ok_or(io::ErrorKind::NotFound)?;
        kept.insert(to.to_owned(), value);
        Ok(())
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

fn sink(lake: &Path, max_events: usize, state: Option<&Kept>) -> Box<ParquetSink> {
    let config = json!({
        "uri": lake,
        "batch": { "max_events": max_events, "timeout_secs": 3600 },
    });
    let config: ParquetConfig = serde_json::from_value(config).unwrap();
    let lake = Lake::open(&config.uri, &config.storage).unwrap();
    let context = SinkContext {
        id: "lake".to_owned(),
        writer_id: "writer".to_owned(),
        state: state.map(|kept| Arc::new(kept.clone()) as Arc<dyn StateStore>),
    };
    Box::new(ParquetSink::new(lake, &config, context))
}

fn event(id: u64) -> Event {
    let body = format!(r#"{{"id":"{id}","name":"appcues:flow_started","timestamp":1000}}"#);
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
    sink.run(stream::iter(deliveries).boxed()).await.unwrap();
    join_all(answers).await
}

/// The files of the lake, with their content.
fn files(lake: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let day = lake.join("events/date=1970-01-01");
    for file in std::fs::read_dir(day).into_iter().flatten() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.insert(name, std::fs::read(path).unwrap());
    }
    files
}

#[tokio::test]
async fn a_planned_batch_is_landed_again_as_it_was_whatever_the_limits_are_now() {
    let lake = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    let outcomes = run(sink(lake.path(), 3, Some(&kept)), (1..=3).map(event)).await;
    assert_eq!(outcomes, [Outcome::Durable; 3]);
    let before = files(lake.path());
    assert_eq!(before.len(), 1);

    // As if the process had ended after the upload, before it was noted; with the file lost on top.
    kept.put_back_to_pending();
    std::fs::remove_dir_all(lake.path().join("events")).unwrap();
    run(sink(lake.path(), 2, Some(&kept)), (1..=5).map(event)).await;
    let after = files(lake.path());
    assert_eq!(
        after.len(),
        2,
        "the planned batch, and the two events behind it"
    );
    for (name, content) in before {
        assert!(after[&name] == content, "{name} has other bytes");
    }
    assert!(kept.names().iter().all(|name| name.starts_with("landed")));
}

#[tokio::test]
async fn what_has_landed_is_acknowledged_and_not_landed_again() {
    let lake = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    run(sink(lake.path(), 3, Some(&kept)), (1..=3).map(event)).await;
    let before = files(lake.path());
    let outcomes = run(sink(lake.path(), 3, Some(&kept)), (1..=3).map(event)).await;
    assert_eq!(outcomes, [Outcome::Durable; 3]);
    assert_eq!(files(lake.path()), before);
}

#[tokio::test]
async fn a_planned_batch_is_not_landed_in_part_when_the_input_ends() {
    let lake = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    run(sink(lake.path(), 3, Some(&kept)), (1..=3).map(event)).await;
    kept.put_back_to_pending();
    std::fs::remove_dir_all(lake.path().join("events")).unwrap();
    let outcomes = run(sink(lake.path(), 3, Some(&kept)), (1..=2).map(event)).await;
    assert_eq!(outcomes, [Outcome::Refused(Refusal::Unanswered); 2]);
    assert!(files(lake.path()).is_empty());
}

#[tokio::test]
async fn a_damaged_plan_still_says_which_positions_and_names_were_planned() {
    let lake = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    run(sink(lake.path(), 3, Some(&kept)), (1..=3).map(event)).await;
    let before = files(lake.path());
    kept.put_back_to_pending();
    for value in kept.0.lock().unwrap().values_mut() {
        *value = Bytes::from_static(b"damaged");
    }
    run(sink(lake.path(), 2, Some(&kept)), (1..=3).map(event)).await;
    assert_eq!(files(lake.path()), before);
}

#[tokio::test]
async fn a_file_that_a_plan_names_and_nobody_makes_any_more_is_deleted() {
    let lake = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    run(sink(lake.path(), 3, Some(&kept)), (1..=3).map(event)).await;
    let before = files(lake.path());

    // An earlier version took the same events for something else.
    let (plans, _) = Plans::load(Arc::new(kept.clone()), Duration::from_secs(60))
        .await
        .unwrap();
    kept.put_back_to_pending();
    let (_, restored) = Plans::load(Arc::new(kept.clone()), Duration::from_secs(60))
        .await
        .unwrap();
    let mut plan = restored.pending.unwrap();
    plan.content.files.push("quarantine/old.parquet".to_owned());
    plans.begin(&plan).await.unwrap();
    let old = lake.path().join("quarantine/old.parquet");
    std::fs::create_dir_all(old.parent().unwrap()).unwrap();
    std::fs::write(&old, "old").unwrap();

    run(sink(lake.path(), 3, Some(&kept)), (1..=3).map(event)).await;
    assert!(!old.exists());
    assert_eq!(files(lake.path()), before);
}

#[tokio::test]
async fn behind_a_memory_buffer_what_the_store_refused_lands_when_it_is_sent_again() {
    let lake = tempfile::tempdir().unwrap();
    let mut worker = Worker::resume(*sink(lake.path(), 2, None)).await.unwrap();
    let mut send = async |id| {
        let (ack, answer) = Ack::channel();
        worker
            .take(vec![Delivery::new(vec![event(id)], ack)])
            .await
            .unwrap();
        worker.land().await.unwrap();
        answer.await
    };
    // A file stands where the directory should be.
    let blocked = lake.path().join("events");
    std::fs::write(&blocked, "").unwrap();
    assert_eq!(send(1).await, Outcome::Refused(Refusal::Failed));
    std::fs::remove_file(&blocked).unwrap();
    assert_eq!(send(1).await, Outcome::Durable);
    assert_eq!(send(1).await, Outcome::Durable);
    assert_eq!(files(lake.path()).len(), 1);
}
