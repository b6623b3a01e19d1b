use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_listen::Slot;
use tokio::time::Instant;

/// What a connection does at the moment, which decides how long it may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing has come over it yet.
    Silent,
    /// A part of a request's head has come.
    Head,
    /// Requests are being answered; how long they may take is theirs to decide.
    Requests,
    /// All requests are answered, and no other has begun.
    Idle,
}

/// Keeps the time of one connection, and its slot among all connections.
pub(crate) struct Pace {
    slot: Slot,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    since: Instant,
    requests: usize,
}

impl Pace {
    pub(crate) fn new(slot: Slot) -> Self {
        Self {
            slot,
            state: Mutex::new(State {
                phase: Phase::Silent,
                since: Instant::now(),
                requests: 0,
            }),
        }
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Bytes have come.
    pub(crate) fn heard(&self) {
        let mut state = self.state();
        match state.phase {
            // The time for the first head runs from the beginning of the connection.
            Phase::Silent => state.phase = Phase::Head,
            Phase::Idle => state.enter(Phase::Head),
            Phase::Head | Phase::Requests => {}
        }
    }

    /// The client speaks HTTP/2, so that what it sends need not belong to a request.
    pub(crate) fn opened(&self) {
        self.state().enter(Phase::Idle);
    }

    /// A request has begun, until what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InRequest {
        let mut state = self.state();
        state.requests += 1;
        state.enter(Phase::Requests);
        drop(state);
        InRequest(Arc::clone(self))
    }

    /// What the connection does, and since when.
    pub(crate) fn phase(&self) -> (Phase, Instant) {
        let state = self.state();
        (state.phase, state.since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.since = Instant::now();
        }
    }
}

/// A request of a connection, from its head to its answer.
pub(crate) struct InRequest(Arc<Pace>);

impl Drop for InRequest {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        if state.requests == 0 {
            state.enter(Phase::Idle);
        }
    }
}
