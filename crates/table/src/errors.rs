use std::fmt::Display;

use landfall_appcues::Mismatch;

use crate::derive::Cell;

/// The conversion errors of one event.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    texts: Vec<String>,
}

impl Errors {
    /// A list of a million wrong answers would otherwise make a text a hundred times as long as the body.
    const LIMIT: usize = 64;

    /// Records that the value at `path` did not fit. What two columns share is recorded once.
    pub(crate) fn record(&mut self, path: impl Display, mismatch: Mismatch<'_>) {
        if self.texts.len() > Self::LIMIT {
            return;
        }
        let text = format!("{path}: {mismatch}");
        if !self.texts.contains(&text) {
            let is_room = self.texts.len() < Self::LIMIT;
            self.texts
                .push(if is_room { text } else { "and more".to_owned() });
        }
    }

    /// The value, unless it does not fit, which is recorded.
    pub(crate) fn keep<T>(
        &mut self,
        path: impl Display,
        read: Result<Option<T>, Mismatch<'_>>,
    ) -> Option<T> {
        read.unwrap_or_else(|mismatch| {
            self.record(path, mismatch);
            None
        })
    }

    /// All texts, if there are any.
    pub(crate) fn into_cell(self) -> Option<Cell<'static>> {
        (!self.texts.is_empty()).then_some(Cell::Texts(self.texts))
    }
}
