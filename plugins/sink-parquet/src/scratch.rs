use std::fs::File;
use std::io;
use std::sync::Arc;

use landfall_core::{Seldom, StateStore, log_seldom};

/// Files without a name, beside the sink's state, for what need not be in memory. Each is gone once nobody has it open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    state: Option<Arc<dyn StateStore>>,
    seldom: Seldom,
}

impl Scratch {
    /// Files of `state`; none without it.
    pub(crate) fn new(state: Option<Arc<dyn StateStore>>, seldom: Seldom) -> Self {
        Self { state, seldom }
    }

    /// An empty file; `None` where there is none to be had. It blocks for as long as a file takes to open.
    pub(crate) fn file(&self) -> Option<File> {
        self.state.as_ref()?.scratch().unwrap_or_else(|error| {
            self.failed(&error);
            None
        })
    }

    /// Says that what was to be in a file stays in memory.
    pub(crate) fn failed(&self, error: &io::Error) {
        log_seldom!(
            &self.seldom,
            "scratch",
            warn,
            %error,
            "cannot write to data_dir what need not be in memory: it stays in memory"
        );
    }
}
