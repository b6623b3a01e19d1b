//! What kind of event a body is. The webhook's subscription is not in the body, so it follows from name and attributes.

use crate::{AppcuesEvent, Field, convert};
use Test::{Has, Is, Lacks};

/// Every event type with its meaning, in the order of Appcues' page.
pub const EVENT_TYPES: [(&str, &str); 14] = [
    ("nps_score", "A user gave a score in an NPS survey."),
    ("nps_feedback", "A user wrote a comment in an NPS survey."),
    ("web_flow_completed", "A user reached the end of a flow."),
    ("web_flow_started", "A flow was shown to a user."),
    (
        "web_flow_button_clicked",
        "A user clicked a button in a flow.",
    ),
    ("web_flow_form_submitted", "A user sent a form in a flow."),
    ("web_flow_skipped", "A user closed a flow before its end."),
    (
        "checklist_item_completed",
        "A user completed one item of a checklist.",
    ),
    (
        "checklist_completed",
        "A user completed all items of a checklist.",
    ),
    ("checklist_skipped", "A user dismissed a checklist."),
    ("checklist_shown", "A checklist was shown to a user."),
    ("mobile_flow_started", "A mobile flow was shown to a user."),
    ("pin_interacted", "A user interacted with a pin."),
    (
        "other",
        "An event that Landfall has no name for; all of its columns are filled.",
    ),
];

/// Name, what must hold besides, and the event type. The first rule that fits decides.
///
/// - Appcues' page shows feedback under the name of the score; only the attributes tell the two apart.
/// - A `step_interacted` is a click even if its `interactionType` is `submit`: submissions have a name of their own, and
///   the page's samples of one modal are a `form_submitted` and, 14 ms later, a `step_interacted`. Counting both as
///   submissions would count one answer twice.
/// - A mobile flow's start is `experience_started` in Appcues' SDKs and a tapped button on the page.
#[rustfmt::skip]
const RULES: &[(&str, &[Test], &str)] = &[
    ("appcues:nps_score", &[Has(Field::Feedback), Lacks(Field::Score)], "nps_feedback"),
    ("appcues:nps_score", &[], "nps_score"),
    ("appcues:nps_feedback", &[], "nps_feedback"),
    ("appcues:flow_completed", &[], "web_flow_completed"),
    ("appcues:flow_started", &[], "web_flow_started"),
    ("appcues:step_interacted", &[], "web_flow_button_clicked"),
    ("appcues:form_submitted", &[], "web_flow_form_submitted"),
    ("appcues:flow_skipped", &[], "web_flow_skipped"),
    ("appcues:checklist_item_completed", &[], "checklist_item_completed"),
    ("appcues:checklist_completed", &[], "checklist_completed"),
    ("appcues:checklist_skipped", &[], "checklist_skipped"),
    ("appcues:checklist_shown", &[], "checklist_shown"),
    ("appcues:v2:experience_started", &[Is(Field::ExperienceType, "mobile")], "mobile_flow_started"),
    ("appcues:v2:step_interaction", &[Is(Field::ExperienceType, "mobile"), Is(Field::InteractionType, "Button Tapped")], "mobile_flow_started"),
    ("appcues:v2:step_interaction", &[Is(Field::ExperienceType, "persistent")], "pin_interacted"),
];

/// A condition on one field.
enum Test {
    /// The field is there and not null.
    Has(Field),
    /// The field is absent or null.
    Lacks(Field),
    /// The field reads as this text.
    Is(Field, &'static str),
}

impl Test {
    fn holds(&self, event: &AppcuesEvent<'_>) -> bool {
        match *self {
            Has(field) => event.raw(field).is_some(),
            Lacks(field) => event.raw(field).is_none(),
            Is(field, text) => event
                .raw(field)
                .and_then(|raw| convert::string(raw).ok().flatten())
                .is_some_and(|value| value == text),
        }
    }
}

/// The event type of `event`; `other` if no rule fits.
pub(crate) fn event_type(event: &AppcuesEvent<'_>) -> &'static str {
    RULES
        .iter()
        .find(|(name, tests, _)| {
            event.name() == *name && tests.iter().all(|test| test.holds(event))
        })
        .map_or("other", |(_, _, event_type)| event_type)
}

#[cfg(test)]
mod tests;
