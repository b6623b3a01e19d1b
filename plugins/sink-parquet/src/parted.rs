//! Large files are uploaded in parts.

use std::mem;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use landfall_core::{Seldom, StateStore, log_seldom};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, PutPayload, PutPayloadMut, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::explain;

/// Files up to this size are uploaded by a single put.
pub(crate) const SINGLE_PUT_BYTES: usize = 16 * 1024 * 1024;

const PART_BYTES: usize = 8 * 1024 * 1024;
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
    pub(crate) async fn run(&self, content: &PutPayload) -> Result<()> {
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

    async fn upload(&self, content: &PutPayload, id: &MultipartId) -> Result<()> {
        let parts = parts(content).into_iter().enumerate();
        let parts = parts.map(|(number, part)| self.store.put_part(&self.path, id, number, part));
        let parts: Vec<PartId> = stream::iter(parts)
            .buffered(PARTS_AT_A_TIME)
            .try_collect()
            .await?;
        self.store.complete_multipart(&self.path, id, parts).await?;
        Ok(())
    }
}

/// `content` in parts of [`PART_BYTES`], the last with what is left: some stores take no other.
fn parts(content: &PutPayload) -> Vec<PutPayload> {
    let mut parts = Vec::new();
    let mut part = PutPayloadMut::new();
    for block in content {
        let mut rest = block.clone();
        while !rest.is_empty() {
            let room = PART_BYTES - part.content_length();
            part.push(rest.split_to(room.min(rest.len())));
            if part.content_length() == PART_BYTES {
                parts.push(mem::take(&mut part).freeze());
            }
        }
    }
    if !part.is_empty() {
        parts.push(part.freeze());
    }
    parts
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_but_for_the_last_and_hold_the_content_in_its_order() {
        for length in [
            1,
            PART_BYTES - 1,
            PART_BYTES,
            PART_BYTES + 1,
            3 * PART_BYTES,
        ] {
            let bytes: Bytes = (0..length).map(|at| (at / 1000) as u8).collect();
            for block in [1_000_003, PART_BYTES / 2, 2 * PART_BYTES] {
                let blocks = (0..length).step_by(block);
                let blocks = blocks.map(|at| bytes.slice(at..length.min(at + block)));
                let parts = parts(&blocks.collect());
                let (last, others) = parts.split_last().unwrap();
                assert!((1..=PART_BYTES).contains(&last.content_length()));
                assert!(
                    others
                        .iter()
                        .all(|part| part.content_length() == PART_BYTES)
                );
                let joined: PutPayload = parts.into_iter().flatten().collect();
                assert_eq!(Bytes::from(joined), bytes);
            }
        }
    }
}
