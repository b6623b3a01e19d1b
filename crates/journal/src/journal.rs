use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use landfall_core::log_seldom;
use tokio::sync::{Notify, SetOnce, watch};

use crate::{
    AppendError, Damage, DamageKind, Disk, OpenError, Options, Position, Reader, State, Stats,
    cursor::Cursors,
    disk::{self, damaged_name, segment_name},
    group::{Pending, Ticket},
    identity::Identity,
    open,
    os::OsDisk,
    reserve::Reserve,
    segment::{Record, record_len},
    segments::Segments,
    state::States,
    stats::Counters,
    walk::{Step, Walk},
};

/// A handle to an open journal; cheap to clone.
///
/// The journal stays open, and its directory locked, until [`close`](Self::close) or the drop of the last handle, and of the
/// last [`Reader`] and [`State`], which are handles too. What was appended until then is still committed.
#[derive(Clone, Debug)]
pub struct Journal {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    ended: Arc<SetOnce<()>>,
}

impl Journal {
    /// Opens the journal in a directory, which is created if it is not there.
    ///
    /// Takes as long as listing the directory and reading the last segment; the rest of the backlog is not touched. The very
    /// first time also writes the [reserve](Options::reserve_bytes).
    ///
    /// # Errors
    /// [`OpenError::Locked`] if it is open elsewhere; [`OpenError::Version`] if a newer release wrote it;
    /// [`OpenError::Identity`] if no record could be checked; otherwise [`OpenError::Io`].
    pub async fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(OsDisk::new(dir)), options).await
    }

    /// Opens the journal on any [`Disk`], such as one that simulates failures.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        blocking(move || {
            let (shared, committer) = open::open(disk, options)?;
            let ended = Arc::new(SetOnce::new());
            committer.spawn(Arc::clone(&ended))?;
            let handle = Arc::new(Handle { shared, ended });
            Ok(Self { handle })
        })
        .await?
    }

    /// Appends one record, made of `parts` in sequence, and returns its position once it is durable: a crash or a power
    /// failure after that does not lose it.
    ///
    /// Takes about one fsync, shared with all appends that wait at the same time. If the future is dropped, the record may be
    /// written or not.
    ///
    /// # Errors
    /// [`AppendError::Full`] at once when [`max_bytes`](Options::max_bytes) is reached; [`AppendError::TooLarge`];
    /// [`AppendError::DiskFull`] and [`AppendError::Io`] when the file system refuses, after which the next append starts
    /// afresh; [`AppendError::Closed`]. After any error the record was not acknowledged, but a reader may still meet it.
    pub async fn append(&self, parts: &[&[u8]]) -> Result<Position, AppendError> {
        self.join(parts).await?.position().await
    }

    /// The first half of an [`append`](Self::append): puts the record into the group that is written next, and leaves it to the
    /// caller when to wait for that. Ready at once unless [`max_pending_bytes`](Options::max_pending_bytes) are pending; if the
    /// future is dropped before, the record is not written.
    ///
    /// # Errors
    /// As [`append`](Self::append), but for those of the file system, which the [`Ticket`] tells.
    pub async fn join(&self, parts: &[&[u8]]) -> Result<Ticket, AppendError> {
        self.handle.shared.join(parts, false).await
    }

    /// As [`append`](Self::append), but waits for room when the journal is full. Appends that wait are not served in any
    /// order.
    ///
    /// # Errors
    /// As [`append`](Self::append), without [`AppendError::Full`].
    pub async fn append_waiting(&self, parts: &[&[u8]]) -> Result<Position, AppendError> {
        let ticket = self.handle.shared.join(parts, true).await?;
        ticket.position().await
    }

    /// A reader that starts at the committed position of the cursor `name`. A new cursor is created durably and starts at the
    /// oldest record; from then on it keeps segments from being deleted.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is no plain file name, otherwise whatever the file system says.
    pub async fn reader(&self, name: &str) -> io::Result<Reader> {
        disk::check_name(name)?;
        let (shared, owned) = (self.shared(), name.to_owned());
        let start = blocking(move || {
            let start = shared.segments.oldest().unwrap_or_else(|| shared.end());
            let create = || shared.cursors.get_or_create(&*shared.disk, &owned, start);
            shared.reserve.with(create)
        });
        Ok(Reader::new(self.clone(), name, start.await??))
    }

    /// Moves the cursor `name` to `position` in one durable step, and deletes the segments that no cursor needs. A cursor
    /// never moves back. Costs one fsync, and takes no space.
    ///
    /// # Errors
    /// `NotFound` if there never was such a reader, `InvalidInput` for a position beyond the end of the log, otherwise whatever
    /// the file system says; the cursor may then have moved or not.
    pub async fn commit(&self, name: &str, position: Position) -> io::Result<()> {
        let (shared, name) = (self.shared(), name.to_owned());
        blocking(move || shared.commit(&name, position)).await?
    }

    /// Removes the cursor `name`, which would otherwise hold segments for ever if its reader does not come back.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub async fn remove_cursor(&self, name: &str) -> io::Result<()> {
        let (shared, name) = (self.shared(), name.to_owned());
        blocking(move || {
            shared.cursors.remove(&*shared.disk, &name)?;
            shared.delete_behind();
            Ok(())
        })
        .await?
    }

    /// Small durable files beside the log.
    pub fn state(&self) -> State {
        State(self.clone())
    }

    /// A number that no other journal has, to be used in names outside it.
    pub fn id(&self) -> [u8; 16] {
        self.handle.shared.identity.id
    }

    /// Raises [`Options::max_bytes`] while the journal is open; lower than it is it stays as it is. The limits that were
    /// derived from it stay too.
    pub fn raise_max_bytes(&self, max_bytes: u64) {
        let shared = &self.handle.shared;
        if shared.max_bytes.fetch_max(max_bytes, Relaxed) < max_bytes {
            shared.room.notify_waiters();
        }
    }

    /// The most that all segments may take together: [`Options::max_bytes`].
    pub fn max_bytes(&self) -> u64 {
        self.handle.shared.max_bytes.load(Relaxed)
    }

    /// Where the durable log ends, and the next record at the earliest begins.
    pub fn end(&self) -> Position {
        Position::new(self.handle.shared.end())
    }

    /// Counters and sizes. Waits for no I/O.
    pub fn stats(&self) -> Stats {
        self.handle.shared.stats()
    }

    /// Refuses further appends, waits until those under way are resolved, and ends the committer. Readers can go on.
    pub async fn close(self) {
        self.handle.shared.close();
        let ended = Arc::clone(&self.handle.ended);
        drop(self);
        ended.wait().await;
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.handle.shared)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What appenders, readers and the committer have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    /// What `options` say, unless it was raised.
    pub(crate) max_bytes: AtomicU64,
    pub(crate) identity: Identity,
    pub(crate) segments: Arc<Segments>,
    pub(crate) cursors: Cursors,
    pub(crate) states: States,
    pub(crate) reserve: Reserve,
    pub(crate) pending: Pending,
    pub(crate) counters: Counters,
    pub(crate) tip: watch::Sender<Tip>,
    /// Told when segments were deleted or a claim was given back.
    pub(crate) room: Notify,
    /// Where damage was found: it is counted, logged and set aside once, however often it is read.
    pub(crate) damaged: Mutex<BTreeSet<Position>>,
    pub(crate) _lock: Box<dyn std::any::Any + Send + Sync>,
}

/// How far the log goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    pub(crate) end: u64,
    /// Whether it will go no further.
    pub(crate) closed: bool,
}

impl Shared {
    pub(crate) async fn join(&self, parts: &[&[u8]], wait: bool) -> Result<Ticket, AppendError> {
        let len = parts.iter().map(|part| part.len()).sum();
        let max = self.options.max_record_bytes;
        if len > max {
            return Err(AppendError::TooLarge { len, max });
        }
        let crc = parts
            .iter()
            .fold(0, |crc, part| crc32c::crc32c_append(crc, part));
        let admission = self.pending.admit(len).await?;
        let bytes = record_len(len) as u64;
        loop {
            let freed = self.room.notified();
            if self.segments.claim(bytes, self.max_bytes.load(Relaxed)) {
                break;
            }
            if !wait {
                return Err(AppendError::Full);
            }
            if self.pending.is_closed() {
                return Err(AppendError::Closed);
            }
            freed.await;
        }
        admission.join(parts, len, crc).ok_or_else(|| {
            self.release(bytes);
            AppendError::Closed
        })
    }

    /// The next records for a reader, and whatever damage it meets noted.
    pub(crate) fn read(
        &self,
        walk: &mut Walk,
        max_records: usize,
        max_bytes: usize,
    ) -> io::Result<Vec<Record>> {
        let limit = self.end();
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < max_records.max(1) {
            match walk.step(limit) {
                Ok(Some(Step::Record(record))) => {
                    bytes += record.payload.len();
                    if bytes > max_bytes && !records.is_empty() {
                        walk.back_to(&record);
                        break;
                    }
                    records.push(record);
                }
                Ok(Some(Step::Damage(damage))) => self.note(walk, &damage),
                Ok(None) => break,
                Err(error) if records.is_empty() => return Err(error),
                // What was read is good; the error comes again with the next call.
                Err(_) => break,
            }
        }
        Ok(records)
    }

    /// Counts, logs and sets aside damage, the first time that it is met.
    pub(crate) fn note(&self, walk: &Walk, damage: &Damage) {
        let mut seen = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.insert(damage.position) {
            return;
        }
        self.counters.damaged(damage);
        let seldom = &self.options.seldom;
        if damage.kind == DamageKind::Tail {
            log_seldom!(
                seldom,
                "torn_tail",
                info,
                position = %damage.position,
                bytes = damage.len,
                "the last write to the journal was cut off; nothing of it had been answered"
            );
        } else {
            log_seldom!(
                seldom,
                "damage",
                warn,
                position = %damage.position,
                bytes = damage.len,
                kind = ?damage.kind,
                "the journal is damaged"
            );
        }
        let kept = walk
            .damaged_bytes(damage)
            .and_then(|bytes| self.set_aside(damage.position, &bytes));
        if let Err(error) = kept {
            log_seldom!(
                seldom,
                "set_aside",
                warn,
                position = %damage.position,
                %error,
                "the damaged bytes could not be set aside"
            );
        }
    }

    fn set_aside(&self, position: Position, bytes: &[u8]) -> io::Result<()> {
        let name = damaged_name(position);
        if bytes.is_empty() {
            return Ok(());
        }
        let file = match self.disk.create(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            file => file?,
        };
        let written = file.write_at(bytes, 0).and_then(|()| file.sync_data());
        if written.is_err() {
            let _ = self.disk.remove(&name);
        }
        written
    }

    pub(crate) fn commit(&self, name: &str, position: Position) -> io::Result<()> {
        if position.get() > self.end() {
            let message = format!("{position} is beyond the end of the log");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // In place, so that only a file system which writes elsewhere all the same needs the reserve.
        self.reserve
            .with(|| self.cursors.commit(name, position.get()))?;
        self.delete_behind();
        Ok(())
    }

    /// Deletes the segments that every cursor has passed. One that cannot be deleted is tried again next time.
    pub(crate) fn delete_behind(&self) {
        let slowest = self.cursors.positions().values().copied().min();
        for base in self.segments.behind(slowest.map_or(0, Position::get)) {
            match self.disk.remove(&segment_name(base)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let seldom = &self.options.seldom;
                    log_seldom!(
                        seldom,
                        "delete",
                        warn,
                        base,
                        %error,
                        "a segment could not be deleted"
                    );
                }
                _ => self.segments.remove(base),
            }
        }
        if let Some(oldest) = self.segments.oldest() {
            let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
            *damaged = damaged.split_off(&Position::new(oldest));
        }
        self.room.notify_waiters();
    }

    /// Gives back room that was claimed for records.
    pub(crate) fn release(&self, bytes: u64) {
        self.segments.release(bytes);
        self.room.notify_waiters();
    }

    /// Publishes that a segment is durable up to `len`.
    pub(crate) fn grown(&self, base: u64, len: u64, claimed: u64) {
        // Readers that see the new end must find the segment.
        self.segments.grow(base, len, claimed);
        self.tip.send_modify(|tip| tip.end = base + len);
    }

    pub(crate) fn end(&self) -> u64 {
        self.tip.borrow().end
    }

    fn close(&self) {
        self.pending.close();
        self.room.notify_waiters();
    }

    /// Called when the committer is gone: fails whoever waits for it.
    pub(crate) fn ended(&self) {
        self.close();
        self.pending.abandon();
        self.tip.send_modify(|tip| tip.closed = true);
    }

    fn stats(&self) -> Stats {
        let (segments, bytes) = self.segments.totals();
        let counters = &self.counters;
        let cursors = self.cursors.positions().clone();
        let slowest = cursors.values().copied().min().unwrap_or_default();
        Stats {
            bytes,
            uncommitted_bytes: self.segments.bytes_from(slowest.get()),
            segments,
            end: Position::new(self.end()),
            cursors,
            appended_records: counters.appended_records.load(Relaxed),
            appended_bytes: counters.appended_bytes.load(Relaxed),
            damages: counters.damages.load(Relaxed),
            torn_tails: counters.torn_tails.load(Relaxed),
            damaged_bytes: counters.damaged_bytes.load(Relaxed),
            fsyncs: counters.fsyncs.load(Relaxed),
            fsync_total: Duration::from_nanos(counters.fsync_total_nanos.load(Relaxed)),
            fsync_last: Duration::from_nanos(counters.fsync_last_nanos.load(Relaxed)),
        }
    }
}

/// Runs file operations where they do not hold up the async runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
}
