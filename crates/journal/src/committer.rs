use std::{io, mem, sync::Arc, thread, time::Instant};

use landfall_core::{kill_point, log};
use tokio::sync::SetOnce;

use crate::{
    AppendError,
    disk::{DiskFile, segment_name},
    gathering::Gathering,
    group::Group,
    journal::Shared,
    segment::{HEADER, Header, Seal},
};

/// Writes groups of records, one after the other, and tells their appenders.
///
/// Whatever goes wrong ends the segment: it is never written to again, the next one begins beyond all that may have reached
/// the old one, and its header says how much of the old one counts. So an fsync that failed is never asked again whether
/// it meant it.
#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    active: Option<Active>,
    /// Where a new segment begins: beyond all that was ever attempted.
    next_base: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Active {
    base: u64,
    len: u64,
    file: Arc<dyn DiskFile>,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, next_base: u64) -> Self {
        Self {
            shared,
            active: None,
            next_base,
            buffer: Vec::new(),
        }
    }

    /// Runs in a thread of its own until the journal is closed, then sets `ended`.
    pub(crate) fn spawn(mut self, ended: Arc<SetOnce<()>>) -> io::Result<()> {
        let end = End {
            shared: Some(Arc::clone(&self.shared)),
            ended,
        };
        let run = move || {
            let mut gathering = Gathering::new();
            while let Some(group) = self
                .shared
                .pending
                .wait(mem::take(&mut self.buffer), &mut gathering)
            {
                self.commit(group);
            }
            drop(self);
            drop(end);
        };
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(run)?;
        Ok(())
    }

    /// Makes a group durable and resolves its appends.
    pub(crate) fn commit(&mut self, mut group: Group) {
        let outcome = self.write(&mut group);
        match &outcome {
            Ok(_) => self.shared.counters.appended(group.records, group.len()),
            Err(error) => {
                // At this level only: each caller is told, and on a full disk this comes with every group.
                let labels = self.shared.options.seldom.labels();
                log!(
                    labels,
                    debug,
                    %error,
                    records = group.records,
                    "records could not be journaled"
                );
                self.shared.release(group.len());
                if matches!(error, AppendError::DiskFull) {
                    self.give_way();
                }
            }
        }
        self.buffer = group.resolve(outcome);
        // One burst should not hold its memory for good.
        self.buffer.shrink_to(1 << 20);
    }

    fn write(&mut self, group: &mut Group) -> Result<u64, AppendError> {
        let shared = Arc::clone(&self.shared);
        if !shared.reserve.ready() {
            return Err(AppendError::DiskFull);
        }
        let room = shared.options.segment_bytes.saturating_sub(group.len());
        let active = self.active.take().filter(|active| active.len <= room);
        let created = active.is_none();
        let Active { base, len, file } = match active {
            Some(active) => active,
            None => self.create()?,
        };

        let first = len.max(HEADER as u64);
        let end = first + group.len();
        self.next_base = base + end;
        Seal::new(&shared.identity, base).apply(&mut group.bytes[HEADER..], first);
        let bytes = match created {
            true => self.with_header(base, group),
            false => &group.bytes[HEADER..],
        };
        kill_point("journal.write");
        let written = file.write_at(bytes, len).and_then(|()| {
            kill_point("journal.sync");
            let began = Instant::now();
            file.sync_data()?;
            if created {
                shared.disk.sync_dir("")?;
            }
            let took = began.elapsed();
            shared.counters.synced(took);
            shared.options.on_sync.tell(took);
            kill_point("journal.synced");
            Ok(())
        });
        if let Err(error) = written {
            // To free the space, and for the reader's sake who opens this next. Nothing depends on it.
            let _ = match created {
                true => shared.disk.remove(&segment_name(base)),
                false => file.truncate(len),
            };
            return Err(error.into());
        }
        self.active = Some(Active {
            base,
            len: end,
            file,
        });
        shared.grown(base, end, group.len());
        Ok(base + first)
    }

    /// Replaces the newest segment by an empty one, if readers have dealt with everything in it.
    ///
    /// It is never deleted, since it keeps the place where the log goes on. On a full disk it may be what takes all the space
    /// but the reserve's, or that of the reserve, and nothing else would ever give it back.
    fn give_way(&mut self) {
        let shared = Arc::clone(&self.shared);
        let end = shared.end();
        let holds_records = |(_, len)| len > HEADER as u64;
        let all_read = shared
            .cursors
            .positions()
            .values()
            .all(|position| position.get() >= end);
        if !all_read || !shared.segments.newest().is_some_and(holds_records) {
            return;
        }
        self.active = None;
        let Ok(empty) = shared.reserve.with(|| self.create_empty()) else {
            return;
        };
        let (base, len) = (empty.base, empty.len);
        self.next_base = base + len;
        self.active = Some(empty);
        shared.grown(base, len, 0);
        shared.delete_behind();
    }

    /// A segment without records, durably.
    fn create_empty(&mut self) -> io::Result<Active> {
        let Active { base, file, .. } = self.create()?;
        let mut bytes = [0; HEADER];
        self.header(base).encode(&mut bytes);
        let written = file.write_at(&bytes, 0);
        let durable = written.and_then(|()| file.sync_data());
        let durable = durable.and_then(|()| self.shared.disk.sync_dir(""));
        if durable.is_err() {
            let _ = self.shared.disk.remove(&segment_name(base));
        }
        let len = HEADER as u64;
        durable.map(|()| Active { base, len, file })
    }

    fn create(&mut self) -> io::Result<Active> {
        let base = self.next_base;
        // If this fails the name may be taken all the same: the next attempt uses another.
        self.next_base += HEADER as u64;
        let file = self.shared.disk.create(&segment_name(base))?;
        Ok(Active { base, len: 0, file })
    }

    fn with_header<'a>(&self, base: u64, group: &'a mut Group) -> &'a [u8] {
        self.header(base).encode(group.header());
        &group.bytes
    }

    fn header(&self, base: u64) -> Header {
        Header {
            base,
            previous_end: self.shared.end(),
            identity: self.shared.identity,
        }
    }
}

/// Closes the journal when the committer ends, for whatever reason.
struct End {
    shared: Option<Arc<Shared>>,
    ended: Arc<SetOnce<()>>,
}

impl Drop for End {
    fn drop(&mut self) {
        // The lock goes with the last owner of `shared`, so before anybody is told.
        if let Some(shared) = self.shared.take() {
            shared.ended();
        }
        let _ = self.ended.set(());
    }
}
