//! What happens to a batch once it is closed.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _};
use landfall_core::{kill_point, log, log_seldom};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, debug_span};

use crate::batch::{Closed, Landing, Tally};
use crate::lake::Lake;
use crate::plan::{Plan, PlannedFile, Plans};
use crate::store::{code, explain};

/// Files of one batch that are uploaded side by side.
const UPLOADS_AT_A_TIME: usize = 4;

/// Lands a batch whatever it takes: its plan first, then its files, then the note that it has landed.
pub(crate) async fn land(lake: &Lake, plans: &mut Plans, plan: &Plan, files: &[Landing]) {
    let landing = async {
        kill_point("plan");
        persist(lake, "write a batch plan", || plans.begin(plan)).await;
        kill_point("planned");
        upload(lake, files).await;
        kill_point("uploaded");
        note_landed(lake, plans, plan).await;
    };
    landing.instrument(batch_span(lake, files)).await;
}

/// A batch in a trace, for a collector.
fn batch_span(lake: &Lake, files: &[Landing]) -> Span {
    let [(_, id), ..] = lake.seldom().labels();
    debug_span!(
        "land batch",
        otel.kind = "internal",
        component_id = id,
        files = files.len()
    )
}

/// Uploads all files, however long it takes.
pub(crate) async fn upload(lake: &Lake, files: &[Landing]) {
    let upload = Upload::new(lake, files);
    persist(lake, "upload a batch", || upload.attempt()).await;
    // Whatever was wrong with the store is not any more.
    lake.health().report(None);
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
        log_seldom!(
            lake.seldom(),
            "expire_plan",
            warn,
            %error,
            "cannot remove an old batch plan; it is tried again with the next"
        );
    }
}

/// Uploads all files, or takes back those that were: nobody was told that they are safe.
pub(crate) async fn land_or_refuse(lake: &Lake, files: &[Landing]) -> object_store::Result<()> {
    let upload = Upload::new(lake, files);
    let attempt = upload.attempt().instrument(batch_span(lake, files));
    let result = attempt.await;
    if result.is_err() {
        let names: Vec<_> = files.iter().map(|file| file.name.clone()).collect();
        if let Err(error) = lake.delete(&names).await {
            log_seldom!(
                lake.seldom(),
                "take_back",
                error,
                error = explain(&error),
                "a refused batch stands in the lake in part: its events may come twice"
            );
        }
    }
    result
}

pub(crate) fn report(lake: &Lake, closed: &Closed, took: Duration) {
    lake.metrics().landed(closed, took);
    let Tally {
        events,
        quarantined,
        duplicates,
        same_id,
    } = closed.tally;
    let (files, bytes) = (closed.files.len(), closed.byte_size());
    if files > 0 {
        log!(
            lake.seldom().labels(),
            info,
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

/// Files of a batch on their way into the lake.
struct Upload<'a> {
    lake: &'a Lake,
    files: Vec<UploadedFile<'a>>,
    /// Whether a put has failed since the last that did not.
    failed: AtomicBool,
}

struct UploadedFile<'a> {
    file: &'a Landing,
    /// Whether it is there, so that further attempts leave it alone.
    landed: AtomicBool,
}

impl<'a> Upload<'a> {
    fn new(lake: &'a Lake, files: &'a [Landing]) -> Self {
        let files = files.iter().map(|file| UploadedFile {
            file,
            landed: AtomicBool::new(false),
        });
        Self {
            lake,
            files: files.collect(),
            failed: AtomicBool::new(false),
        }
    }

    /// Puts those that are not there, up to the first that fails. What is under way by then is brought to its end: nothing
    /// can appear after this returned, and no upload in parts is left half way.
    async fn attempt(&self) -> object_store::Result<()> {
        let is_left = |file: &&UploadedFile<'_>| !file.landed.load(Ordering::Relaxed);
        let mut left = self.files.iter().filter(is_left);
        if self.failed.load(Ordering::Relaxed)
            && let Some(first) = left.next()
        {
            // A store that was away or asked for fewer requests is first asked with one.
            self.put(first).await?;
        }
        let puts = left.map(|file| async {
            if self.failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.put(file).await
        });
        let puts = stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(UPLOADS_AT_A_TIME);
        let results: Vec<_> = puts.collect().await;
        results.into_iter().collect()
    }

    async fn put(
        &self,
        UploadedFile { file, landed }: &UploadedFile<'_>,
    ) -> object_store::Result<()> {
        let begun = Instant::now();
        let span = debug_span!(
            "put file",
            otel.kind = "client",
            bytes = file.content.len(),
            "error.type" = Empty,
            otel.status_code = Empty,
        );
        let put = self.lake.put(&file.name, &file.content).await;
        self.failed.store(put.is_err(), Ordering::Relaxed);
        if let Err(error) = &put {
            span.record("error.type", code(error));
            span.record("otel.status_code", "ERROR");
        }
        put?;
        self.lake.metrics().put(begun.elapsed());
        landed.store(true, Ordering::Relaxed);
        kill_point("file");
        Ok(())
    }
}

/// Tries until it succeeds: an accepted event is never given up, whatever the disk or the store says.
pub(crate) async fn persist<T, E, F>(
    lake: &Lake,
    doing: &'static str,
    mut attempt: impl FnMut() -> F,
) -> T
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
            log_seldom!(lake.seldom(), doing, warn, retry_in = ?wait, "{problem}");
            lake.metrics().failed(code(error));
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
