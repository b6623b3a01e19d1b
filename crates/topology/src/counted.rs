use std::sync::Arc;

use landfall_core::{Event, Transform, labels};
use metrics::{Counter, counter};

/// A transform that counts what it gets, hands on and leaves out.
pub(crate) struct Counted {
    transform: Arc<dyn Transform>,
    received: Counter,
    sent: Counter,
    discarded: Counter,
}

impl Counted {
    pub(crate) fn new(id: &str, r#type: &str, transform: Arc<dyn Transform>) -> Self {
        let labels = labels(id, "transform", r#type);
        let mut on_purpose = labels.to_vec();
        on_purpose.push(("intentional", "true".to_owned()));
        Self {
            transform,
            received: counter!("component_received_events_total", &labels),
            sent: counter!("component_sent_events_total", &labels),
            discarded: counter!("component_discarded_events_total", &on_purpose),
        }
    }
}

impl Transform for Counted {
    fn transform(&self, event: Event) -> Option<Event> {
        self.received.increment(1);
        let transformed = self.transform.transform(event);
        match transformed {
            Some(_) => self.sent.increment(1),
            None => self.discarded.increment(1),
        }
        transformed
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.transform.fmt(f)
    }
}
