//! How components end.

use std::error::Error;

use landfall_core::{Labels, log};
use tokio::task::JoinError;

/// How a task ended: an error if it should have gone on.
pub(super) type Ended = Result<(), RunError>;

/// A pipeline stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("{component} ended: {reason}")]
pub struct RunError {
    pub(super) labels: Box<Labels>,
    pub(super) component: String,
    #[source]
    pub(super) reason: Box<dyn Error + Send + Sync>,
}

/// How a component ended, which is as it should be if it was `asked` to.
pub(super) fn ended(
    labels: Labels,
    component: String,
    result: Result<(), impl Into<Box<dyn Error + Send + Sync>>>,
    asked: bool,
) -> Ended {
    let reason = match result {
        Ok(()) if asked => return Ok(()),
        Ok(()) => "it was not asked to".into(),
        Err(error) => error.into(),
    };
    let error = RunError {
        labels: labels.into(),
        component,
        reason,
    };
    if asked {
        log!(&error.labels, error, "{error}");
        return Ok(());
    }
    Err(error)
}

pub(super) fn flatten(ended: Result<Ended, JoinError>) -> Ended {
    match ended {
        Ok(ended) => ended,
        // It was given up.
        Err(error) if error.is_cancelled() => Ok(()),
        Err(panic) => Err(RunError {
            labels: Box::default(),
            component: "a component".to_owned(),
            reason: panic.into(),
        }),
    }
}

pub(super) fn log_failure(ended: Result<Ended, JoinError>) {
    if let Err(error) = flatten(ended) {
        log!(&error.labels, error, "{error}");
    }
}
