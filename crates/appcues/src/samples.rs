/// A payload from Appcues' page on webhooks.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What the page calls it, in snake case.
    pub name: &'static str,
    /// The request body.
    pub body: &'static [u8],
    /// The event type that it is recognised as.
    pub event_type: &'static str,
}

macro_rules! samples {
    ($($name:literal,)*) => {
        /// The 13 payloads of Appcues' page, in its order.
        pub const SAMPLES: [Sample; 13] = [$(
            Sample {
                name: $name,
                body: include_bytes!(concat!("../samples/", $name, ".json")),
                event_type: $name,
            },
        )*];
    };
}

// The event types are named after the samples.
samples! {
    "nps_score",
    "nps_feedback",
    "web_flow_completed",
    "web_flow_started",
    "web_flow_button_clicked",
    "web_flow_form_submitted",
    "web_flow_skipped",
    "checklist_item_completed",
    "checklist_completed",
    "checklist_skipped",
    "checklist_shown",
    "mobile_flow_started",
    "pin_interacted",
}
