use std::sync::Arc;

use landfall_core::{Event, Transform};
use metrics::{SharedString, counter};

/// A transform that counts what it gets, hands on and leaves out.
#[derive(Debug)]
pub(crate) struct Counted {
    component_id: SharedString,
    transform: Arc<dyn Transform>,
}

impl Counted {
    pub(crate) fn new(id: &str, transform: Arc<dyn Transform>) -> Self {
        Self {
            component_id: id.to_owned().into(),
            transform,
        }
    }
}

impl Transform for Counted {
    fn transform(&self, event: Event) -> Option<Event> {
        let id = || self.component_id.clone();
        counter!("component_received_events_total", "component_id" => id()).increment(1);
        let transformed = self.transform.transform(event);
        match transformed {
            Some(_) => counter!("component_sent_events_total", "component_id" => id()),
            None => {
                counter!("component_discarded_events_total", "component_id" => id(), "intentional" => "true")
            }
        }
        .increment(1);
        transformed
    }
}
