use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

// The tests try every order in which threads can come to the locks.
#[cfg(test)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(test))]
use std::sync::{Mutex, MutexGuard};

use super::{Ack, Outcome};

/// One part of a split acknowledgement. Whoever has it answers once.
pub(super) struct Part {
    whole: Arc<Whole>,
    index: usize,
}

/// What the parts have in common.
struct Whole {
    state: Mutex<State>,
    /// Of the part of each index, if it waits to be abandoned. Behind a lock of its own: the whole may wake when it is asked.
    waiting: Mutex<Vec<Option<Waker>>>,
}

struct State {
    /// `None` once the whole is answered.
    ack: Option<Ack>,
    unanswered: usize,
}

/// The `parts` parts of `ack`.
pub(super) fn split(ack: Ack, parts: usize) -> Vec<Part> {
    let whole = Arc::new(Whole {
        state: Mutex::new(State {
            ack: Some(ack),
            unanswered: parts,
        }),
        waiting: Mutex::new(vec![None; parts]),
    });
    let part = |index| Part {
        whole: Arc::clone(&whole),
        index,
    };
    (0..parts).map(part).collect()
}

impl Part {
    pub(super) fn answer(self, outcome: Outcome) {
        let mut state = lock(&self.whole.state);
        state.unanswered -= 1;
        let is_last = state.unanswered == 0;
        let ack = state
            .ack
            .take_if(|_| is_last || outcome != Outcome::Durable);
        drop(state);
        if let Some(ack) = ack {
            ack.answer(outcome);
            self.whole.wake_by_ref();
        }
    }

    /// Ready once the whole has its answer, or nobody waits for it any more.
    pub(super) fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Before looking: what happens after it wakes this part.
        lock(&self.whole.waiting)[self.index] = Some(cx.waker().clone());
        match &mut lock(&self.whole.state).ack {
            // It can tell one waker only, and the other parts want to know too.
            Some(ack) => ack.poll_abandoned(&mut Context::from_waker(&Waker::from(Arc::clone(
                &self.whole,
            )))),
            None => Poll::Ready(()),
        }
    }
}

/// Wakes all parts that wait.
impl Wake for Whole {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting: Vec<_> = lock(&self.waiting).iter_mut().map(Option::take).collect();
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
