use std::fmt;

/// Something that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The setting that it is about, such as `sinks.lake.batch.max_events`; empty if it is about all of them.
    pub(crate) path: String,
    /// What to do about it.
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// The problem that a component reports as `path: message`.
    pub(crate) fn reported(text: &str) -> Self {
        match text.split_once(": ") {
            Some((path, message)) => Self::new(path, message),
            None => Self::new("", text),
        }
    }

    /// The same, where what it is about stands below `parent`.
    pub(crate) fn below(self, parent: &str) -> Self {
        let path = joined(parent, &self.path);
        Self { path, ..self }
    }

    /// Whether `path` is the setting that this is about, or one within it.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

/// The path of the setting `child`, or of the place `[n]` of a list, within `parent`.
pub(crate) fn joined(parent: &str, child: &str) -> String {
    match (parent, child) {
        ("", only) | (only, "") => only.to_owned(),
        (parent, child) if child.starts_with('[') => format!("{parent}{child}"),
        (parent, child) => format!("{parent}.{child}"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}
