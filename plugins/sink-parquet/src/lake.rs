use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use landfall_core::{BuildError, Health, Seldom, SinkContext, StateStore, log};
use object_store::multipart::MultipartStore;
use object_store::path::{Path, PathPart};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use tokio::time::timeout;

use crate::ParquetConfig;
use crate::encoded::Encoded;
use crate::metrics::Metrics;
use crate::parted::{self, PartedUpload, SINGLE_PUT_BYTES};
use crate::store;
use crate::writing::Writing;

/// The store's own retries go on for longer than whoever waits for the probe wants to.
const PROBE_TIME: Duration = Duration::from_secs(10);

/// The folder that probes are written to.
const PROBES: &str = "_landfall";

/// Between probes of a store that cannot be used.
const PROBE_PAUSE: Duration = Duration::from_secs(10);

/// What follows from a store that cannot be used behind a durable buffer.
pub(crate) const KEPT: &str = "events are kept in the buffer until it is mended";

/// The place where files land: a store and a prefix in it.
#[derive(Clone)]
pub(crate) struct Lake {
    store: Arc<dyn ObjectStore>,
    multipart: Option<Arc<dyn MultipartStore>>,
    prefix: Path,
    uri: String,
    /// The directory itself when the lake is local.
    directory: Option<PathBuf>,
    health: Health,
    metrics: Metrics,
    seldom: Seldom,
    /// Where uploads in parts are noted while they are under way.
    state: Option<Arc<dyn StateStore>>,
}

/// Why a probe failed.
#[derive(Debug)]
pub(crate) struct ProbeError {
    /// One sentence that says what is wrong.
    pub(crate) problem: String,
    /// Whether it can pass by itself, as a full disk or a store that is away does.
    pub(crate) can_pass: bool,
}

impl Lake {
    pub(crate) fn open(config: &ParquetConfig) -> Result<Self, BuildError> {
        // Until the URI is understood it is not shown: it may hold credentials.
        let location = store::open(&config.uri, &config.storage, &config.headers)
            .map_err(|reason| BuildError::new(format!("uri: {reason}")))?;
        if let Some(directory) = &location.directory {
            create_durably(directory).map_err(|error| {
                let problem = format!("uri: cannot create {}: {error}", directory.display());
                BuildError::new(problem).with_source(error)
            })?;
        }
        Ok(Self {
            store: location.store,
            multipart: location.multipart,
            prefix: location.prefix,
            uri: config.uri.clone(),
            directory: location.directory,
            health: Health::default(),
            metrics: Metrics::default(),
            seldom: Seldom::default(),
            state: None,
        })
    }

    /// The directories that a probe would have to make, innermost first; none unless the lake is local.
    pub(crate) fn missing_directories(config: &ParquetConfig) -> Vec<PathBuf> {
        let location = store::open(&config.uri, &config.storage, &config.headers);
        let Some(directory) = location.ok().and_then(|location| location.directory) else {
            return Vec::new();
        };
        let probed = directory.join(PROBES);
        let missing = probed.ancestors().take_while(|path| !path.is_dir());
        missing.map(FsPath::to_owned).collect()
    }

    /// The same lake, for a sink: it says what keeps it from landing, and notes what a crash would leave behind.
    pub(crate) fn for_sink(self, context: &SinkContext) -> Self {
        Self {
            health: context.health.clone(),
            metrics: Metrics::of(context),
            seldom: Seldom::new(context.labels()),
            state: context.state.clone(),
            ..self
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.directory.is_some()
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What its lines in the log go by.
    pub(crate) fn seldom(&self) -> &Seldom {
        &self.seldom
    }

    /// Writes, reads and deletes a small object, whose name ends with `nonce`: the same each time, so that one that a crash
    /// left behind goes away with the next.
    pub(crate) async fn probe(&self, nonce: &str) -> Result<(), ProbeError> {
        let away = ProbeError {
            problem: format!(
                "uri \"{}\": the store does not answer within {PROBE_TIME:?}",
                self.uri
            ),
            can_pass: true,
        };
        let probe = self.write_read_delete(nonce);
        timeout(PROBE_TIME, probe).await.unwrap_or(Err(away))
    }

    /// Probes in the background, and says what is wrong for as long as it is.
    pub(crate) fn probe_later(&self, nonce: &str) {
        let (lake, nonce) = (self.clone(), nonce.to_owned());
        tokio::spawn(async move {
            let mut failed = false;
            while let Err(error) = lake.probe(&nonce).await {
                if !failed {
                    log!(lake.seldom.labels(), error, "{}; {KEPT}", error.problem);
                }
                failed = true;
                lake.health.report(Some(error.problem));
                tokio::time::sleep(PROBE_PAUSE).await;
                if lake.health.problem().is_none() {
                    // A batch has landed since, which is proof enough. Once more, since the last probe may have left its file.
                    drop(lake.probe(&nonce).await);
                    return;
                }
            }
            if failed {
                lake.health.report(None);
            }
        });
    }

    async fn write_read_delete(&self, nonce: &str) -> Result<(), ProbeError> {
        const CONTENT: &[u8] = b"landfall";
        let name = format!("{PROBES}/probe-{nonce}");
        let path = self.path(&name);
        let failed = |doing: &str, error: object_store::Error| ProbeError {
            problem: format!(
                "uri \"{}\": cannot {doing}: {}",
                self.uri,
                store::explain(&error)
            ),
            can_pass: self.directory.is_none() || is_full(&error),
        };
        self.put(&name, &CONTENT.into())
            .await
            .map_err(|e| failed("write", e))?;
        let mut again = None;
        if self.directory.is_none() {
            // Names are never used twice, so nothing here rests on it. Whoever adds other writers may want to know.
            let create = PutOptions::from(PutMode::Create);
            again = Some(self.store.put_opts(&path, CONTENT.into(), create).await);
        }
        let read = async { self.store.get(&path).await?.bytes().await }.await;
        let deleted = self.store.delete(&path).await;
        let read = read.map_err(|e| failed("read back what was written", e))?;
        deleted.map_err(|e| failed("delete what was written", e))?;
        if read != CONTENT {
            return Err(ProbeError {
                problem: format!(
                    "uri \"{}\": the store gave back other bytes than were written",
                    self.uri
                ),
                can_pass: false,
            });
        }
        if let Some(again) = again {
            log!(
                self.seldom.labels(),
                info,
                conditional_puts = again.is_err(),
                "the store was tried and works"
            );
        }
        Ok(())
    }

    /// Writes `content` under `name`, replacing what was there. The file appears whole or not at all, and it is durable
    /// when this returns.
    pub(crate) async fn put(&self, name: &str, content: &Encoded) -> object_store::Result<()> {
        match &self.directory {
            None => match &self.multipart {
                Some(store) if content.len() > SINGLE_PUT_BYTES => {
                    let upload = PartedUpload {
                        store: &**store,
                        state: self.state.as_deref(),
                        seldom: &self.seldom,
                        path: self.path(name),
                    };
                    upload.run(content).await
                }
                _ => {
                    let path = self.path(name);
                    let content = parted::read(content, 0..content.pieces()).await?;
                    self.store.put(&path, content).await.map(drop)
                }
            },
            Some(root) => {
                let (root, name, content) = (root.clone(), name.to_owned(), content.clone());
                let writing = Writing::begin(&root);
                let write = move || {
                    let written = write_durably(&root, &name, &content);
                    drop(writing);
                    written
                };
                tokio::task::spawn_blocking(write).await?.map_err(|error| {
                    object_store::Error::Generic {
                        store: "local directory",
                        source: Box::new(error),
                    }
                })
            }
        }
    }

    /// Waits until no local file is being written any more that a predecessor in this process has begun.
    pub(crate) async fn wait_for_predecessor(&self) {
        if let Some(root) = self.directory.clone() {
            let wait = move || Writing::wait_until_none(&root);
            let _ = tokio::task::spawn_blocking(wait).await;
        }
    }

    /// Aborts uploads that an earlier run did not come to end, so that their parts take no room.
    pub(crate) async fn abort_leftovers(&self) {
        if let (Some(store), Some(state)) = (&self.multipart, &self.state) {
            parted::abort_leftovers(&**store, &**state, &self.seldom).await;
        }
    }

    /// Whether a file of this name is there. None is empty, but for what a store keeps of a put that was cut off.
    pub(crate) async fn contains(&self, name: &str) -> object_store::Result<bool> {
        let path = self.path(name);
        // Not its head at once: a refusal of that has no body, which would say why.
        let first_byte = GetOptions::default().with_range(Some(0..1));
        match self.store.get_opts(&path, first_byte).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            // Some stores give no ranges, and of nothing there is none.
            Err(error) => match self.store.head(&path).await {
                Ok(object) => Ok(object.size > 0),
                Err(_) => Err(error),
            },
        }
    }

    /// The whole content of a file.
    pub(crate) async fn get(&self, name: &str) -> object_store::Result<Bytes> {
        self.store.get(&self.path(name)).await?.bytes().await
    }

    /// The names of all Parquet files below `folder`, sorted.
    pub(crate) async fn files_below(&self, folder: &str) -> object_store::Result<Vec<String>> {
        let objects = self.store.list(Some(&self.path(folder)));
        let below_root = |path: Path| {
            let parts = path.prefix_match(&self.prefix)?;
            let parts: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        let names = objects.try_filter_map(|object| async { Ok(below_root(object.location)) });
        let mut names: Vec<_> = names.try_collect().await?;
        names.retain(|name: &String| name.ends_with(".parquet"));
        names.sort();
        Ok(names)
    }

    /// Deletes files; one that is not there is no error. Tries all, and then gives the first error.
    pub(crate) async fn delete(&self, names: &[String]) -> object_store::Result<()> {
        let mut result = Ok(());
        for name in names {
            match self.store.delete(&self.path(name)).await {
                Err(object_store::Error::NotFound { .. }) | Ok(()) => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    fn path(&self, name: &str) -> Path {
        // Its folders are escaped already, which must not be escaped again.
        let name = name
            .split('/')
            .filter_map(|part| PathPart::parse(part).ok());
        Path::from_iter(self.prefix.parts().chain(name))
    }
}

/// `object_store` renames local files into place but does not fsync them, so that they could vanish with the power.
fn write_durably(root: &FsPath, name: &str, content: &Encoded) -> io::Result<()> {
    if !root.is_dir() {
        // Not to be made again here: where something was mounted, its place would be taken on the disk below.
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} is not there any more", root.display()),
        ));
    }
    let path = root.join(name);
    let directory = path.parent().unwrap_or(root);
    std::fs::create_dir_all(directory)?;
    let mut staging = path.clone().into_os_string();
    staging.push(".tmp");
    let write = || {
        let mut file = File::create(&staging)?;
        for piece in 0..content.pieces() {
            if piece > 0 {
                // Not all at once at the end: each fsync of that disk waits for what is under way, those of a journal beside it
                // too, for which senders wait.
                file.sync_data()?;
            }
            for block in &content.read(piece..piece + 1)? {
                file.write_all(block)?;
            }
        }
        file.sync_all()?;
        std::fs::rename(&staging, &path)
    };
    write().inspect_err(|_| {
        // On a full disk it would take the space that the next attempt needs.
        let _ = std::fs::remove_file(&staging);
    })?;
    // The name is only durable once its directory is, and so on for each directory that may be new.
    for directory in directory.ancestors() {
        File::open(directory)?.sync_all()?;
        if directory == root {
            break;
        }
    }
    Ok(())
}

/// Creates `directory` and what leads to it, so that they outlast a loss of power.
fn create_durably(directory: &FsPath) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        create_durably(parent)?;
        std::fs::create_dir(directory).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists if directory.is_dir() => Ok(()),
            _ => Err(error),
        })?;
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    std::iter::from_fn(|| {
        let this = cause?;
        cause = this.source();
        Some(this)
    })
    .filter_map(|cause| cause.downcast_ref::<io::Error>())
    .any(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    })
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lake").field(&self.uri).finish()
    }
}
