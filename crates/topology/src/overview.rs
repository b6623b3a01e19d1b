use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_core::Activity;

use crate::Config;

/// Which components there are at present, and what they say that they have done. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overview(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    components: Vec<Component>,
    activities: BTreeMap<String, Activity>,
}

#[derive(Clone, Debug)]
pub(crate) struct Component {
    pub(crate) id: String,
    /// `source`, `transform` or `sink`.
    pub(crate) kind: &'static str,
    pub(crate) r#type: String,
    pub(crate) inputs: Vec<String>,
}

impl Overview {
    pub(crate) fn set(&self, config: &Config) {
        let component = |id: &String, kind, r#type: &String, inputs: &[String]| Component {
            id: id.clone(),
            kind,
            r#type: r#type.clone(),
            inputs: inputs.to_vec(),
        };
        let sources = config.sources.iter();
        let sources = sources.map(|(id, outer)| component(id, "source", &outer.r#type, &[]));
        let transforms = config.transforms.iter();
        let transforms =
            transforms.map(|(id, outer)| component(id, "transform", &outer.r#type, &outer.inputs));
        let sinks = config.sinks.iter();
        let sinks = sinks.map(|(id, outer)| component(id, "sink", &outer.r#type, &outer.inputs));
        let components = sources.chain(transforms).chain(sinks).collect();
        let mut state = self.state();
        state.components = components;
        let State {
            components,
            activities,
        } = &mut *state;
        activities.retain(|id, _| components.iter().any(|component| component.id == *id));
    }

    /// Sources, then transforms, then sinks.
    pub(crate) fn components(&self) -> Vec<Component> {
        self.state().components.clone()
    }

    /// What component `id` does, before and after it is replaced.
    pub(crate) fn activity(&self, id: &str) -> Activity {
        let activities = &mut self.state().activities;
        activities.entry(id.to_owned()).or_default().clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
