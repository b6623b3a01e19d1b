//! What happens to a batch once it is closed.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures::future::try_join_all;
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use landfall_core::kill_point;

use crate::batch::{Closed, Landing, Tally};
use crate::lake::Lake;
use crate::plan::{Plan, PlannedFile, Plans};
use crate::store::explain;

/// Files of one batch that are uploaded side by side.
const UPLOADS_AT_A_TIME: usize = 4;

/// Lands a batch whatever it takes: its plan first, then its files, then the note that it has landed.
pub(crate) async fn land(lake: &Lake, plans: &mut Plans, plan: &Plan, files: &[Landing]) {
    kill_point("plan");
    persist(lake, "write a batch plan", || plans.begin(plan)).await;
    kill_point("planned");
    persist(lake, "upload a batch", || upload(lake, files)).await;
    // Whatever was wrong with the store is not any more.
    lake.health().report(None);
    kill_point("uploaded");
    note_landed(lake, plans, plan).await;
}

/// Those of `files` that are in the lake. They are whole, and are never written again: the buffer may have lost since what
/// they hold.
pub(crate) async fn standing(lake: &Lake, files: &[PlannedFile]) -> Vec<PlannedFile> {
    let look = || try_join_all(files.iter().map(|file| lake.contains(&file.name)));
    let found = persist(lake, "look for the files of a batch", look).await;
    let standing = files.iter().zip(found).filter(|(_, found)| *found);
    standing.map(|(file, _)| file.clone()).collect()
}

/// Notes that everything `plan` names is in the lake.
pub(crate) async fn note_landed(lake: &Lake, plans: &mut Plans, plan: &Plan) {
    persist(lake, "note that a batch has landed", || plans.finish(plan)).await;
    kill_point("landed");
    if let Err(error) = plans.expire(plan).await {
        tracing::warn!(%error, "cannot remove an old batch plan; it is tried again with the next");
    }
}

/// Uploads all files, or takes back those that were: nobody was told that they are safe.
pub(crate) async fn land_or_refuse(lake: &Lake, files: &[Landing]) -> object_store::Result<()> {
    // Each is tried to its end, so that none can appear after it was taken back.
    let attempts: Vec<_> = uploads(lake, files).collect().await;
    let result: object_store::Result<()> = attempts.into_iter().collect();
    if result.is_err() {
        let names: Vec<_> = files.iter().map(|file| file.name.clone()).collect();
        if let Err(error) = lake.delete(&names).await {
            tracing::error!(
                error = explain(&error),
                "a refused batch stands in the lake in part: its events may come twice"
            );
        }
    }
    result
}

pub(crate) fn report(closed: &Closed) {
    let Tally {
        events,
        quarantined,
        duplicates,
        same_id,
    } = closed.tally;
    metrics::counter!("component_sent_events_total").increment(events + quarantined);
    metrics::counter!("landfall_duplicate_events_total").increment(duplicates);
    metrics::counter!("landfall_same_id_events_total").increment(same_id);
    metrics::counter!("landfall_quarantined_events_total").increment(quarantined);
    let files = closed.files.len();
    if files > 0 {
        let bytes: usize = closed.files.iter().map(|file| file.content.len()).sum();
        tracing::info!(
            events,
            quarantined,
            duplicates,
            same_id,
            files,
            bytes,
            "landed a batch"
        );
    }
}

async fn upload(lake: &Lake, files: &[Landing]) -> object_store::Result<()> {
    uploads(lake, files).try_collect().await
}

fn uploads(lake: &Lake, files: &[Landing]) -> impl Stream<Item = object_store::Result<()>> + use<> {
    let uploads = files.iter().map(|file| {
        let (lake, file) = (lake.clone(), file.clone());
        async move {
            lake.put(&file.name, file.content).await?;
            kill_point("file");
            Ok(())
        }
    });
    stream::iter(uploads.collect::<Vec<_>>()).buffer_unordered(UPLOADS_AT_A_TIME)
}

/// Tries until it succeeds: an accepted event is never given up, whatever the disk or the store says.
pub(crate) async fn persist<T, E, F>(lake: &Lake, doing: &str, mut attempt: impl FnMut() -> F) -> T
where
    E: std::error::Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let forever = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times();
    let reported = AtomicBool::new(false);
    loop {
        let warn = |error: &E, wait: Duration| {
            let problem = format!("cannot {doing}: {}", explain(error));
            tracing::warn!(retry_in = ?wait, "{problem}");
            metrics::counter!("component_errors_total", "error_type" => "landing_failed")
                .increment(1);
            lake.health().report(Some(problem));
            reported.store(true, Ordering::Relaxed);
        };
        if let Ok(done) = (&mut attempt).retry(forever).notify(warn).await {
            // Only what this has said itself: others may have more to say.
            if reported.load(Ordering::Relaxed) {
                lake.health().report(None);
            }
            return done;
        }
    }
}
