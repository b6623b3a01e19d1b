//! Large files are uploaded in parts.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use landfall_core::{Seldom, StateStore, log_seldom};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, PutPayload, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::encoded::{Encoded, PIECE_BYTES};
use crate::store::explain;

/// Files up to this size are uploaded by a single put.
pub(crate) const SINGLE_PUT_BYTES: usize = 16 * 1024 * 1024;

/// Parts are of equal length, but for the last: some stores take no other.
const PIECES_PER_PART: usize = 8 * 1024 * 1024 / PIECE_BYTES;
const PARTS_AT_A_TIME: usize = 4;

/// What the names of the notes on uploads begin with.
const NOTE: &str = "upload-";

/// One upload in parts: the file appears with its completion, whole.
///
/// Parts of an upload that is never completed take room in the store, unseen. So it is aborted when it fails, and noted while
/// it is under way, for the next run to abort it.
pub(crate) struct PartedUpload<'a> {
    pub(crate) store: &'a dyn MultipartStore,
    pub(crate) state: Option<&'a dyn StateStore>,
    pub(crate) path: Path,
    pub(crate) seldom: &'a Seldom,
}

/// What is noted of an upload.
#[derive(Serialize, Deserialize)]
struct Note {
    path: String,
    id: MultipartId,
}

impl PartedUpload<'_> {
    pub(crate) async fn run(&self, content: &Encoded) -> Result<()> {
        let id = self.store.create_multipart(&self.path).await?;
        let note = Note {
            path: self.path.to_string(),
            id,
        };
        if let Some(state) = self.state
            && let Err(error) = write(state, &note).await
        {
            log_seldom!(
                self.seldom,
                "note_upload",
                warn,
                %error,
                "cannot note an upload; if it is cut off its parts stay in the store"
            );
        }
        let uploaded = self.upload(content, &note.id).await;
        let ended = match &uploaded {
            Ok(()) => true,
            Err(_) => self
                .store
                .abort_multipart(&self.path, &note.id)
                .await
                .is_ok(),
        };
        if let Some(state) = self.state
            && ended
        {
            forget(state, &note.name(), self.seldom).await;
        }
        uploaded
    }

    async fn upload(&self, content: &Encoded, id: &MultipartId) -> Result<()> {
        let parts = content.pieces().div_ceil(PIECES_PER_PART);
        let put = async |number: usize| {
            let first = number * PIECES_PER_PART;
            let part = read(content, first..first + PIECES_PER_PART).await?;
            self.store.put_part(&self.path, id, number, part).await
        };
        let parts: Vec<PartId> = stream::iter((0..parts).map(put))
            .buffered(PARTS_AT_A_TIME)
            .try_collect()
            .await?;
        self.store.complete_multipart(&self.path, id, parts).await?;
        Ok(())
    }
}

/// Those of `pieces` that `content` has, read where it may block.
pub(crate) async fn read(content: &Encoded, pieces: Range<usize>) -> Result<PutPayload> {
    let content = content.clone();
    let read = spawn_blocking(move || content.read(pieces)).await?;
    read.map_err(|error| object_store::Error::Generic {
        store: "scratch file",
        source: Box::new(error),
    })
}

impl Note {
    fn name(&self) -> String {
        let digest = Sha256::digest(format!("{}\n{}", self.path, self.id));
        format!("{NOTE}{}", hex::encode(&digest[..8]))
    }
}

/// Aborts the uploads that are still noted. One that cannot be now is tried again at the next start.
pub(crate) async fn abort_leftovers(
    store: &dyn MultipartStore,
    state: &dyn StateStore,
    seldom: &Seldom,
) {
    let names = state.list().await.unwrap_or_default();
    for name in names.iter().filter(|name| name.starts_with(NOTE)) {
        let Ok(Some(bytes)) = state.get(name).await else {
            continue;
        };
        let Ok(Note { path, id }) = serde_json::from_slice(&bytes) else {
            forget(state, name, seldom).await;
            continue;
        };
        let Ok(path) = Path::parse(&path) else {
            continue;
        };
        match store.abort_multipart(&path, &id).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => forget(state, name, seldom).await,
            Err(error) => {
                log_seldom!(
                    seldom,
                    "abort_upload",
                    warn,
                    error = explain(&error),
                    "cannot abort an upload of an earlier run"
                );
            }
        }
    }
}

async fn write(state: &dyn StateStore, note: &Note) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(note)?;
    state.put(&note.name(), Bytes::from(bytes)).await
}

async fn forget(state: &dyn StateStore, name: &str, seldom: &Seldom) {
    if let Err(error) = state.remove(name).await {
        log_seldom!(
            seldom,
            "forget_upload",
            warn,
            %error,
            "cannot remove the note on an upload that has ended"
        );
    }
}
