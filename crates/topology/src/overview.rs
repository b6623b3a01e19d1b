use std::sync::{Arc, Mutex, PoisonError};

use crate::Config;

/// Which components there are at present. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overview(Arc<Mutex<Vec<Component>>>);

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
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = components;
    }

    /// Sources, then transforms, then sinks.
    pub(crate) fn components(&self) -> Vec<Component> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
