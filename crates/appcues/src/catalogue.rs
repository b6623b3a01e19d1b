//! What kind of event a body is. The webhook's subscription is not in the body, so it follows from name and attributes.

use std::fmt;
use std::sync::LazyLock;

use crate::{AppcuesEvent, Field, Paths, convert};
use Origin::{Expected, Page, Sdk};
use Test::{Answers, Has, Is, Lacks};

/// An event type of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    /// Its name, as it stands in the events table.
    pub name: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// Where its events are known from.
    pub origin: Origin,
    /// Its events are those for which one of these holds.
    rules: &'static [Rule],
}

/// Where the events of a type are known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Appcues' page on webhooks shows one.
    Page,
    /// Appcues' open-source SDKs and command line write its name.
    Sdk,
    /// Appcues offers the subscription, but shows no event of it. The name is what the known names suggest, and can
    /// hardly mean anything else.
    Expected,
}

/// The name of the event, and what must hold besides.
type Rule = (&'static str, &'static [Test]);

/// A condition on an event.
#[derive(Clone, Copy, Debug)]
enum Test {
    /// The field is there and not null.
    Has(Field),
    /// The field is absent or null.
    Lacks(Field),
    /// The field reads as this text.
    Is(Field, &'static str),
    /// There is a survey response of this type.
    Answers(&'static str),
}

const MOBILE: Test = Is(Field::ExperienceType, "mobile");
const PIN: Test = Is(Field::ExperienceType, "persistent");
const NPS: Test = Is(Field::ExperienceType, "nps");
const BANNER: Test = Is(Field::ExperienceType, "banner");
const TAPPED: Test = Is(Field::InteractionType, "Button Tapped");
const SUBMITTED: Test = Is(Field::InteractionType, "Form Submitted");

/// The catalogue. The first type with a rule that holds is an event's; the last type is that of all others.
///
/// - Appcues' page shows feedback under the name of the score; only the attributes tell the two apart. An event that
///   holds both is one `nps_score`, with its feedback in the column for it.
/// - A `step_interacted` is a click even if its `interactionType` is `submit`: submissions have a name of their own, and
///   the page's samples of one modal are a `form_submitted` and, 14 ms later, a `step_interacted`. Counting both as
///   submissions would count one answer twice.
/// - A mobile flow's start is `experience_started` in Appcues' SDKs and a tapped button on the page.
/// - A newer kind of experience is an `experience_…` until it has a line of its own.
#[rustfmt::skip]
pub static EVENT_TYPES: &[EventType] = &[
    is("nps_score", Page, "A user gave a score in an NPS survey, perhaps with a comment.", &[
        ("appcues:nps_score", &[Has(Field::Score)]),
        ("appcues:nps_score", &[Lacks(Field::Feedback)]),
        ("appcues:nps_score_and_feedback", &[Has(Field::Score)]),
        ("appcues:nps_score_and_feedback", &[Lacks(Field::Feedback)]),
        ("appcues:v2:step_interaction", &[Answers("nps_score")]),
    ]),
    is("nps_feedback", Page, "A user wrote a comment in an NPS survey.", &[
        ("appcues:nps_score", &[Has(Field::Feedback)]),
        ("appcues:nps_feedback", &[]),
        ("appcues:nps_score_and_feedback", &[Has(Field::Feedback)]),
        ("appcues:v2:step_interaction", &[Answers("nps_feedback")]),
    ]),
    is("web_flow_completed", Page, "A user reached the end of a flow.", &[("appcues:flow_completed", &[])]),
    is("web_flow_started", Page, "A flow was shown to a user.", &[("appcues:flow_started", &[])]),
    is("web_flow_button_clicked", Page, "A user clicked a button in a flow.", &[("appcues:step_interacted", &[])]),
    is("web_flow_form_submitted", Page, "A user sent a form in a flow.", &[("appcues:form_submitted", &[])]),
    is("web_flow_skipped", Page, "A user closed a flow before its end.", &[("appcues:flow_skipped", &[])]),
    is("checklist_item_completed", Page, "A user completed one item of a checklist.", &[("appcues:checklist_item_completed", &[])]),
    is("checklist_completed", Page, "A user completed all items of a checklist.", &[("appcues:checklist_completed", &[])]),
    is("checklist_skipped", Page, "A user dismissed a checklist.", &[("appcues:checklist_skipped", &[])]),
    is("checklist_shown", Page, "A checklist was shown to a user.", &[("appcues:checklist_shown", &[])]),
    is("mobile_flow_started", Page, "A mobile flow was shown to a user.", &[
        ("appcues:v2:experience_started", &[MOBILE]),
        ("appcues:v2:step_interaction", &[MOBILE, TAPPED]),
    ]),
    is("pin_interacted", Page, "A user interacted with a pin.", &[("appcues:v2:step_interaction", &[PIN])]),

    is("web_flow_attempted", Sdk, "A flow was about to be shown.", &[("appcues:flow_attempted", &[])]),
    is("web_flow_aborted", Sdk, "A flow was not shown, or was broken off by the page.", &[("appcues:flow_aborted", &[])]),
    is("web_flow_error", Sdk, "A flow could not go on.", &[("appcues:flow_error", &[])]),
    is("web_flow_step_attempted", Sdk, "A step of a flow was about to be shown.", &[("appcues:step_attempted", &[])]),
    is("web_flow_step_started", Sdk, "A step of a flow was shown to a user.", &[("appcues:step_started", &[])]),
    is("web_flow_step_completed", Sdk, "A user went on from a step of a flow.", &[("appcues:step_completed", &[])]),
    is("web_flow_step_skipped", Sdk, "A user closed a flow at this step.", &[("appcues:step_skipped", &[])]),
    is("web_flow_step_error", Sdk, "A step of a flow could not be shown.", &[("appcues:step_error", &[])]),
    is("web_flow_step_aborted", Sdk, "A step of a flow was broken off by the page.", &[("appcues:step_aborted", &[])]),

    is("mobile_flow_completed", Sdk, "A user reached the end of a mobile flow.", &[("appcues:v2:experience_completed", &[MOBILE])]),
    is("mobile_flow_dismissed", Sdk, "A user closed a mobile flow before its end.", &[("appcues:v2:experience_dismissed", &[MOBILE])]),
    is("mobile_flow_error", Sdk, "A mobile flow could not go on.", &[("appcues:v2:experience_error", &[MOBILE])]),
    is("mobile_flow_recovered", Sdk, "A mobile flow went on after an error.", &[("appcues:v2:experience_recovered", &[MOBILE])]),
    is("mobile_flow_form_submitted", Sdk, "A user sent a form in a mobile flow.", &[("appcues:v2:step_interaction", &[MOBILE, SUBMITTED])]),
    is("mobile_flow_interacted", Sdk, "A user did something else in a mobile flow.", &[("appcues:v2:step_interaction", &[MOBILE])]),

    is("pin_started", Sdk, "A pin was shown to a user.", &[("appcues:v2:experience_started", &[PIN])]),
    is("pin_completed", Sdk, "A user was done with a pin.", &[("appcues:v2:experience_completed", &[PIN])]),
    is("pin_dismissed", Sdk, "A user closed a pin.", &[("appcues:v2:experience_dismissed", &[PIN])]),
    is("pin_error", Sdk, "A pin could not be shown.", &[("appcues:v2:experience_error", &[PIN])]),
    is("pin_recovered", Sdk, "A pin was shown after an error.", &[("appcues:v2:experience_recovered", &[PIN])]),

    is("nps_started", Sdk, "An NPS survey was shown to a user.", &[
        ("appcues:v2:experience_started", &[NPS]),
        ("appcues:nps_started", &[]),
    ]),
    is("nps_completed", Sdk, "A user reached the end of an NPS survey.", &[("appcues:v2:experience_completed", &[NPS])]),
    is("nps_dismissed", Sdk, "A user closed an NPS survey.", &[("appcues:v2:experience_dismissed", &[NPS])]),
    is("nps_error", Sdk, "An NPS survey could not go on.", &[("appcues:v2:experience_error", &[NPS])]),
    is("nps_recovered", Sdk, "An NPS survey went on after an error.", &[("appcues:v2:experience_recovered", &[NPS])]),
    is("nps_interacted", Sdk, "A user did something in an NPS survey and gave neither score nor comment.", &[("appcues:v2:step_interaction", &[NPS])]),

    is("banner_started", Sdk, "A banner was shown to a user.", &[("appcues:v2:experience_started", &[BANNER])]),
    is("banner_completed", Sdk, "A user was done with a banner.", &[("appcues:v2:experience_completed", &[BANNER])]),
    is("banner_dismissed", Sdk, "A user closed a banner.", &[
        ("appcues:v2:experience_dismissed", &[BANNER]),
        ("appcues:banner_dismissed", &[]),
    ]),
    is("banner_error", Sdk, "A banner could not be shown.", &[("appcues:v2:experience_error", &[BANNER])]),
    is("banner_recovered", Sdk, "A banner was shown after an error.", &[("appcues:v2:experience_recovered", &[BANNER])]),
    is("banner_interacted", Sdk, "A user interacted with a banner.", &[("appcues:v2:step_interaction", &[BANNER])]),

    is("experience_started", Sdk, "Another experience was shown to a user.", &[("appcues:v2:experience_started", &[])]),
    is("experience_completed", Sdk, "A user reached the end of another experience.", &[("appcues:v2:experience_completed", &[])]),
    is("experience_dismissed", Sdk, "A user closed another experience.", &[("appcues:v2:experience_dismissed", &[])]),
    is("experience_error", Sdk, "Another experience could not go on.", &[("appcues:v2:experience_error", &[])]),
    is("experience_recovered", Sdk, "Another experience went on after an error.", &[("appcues:v2:experience_recovered", &[])]),
    is("experience_interacted", Sdk, "A user did something in another experience.", &[("appcues:v2:step_interaction", &[])]),
    is("experience_step_seen", Sdk, "A step of an experience was shown to a user; experience_type says of which kind.", &[("appcues:v2:step_seen", &[])]),
    is("experience_step_completed", Sdk, "A user went on from a step of an experience.", &[("appcues:v2:step_completed", &[])]),
    is("experience_step_error", Sdk, "A step of an experience could not be shown.", &[("appcues:v2:step_error", &[])]),
    is("experience_step_recovered", Sdk, "A step of an experience was shown after an error.", &[("appcues:v2:step_recovered", &[])]),

    is("session_started", Sdk, "A user began to use the application.", &[("appcues:session_started", &[])]),
    is("screen_view", Sdk, "A user came to a screen of a mobile application.", &[("appcues:screen_view", &[])]),
    is("device_updated", Sdk, "What Appcues knows of a user's device has changed.", &[("appcues:device_updated", &[])]),
    is("device_unregistered", Sdk, "A device is no longer this user's.", &[("appcues:device_unregistered", &[])]),
    is("experiment_entered", Sdk, "A user was put into a group of an experiment.", &[("appcues:experiment_entered", &[])]),
    is("push_opened", Sdk, "A user opened a push notification.", &[("appcues:push_opened", &[])]),

    is("push_sent", Expected, "A push notification was sent.", &[("appcues:push_sent", &[])]),
    is("push_failed", Expected, "A push notification could not be sent.", &[("appcues:push_failed", &[])]),
    is("push_skipped", Expected, "A push notification was not sent.", &[("appcues:push_skipped", &[])]),
    is("email_attempted", Expected, "An e-mail was about to be sent.", &[("appcues:email_attempted", &[])]),
    is("email_delivered", Expected, "An e-mail was delivered.", &[("appcues:email_delivered", &[])]),
    is("email_bounced", Expected, "An e-mail came back, for good.", &[("appcues:email_bounced", &[])]),
    is("email_soft_bounced", Expected, "An e-mail came back, for now.", &[("appcues:email_soft_bounced", &[])]),
    is("email_opened", Expected, "A user opened an e-mail.", &[("appcues:email_opened", &[])]),
    is("email_clicked", Expected, "A user followed a link in an e-mail.", &[("appcues:email_clicked", &[])]),
    is("email_failed", Expected, "An e-mail could not be sent.", &[("appcues:email_failed", &[])]),
    is("email_skipped", Expected, "An e-mail was not sent.", &[("appcues:email_skipped", &[])]),
    is("email_marked_spam", Expected, "A user called an e-mail spam.", &[("appcues:email_marked_spam", &[])]),
    is("email_unsubscribed", Expected, "A user wants no more e-mail.", &[("appcues:email_unsubscribed", &[])]),
    is("workflow_entered", Expected, "A user entered a workflow.", &[("appcues:workflow_entered", &[])]),
    is("workflow_exited", Expected, "A user left a workflow.", &[("appcues:workflow_exited", &[])]),
    is("workflow_task_started", Expected, "A task of a workflow began for a user.", &[("appcues:workflow_task_started", &[])]),
    is("workflow_task_completed", Expected, "A task of a workflow ended for a user.", &[("appcues:workflow_task_completed", &[])]),

    is(OTHER, Sdk, "An event that Landfall has no name for; all of its columns are filled.", &[]),
];

/// The type of all events that Landfall has no name for.
pub const OTHER: &str = "other";

const fn is(
    name: &'static str,
    origin: Origin,
    meaning: &'static str,
    rules: &'static [Rule],
) -> EventType {
    EventType {
        name,
        meaning,
        origin,
        rules,
    }
}

impl EventType {
    /// How its events are recognised, for people: one line of Markdown for each rule.
    pub fn recognised_by(&self) -> Vec<String> {
        let rule = |(name, tests): &Rule| {
            let tests: String = tests.iter().map(|test| format!(", {test}")).collect();
            format!("`{name}`{tests}")
        };
        self.rules.iter().map(rule).collect()
    }

    fn takes(&self, event: &AppcuesEvent<'_>) -> bool {
        self.rules.iter().any(|(name, tests)| {
            event.name() == *name && tests.iter().all(|test| test.holds(event))
        })
    }
}

impl Test {
    fn holds(self, event: &AppcuesEvent<'_>) -> bool {
        match self {
            Has(field) => event.raw(field).is_some(),
            Lacks(field) => event.raw(field).is_none(),
            Is(field, text) => event.raw(field).is_some_and(|raw| reads_as(raw, text)),
            Answers(kind) => answers(event, kind),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Has(field) => write!(f, "with `{}`", field.path()),
            Lacks(field) => write!(f, "without `{}`", field.path()),
            Is(field, text) => write!(f, "`{}` is `{text}`", field.path()),
            Answers(kind) => {
                let path = Field::InteractionDataSurveyResponses.path();
                write!(f, "`{path}` has a `{kind}`")
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Page => "page",
            Sdk => "SDKs",
            Expected => "expected",
        })
    }
}

fn reads_as(raw: &str, text: &str) -> bool {
    convert::string(raw).is_ok_and(|value| value.as_deref() == Some(text))
}

/// Whether a survey response of type `kind` has a value.
fn answers(event: &AppcuesEvent<'_>, kind: &str) -> bool {
    static PATHS: LazyLock<Paths<2>> = LazyLock::new(|| Paths::new(["type", "value"]));
    let responses = event
        .raw(Field::InteractionDataSurveyResponses)
        .and_then(|raw| convert::list(raw).ok().flatten());
    let is_answer = |raw| {
        PATHS.read(raw).is_ok_and(|[response_type, value]| {
            value.is_some() && response_type.is_some_and(|raw| reads_as(raw, kind))
        })
    };
    responses.unwrap_or_default().into_iter().any(is_answer)
}

/// The event type of `event`.
pub(crate) fn event_type(event: &AppcuesEvent<'_>) -> &'static str {
    EVENT_TYPES
        .iter()
        .find(|event_type| event_type.takes(event))
        .map_or(OTHER, |event_type| event_type.name)
}

#[cfg(test)]
mod tests;
