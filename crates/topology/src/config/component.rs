use landfall_core::Component;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Fingerprint;
use super::problem::Problem;
use super::read::read;
use crate::BufferConfig;
use crate::registry::Types;

/// A component's table in the configuration, out of which its settings are taken.
pub(super) struct Table<'a> {
    /// Such as `sinks.lake`.
    path: String,
    rest: Map<String, Value>,
    taken: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Table<'a> {
    pub(super) fn new(
        kind: &str,
        id: &str,
        table: Map<String, Value>,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self {
            path: format!("{kind}.{id}"),
            rest: table,
            taken: Vec::new(),
            problems,
        }
    }

    /// The names of the components whose events it gets; `None` if they cannot be read.
    pub(super) fn inputs(&mut self) -> Option<Vec<String>> {
        let before = self.problems.len();
        let inputs = self.take("inputs").unwrap_or_else(|| Some(Vec::new()));
        inputs.filter(|_| self.problems.len() == before)
    }

    pub(super) fn buffer(&mut self) -> BufferConfig {
        let buffer: BufferConfig = self.take("buffer").flatten().unwrap_or_default();
        self.report(buffer.problems());
        buffer
    }

    /// The component's type, the settings that this has, and their fingerprint; `None` if something is wrong with them.
    pub(super) fn settings<T: Component + ?Sized>(
        mut self,
        types: &Types<T>,
    ) -> Option<(String, Box<T>, Fingerprint)> {
        let Some(r#type) = self.take::<String>("type") else {
            let advice = format!("is missing; say which it is: {}", types.names().join(", "));
            self.report([Problem::new("type", advice)]);
            return None;
        };
        let settings = Value::Object(std::mem::take(&mut self.rest));
        let r#type = r#type?;
        let fingerprint = Fingerprint::of(&r#type, &settings);
        let read = types.read(&r#type, settings.clone(), &self.taken);
        let config = read.settings;
        let mut found: Vec<_> = config.iter().flat_map(|config| config.validate()).collect();
        // What could not be read may be what another setting needs: of the rest only what is said of settings that are there.
        if !read.problems.is_empty() {
            found.retain(|text| {
                let path = Problem::reported(text).path;
                is_given(&settings, &path) && !read.problems.iter().any(|p| p.covers(&path))
            });
        }
        let is_whole = read.problems.is_empty();
        self.report(read.problems);
        self.report(found.iter().map(|text| Problem::reported(text)));
        let config = config.filter(|_| is_whole)?;
        Some((r#type, config, fingerprint))
    }

    /// Takes the setting `name` out of the table, if it is there; it is `None` if it cannot be read.
    fn take<C: DeserializeOwned>(&mut self, name: &'static str) -> Option<Option<C>> {
        self.taken.push(name);
        let read = read(self.rest.remove(name)?, &[]);
        self.report(read.problems.into_iter().map(|problem| problem.below(name)));
        Some(read.settings)
    }

    fn report(&mut self, problems: impl IntoIterator<Item = Problem>) {
        let problems = problems.into_iter();
        self.problems
            .extend(problems.map(|problem| problem.below(&self.path)));
    }
}

/// Whether the setting at `path` is among `settings`.
fn is_given(settings: &Value, path: &str) -> bool {
    let mut steps = path.split('.').map(|step| step.split('[').next());
    let found = steps.try_fold(settings, |settings, step| settings.get(step?));
    found.is_some()
}
