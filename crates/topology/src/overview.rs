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
        let components = config.components().map(|component| Component {
            id: component.id.to_owned(),
            kind: component.kind.name(),
            r#type: component.r#type.to_owned(),
            inputs: component.inputs.to_vec(),
        });
        let mut state = self.state();
        state.components = components.collect();
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
