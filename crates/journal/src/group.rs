use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, SetOnce, TryAcquireError};

use crate::{
    AppendError, Position,
    gathering::Gathering,
    segment::{HEADER, push_record, record_len},
};

/// What became of a group: the position of its first record, or why it failed.
type Outcome = SetOnce<Result<u64, AppendError>>;

/// Records that share one write and one fsync.
#[derive(Debug)]
pub(crate) struct Group {
    /// Room for a segment header, so that one write can begin a segment, then the records.
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: u64,
    permits: usize,
    outcome: Arc<Outcome>,
}

impl Group {
    fn new(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(HEADER, 0);
        Self {
            bytes: buffer,
            records: 0,
            permits: 0,
            outcome: Arc::default(),
        }
    }

    /// Bytes of the records alone.
    pub(crate) fn len(&self) -> u64 {
        (self.bytes.len() - HEADER) as u64
    }

    /// Where a segment's header goes if this group begins one.
    #[expect(clippy::expect_used, reason = "stated invariant")]
    pub(crate) fn header(&mut self) -> &mut [u8; HEADER] {
        self.bytes
            .first_chunk_mut()
            .expect("every group begins with room for a header")
    }

    /// Tells every waiting append, and returns the buffer for reuse.
    pub(crate) fn resolve(mut self, outcome: Result<u64, AppendError>) -> Vec<u8> {
        // Set once only: this is the one place before the drop.
        let _ = self.outcome.set(outcome);
        mem::take(&mut self.bytes)
    }
}

impl Drop for Group {
    /// Should the committer ever die, nobody is left waiting.
    fn drop(&mut self) {
        let _ = self.outcome.set(Err(AppendError::Closed));
    }
}

/// A record's place in the group that it is written with: see [`Journal::join`](crate::Journal::join).
#[derive(Debug)]
pub struct Ticket {
    offset: u64,
    outcome: Arc<Outcome>,
}

impl Ticket {
    /// Waits until the record is durable, and says where it is. Tickets are ready in the order in which they were given.
    ///
    /// # Errors
    /// As [`append`](crate::Journal::append).
    pub async fn position(&self) -> Result<Position, AppendError> {
        self.at(self.outcome.wait().await)
    }

    /// As [`position`](Self::position), but `None` while that would wait.
    pub fn now(&self) -> Option<Result<Position, AppendError>> {
        Some(self.at(self.outcome.get()?))
    }

    fn at(&self, first: &Result<u64, AppendError>) -> Result<Position, AppendError> {
        Ok(Position::new(first.clone()? + self.offset))
    }
}

/// The group that appends join while the one before it is being written.
#[derive(Debug)]
pub(crate) struct Pending {
    state: Mutex<State>,
    wake: Condvar,
    /// Bytes that may still join. Fair, so that a large record is not overtaken for ever by small ones.
    space: Semaphore,
    max_bytes: usize,
}

#[derive(Debug)]
struct State {
    group: Group,
    /// Records at which the committer is woken, beside the first.
    wanted: u64,
    closed: bool,
}

impl Pending {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State {
                group: Group::new(Vec::new()),
                wanted: 1,
                closed: false,
            }),
            wake: Condvar::new(),
            space: Semaphore::new(max_bytes),
            max_bytes,
        }
    }

    /// Waits until a payload of `len` bytes may join.
    pub(crate) async fn admit(&self, len: usize) -> Result<Admission<'_>, AppendError> {
        let permits = record_len(len).min(self.max_bytes);
        // Tried first, since to acquire may be put off although there is space, when a task has done much in one go.
        let permit = match self.space.try_acquire_many(permits as u32) {
            Err(TryAcquireError::NoPermits) => self.space.acquire_many(permits as u32).await.ok(),
            permit => permit.ok(),
        };
        let permit = permit.ok_or(AppendError::Closed)?;
        Ok(Admission {
            pending: self,
            permit,
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Refuses further appends; the committer ends when it has written what is pending.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.space.close();
        self.wake.notify_one();
    }

    /// Drops, and so fails, the records that nobody will write.
    pub(crate) fn abandon(&self) {
        self.lock().group = Group::new(Vec::new());
    }

    /// Waits for records, and for more of them if that pays, and takes them; `None` when closed and empty.
    pub(crate) fn wait(&self, buffer: Vec<u8>, gathering: &mut Gathering) -> Option<Group> {
        let waiting = |state: &mut State| state.group.records == 0 && !state.closed;
        let state = self.wake.wait_while(self.lock(), waiting);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let before = state.group.records;
        if !state.closed
            && let Some(wanted) = gathering.wanted(before)
        {
            state.wanted = wanted;
            let few = |state: &mut State| state.group.records < state.wanted && !state.closed;
            let gathered = self.wake.wait_timeout_while(state, Gathering::PAUSE, few);
            (state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            gathering.paused(before, state.group.records);
        }
        gathering.taken(state.group.records);
        self.swap(state, buffer)
    }

    /// Takes the records that are there.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Option<Group> {
        self.swap(self.lock(), Vec::new())
    }

    fn swap(&self, mut state: MutexGuard<'_, State>, buffer: Vec<u8>) -> Option<Group> {
        if state.group.records == 0 {
            return None;
        }
        let group = mem::replace(&mut state.group, Group::new(buffer));
        drop(state);
        self.space.add_permits(group.permits);
        Some(group)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to join the pending group.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    pending: &'a Pending,
    permit: tokio::sync::SemaphorePermit<'a>,
}

impl Admission<'_> {
    /// Adds a record, unless the journal was closed meanwhile.
    pub(crate) fn join(self, parts: &[&[u8]], len: usize, payload_crc: u32) -> Option<Ticket> {
        let mut state = self.pending.lock();
        if state.closed {
            return None;
        }
        let State { group, wanted, .. } = &mut *state;
        let ticket = Ticket {
            offset: group.len(),
            outcome: Arc::clone(&group.outcome),
        };
        push_record(&mut group.bytes, parts, len, payload_crc);
        group.records += 1;
        group.permits += self.permit.num_permits();
        let wakes = group.records == 1 || group.records == *wanted;
        drop(state);
        self.permit.forget();
        if wakes {
            self.pending.wake.notify_one();
        }
        Some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    async fn join(pending: &Pending) -> Option<Ticket> {
        pending.admit(1).await.ok()?.join(&[b"x"], 1, 0)
    }

    #[tokio::test]
    async fn records_whose_group_is_dropped_fail_instead_of_waiting() {
        let pending = Pending::new(1000);
        let ticket = join(&pending).await.unwrap();
        drop(pending.take());
        assert!(matches!(ticket.position().await, Err(AppendError::Closed)));
        let ticket = join(&pending).await.unwrap();
        pending.abandon();
        assert!(matches!(ticket.position().await, Err(AppendError::Closed)));
    }

    #[tokio::test]
    async fn what_waits_when_the_journal_is_closed_is_still_handed_out_and_nothing_joins_it() {
        let pending = Pending::new(1000);
        let admission = pending.admit(1).await.unwrap();
        let ticket = join(&pending).await.unwrap();
        pending.close();
        assert!(admission.join(&[b"x"], 1, 0).is_none());
        assert!(pending.admit(1).await.is_err());
        let group = pending.wait(Vec::new(), &mut Gathering::new()).unwrap();
        group.resolve(Ok(64));
        assert_eq!(ticket.position().await.unwrap().get(), 64);
        assert!(pending.wait(Vec::new(), &mut Gathering::new()).is_none());
    }

    #[tokio::test]
    async fn pending_bytes_are_bounded_until_the_group_is_taken() {
        let pending = Pending::new(40);
        join(&pending).await.unwrap();
        join(&pending).await.unwrap();
        let mut third = Box::pin(pending.admit(1));
        assert!(poll(third.as_mut()).is_pending());
        pending.take();
        assert!(poll(third.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn a_record_joins_at_once_while_there_is_space_however_many_did_just_before() {
        let pending = Pending::new(100_000);
        for _ in 0..1000 {
            assert!(poll(pin!(pending.admit(1))).is_ready());
        }
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
