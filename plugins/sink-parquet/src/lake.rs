use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use landfall_core::BuildError;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::time::timeout;
use url::Url;

/// The store's own retries go on for minutes; whoever waits for the probe wants to know sooner.
const PROBE_TIME: Duration = Duration::from_secs(10);

/// The place where files land: a store and a prefix in it.
#[derive(Clone, Debug)]
pub(crate) struct Lake {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    uri: String,
    /// The directory itself when the lake is local.
    directory: Option<PathBuf>,
}

impl Lake {
    pub(crate) fn open(uri: &str, storage: &BTreeMap<String, String>) -> Result<Self, BuildError> {
        let error = |reason: String| BuildError(format!("uri \"{uri}\": {reason}"));
        let url = match Url::parse(uri) {
            // A single letter is no scheme but a drive, and no colon at all is a plain path.
            Ok(url) if url.scheme().len() > 1 => url,
            _ => {
                let path = std::path::absolute(uri).map_err(|e| error(e.to_string()))?;
                Url::from_directory_path(&path)
                    .map_err(|()| error("this path cannot be written as a URL".to_owned()))?
            }
        };
        let directory = if url.scheme() == "file" {
            let path = url.to_file_path();
            let path = path.map_err(|()| error("file: needs an absolute path".to_owned()))?;
            std::fs::create_dir_all(&path)
                .map_err(|e| error(format!("cannot create {}: {e}", path.display())))?;
            Some(path)
        } else {
            None
        };
        let (store, prefix) =
            object_store::parse_url_opts(&url, storage).map_err(|e| error(sentence(&e)))?;
        Ok(Self {
            store: Arc::from(store),
            prefix,
            uri: uri.to_owned(),
            directory,
        })
    }

    pub(crate) fn is_local(&self) -> bool {
        self.directory.is_some()
    }

    /// Writes, reads and deletes a small object.
    pub(crate) async fn probe(&self, nonce: &str) -> Result<(), BuildError> {
        timeout(PROBE_TIME, self.write_read_delete(nonce))
            .await
            .unwrap_or_else(|_| {
                Err(BuildError(format!(
                    "uri \"{}\": the store does not answer within {PROBE_TIME:?}",
                    self.uri
                )))
            })
    }

    async fn write_read_delete(&self, nonce: &str) -> Result<(), BuildError> {
        const CONTENT: &[u8] = b"landfall";
        let name = format!("_landfall/probe-{nonce}");
        let path = self.path(&name);
        let failed = |doing: &str, error: &object_store::Error| {
            BuildError(format!(
                "uri \"{}\": cannot {doing}: {}",
                self.uri,
                sentence(error)
            ))
        };
        self.put(&name, Bytes::from_static(CONTENT))
            .await
            .map_err(|e| failed("write", &e))?;
        let read = async { self.store.get(&path).await?.bytes().await }.await;
        let deleted = self.store.delete(&path).await;
        let read = read.map_err(|e| failed("read back what was written", &e))?;
        deleted.map_err(|e| failed("delete what was written", &e))?;
        if read != CONTENT {
            return Err(BuildError(format!(
                "uri \"{}\": the store gave back other bytes than were written",
                self.uri
            )));
        }
        Ok(())
    }

    /// Writes `content` under `name`, replacing what was there. The file appears whole or not at all, and it is durable
    /// when this returns.
    pub(crate) async fn put(&self, name: &str, content: Bytes) -> object_store::Result<()> {
        match &self.directory {
            None => self
                .store
                .put(&self.path(name), content.into())
                .await
                .map(drop),
            Some(root) => {
                let root = root.clone();
                let name = name.to_owned();
                let write = move || write_durably(&root, &name, &content);
                tokio::task::spawn_blocking(write).await?.map_err(|error| {
                    object_store::Error::Generic {
                        store: "local directory",
                        source: Box::new(error),
                    }
                })
            }
        }
    }

    /// Whether a file of this name is there.
    pub(crate) async fn contains(&self, name: &str) -> object_store::Result<bool> {
        match self.store.head(&self.path(name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
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
        Path::from_iter(self.prefix.parts().chain(Path::from(name).parts()))
    }
}

/// `object_store` renames local files into place but does not fsync them, so that they could vanish with the power.
fn write_durably(root: &FsPath, name: &str, content: &[u8]) -> std::io::Result<()> {
    let path = root.join(name);
    let directory = path.parent().unwrap_or(root);
    std::fs::create_dir_all(directory)?;
    let mut staging = path.clone().into_os_string();
    staging.push(".tmp");
    let mut file = File::create(&staging)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&staging, &path)?;
    // The name is only durable once its directory is, and so on for each directory that may be new.
    for directory in directory.ancestors() {
        File::open(directory)?.sync_all()?;
        if directory == root {
            break;
        }
    }
    Ok(())
}

/// The innermost cause says what happened; the layers around it only repeat where.
pub(crate) fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    if text.is_empty() {
        error.to_string()
    } else {
        text
    }
}
