use std::{io, sync::Arc};

use tokio::sync::watch;

use crate::{
    Journal, Position, Record,
    journal::{Tip, blocking},
    walk::Walk,
};

/// Reads the log in order, from the committed position of its cursor on.
///
/// Damage is skipped, counted, logged and set aside; valid records around it are all returned.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    name: String,
    walk: Walk,
    tip: watch::Receiver<Tip>,
}

impl Reader {
    pub(crate) fn new(journal: Journal, name: &str, position: u64) -> Self {
        let shared = journal.shared();
        Self {
            walk: Walk::new(
                Arc::clone(&shared.disk),
                shared.identity,
                Arc::clone(&shared.segments),
                position,
            ),
            tip: shared.tip.subscribe(),
            name: name.to_owned(),
            journal,
        }
    }

    /// Waits for durable records and returns what is there: at least one, at most `max_records`, and no more than `max_bytes` of
    /// payload unless the first alone exceeds it. Returns none only when the journal is closed and all was read.
    ///
    /// If the future is dropped, nothing is skipped. Costs about one read of 256 KiB per as many bytes of records, of which the
    /// payloads are slices.
    ///
    /// # Errors
    /// Whatever the file system says; the same records are tried again by the next call.
    pub async fn next(&mut self, max_records: usize, max_bytes: usize) -> io::Result<Vec<Record>> {
        loop {
            let position = self.walk.position();
            let tip = self
                .tip
                .wait_for(|tip| tip.end > position || tip.closed)
                .await
                .map(|tip| *tip);
            let records = self.try_next(max_records, max_bytes).await?;
            let closed = tip.is_ok_and(|tip| tip.closed && tip.end <= self.walk.position());
            if closed || !records.is_empty() {
                return Ok(records);
            }
        }
    }

    /// As [`next`](Self::next), but returns none when there is none yet.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn try_next(
        &mut self,
        max_records: usize,
        max_bytes: usize,
    ) -> io::Result<Vec<Record>> {
        let shared = self.journal.shared();
        if self.walk.position() >= shared.end() {
            return Ok(Vec::new());
        }
        let mut walk = self.walk.clone();
        let read = move || {
            shared
                .read(&mut walk, max_records, max_bytes)
                .map(|records| (walk, records))
        };
        let (walk, records) = blocking(read).await??;
        self.walk = walk;
        Ok(records)
    }

    /// Waits until the journal is closed, so that there will be no more than there is.
    pub async fn closed(&mut self) {
        // An error means that the journal is gone.
        let _ = self.tip.wait_for(|tip| tip.closed).await;
    }

    /// Commits that everything before `position` was dealt with: see [`Journal::commit`].
    ///
    /// # Errors
    /// As [`Journal::commit`].
    pub async fn commit(&self, position: Position) -> io::Result<()> {
        self.journal.commit(&self.name, position).await
    }

    /// Continues at `position`, the beginning or end of a record, or at the oldest record if that is gone. The committed
    /// position stays.
    pub fn seek(&mut self, position: Position) {
        let shared = self.journal.shared();
        let oldest = shared.segments.oldest().unwrap_or(0);
        let position = position.get().max(oldest) & !3;
        self.walk = Walk::new(
            Arc::clone(&shared.disk),
            shared.identity,
            Arc::clone(&shared.segments),
            position,
        );
    }

    /// Where the next record is looked for.
    pub fn position(&self) -> Position {
        Position::new(self.walk.position())
    }
}
