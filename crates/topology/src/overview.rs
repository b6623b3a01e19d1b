use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_core::{Activity, Past};

use crate::{ApiConfig, Config};

/// Which components there are at present, and what they say that they have done. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Overview {
    state: Arc<Mutex<State>>,
    keeps_bodies: bool,
}

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
    /// That of a pipeline with this api. Where it shows no events, none are kept for it.
    pub(crate) fn new(api: &ApiConfig) -> Self {
        Self {
            state: Arc::default(),
            keeps_bodies: api.shows_events(),
        }
    }

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
        let activity = activities.entry(id.to_owned());
        let new = || {
            if self.keeps_bodies {
                Activity::with_bodies()
            } else {
                Activity::default()
            }
        };
        activity.or_insert_with(new).clone()
    }

    /// What component `id` has done; nothing if there is none.
    pub(crate) fn past(&self, id: &str) -> Past {
        let activity = self.state().activities.get(id).cloned();
        activity.unwrap_or_default().past()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
