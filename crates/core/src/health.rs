use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Timestamp;

/// How a component is at present, as it says itself. Clones share it, and are equal to each other alone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<HealthState>>);

impl PartialEq for Health {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Debug, Default)]
struct HealthState {
    problem: Option<(String, Instant)>,
    oldest: Option<Timestamp>,
}

impl Health {
    /// Says what is wrong now; `None` when nothing is.
    pub fn report(&self, problem: Option<String>) {
        self.state().problem = problem.map(|problem| (problem, Instant::now()));
    }

    /// What is wrong now.
    pub fn problem(&self) -> Option<String> {
        let state = self.state();
        state.problem.as_ref().map(|(problem, _)| problem.clone())
    }

    /// How long ago it was said what is wrong now.
    pub fn problem_age(&self) -> Option<Duration> {
        let state = self.state();
        state.problem.as_ref().map(|(_, since)| since.elapsed())
    }

    /// Says when the oldest event was accepted that the component still has to land; `None` when there is none.
    pub fn report_oldest(&self, received_at: Option<Timestamp>) {
        self.state().oldest = received_at;
    }

    /// When the oldest event was accepted that the component still has to land.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.state().oldest
    }

    fn state(&self) -> MutexGuard<'_, HealthState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
