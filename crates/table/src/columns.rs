use std::fmt;

use landfall_appcues::Field;

use crate::derive::{self, Derive};

/// A column of the events table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it can be null.
    pub nullable: bool,
    /// What it means.
    pub meaning: &'static str,
    pub(crate) origin: Origin,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A boolean.
    Boolean,
    /// A point in time, in milliseconds, UTC.
    Timestamp,
    /// A list of text.
    Texts,
    /// A list of the answers of a form.
    Answers,
}

/// Where a column's values come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// The first of these fields whose value fits.
    Fields(&'static [Field]),
    /// A rule of its own, and how to describe it to people.
    Rule(&'static str, Derive),
    /// What went wrong in the other columns.
    Errors,
}

/// The columns in the order of the schema, which is the order of their Parquet field ids. New ones go to the end.
#[rustfmt::skip]
pub static COLUMNS: &[Column] = &[
    rule("event_id", Kind::Text, "id", derive::event_id, "Appcues' id of the event; an NPS score and its feedback share one").required(),
    rule("event_type", Kind::Text, "name and attributes", derive::event_type, "The event type of Landfall's catalogue; other if it has none").required(),
    rule("event_name", Kind::Text, "name", derive::event_name, "The name on the wire").required(),
    rule("occurred_at", Kind::Timestamp, "timestamp", derive::occurred_at, "When it occurred, by the user's clock").required(),
    field("ingested_at", Kind::Timestamp, &[Field::IngestedAt], "When Appcues took it in"),
    rule("received_at", Kind::Timestamp, "the clock", derive::received_at, "When Landfall accepted it").required(),
    field("account_id", Kind::Text, &[Field::AccountId], "The Appcues account"),
    field("user_id", Kind::Text, &[Field::UserId], "The user, as the application names them"),
    field("group_id", Kind::Text, &[Field::GroupId], "The user's group, often their company"),
    field("source", Kind::Text, &[Field::Source], "Where Appcues got the event from"),
    rule("is_anonymous", Kind::Boolean, "user_id starts with anon:", derive::is_anonymous, "Whether the user was not identified"),
    field("session_id", Kind::Text, &[Field::SessionId, Field::IdentitySessionId], "The user's session"),
    field("url", Kind::Text, &[Field::ContextUrl, Field::AttributesContextUrl], "The page that the user was on"),
    field("locale_id", Kind::Text, &[Field::LocaleId], "The content's language, by id"),
    field("locale_name", Kind::Text, &[Field::LocaleName], "The content's language, by name"),
    field("experience_id", Kind::Text, &[Field::FlowId, Field::ExperienceId, Field::ChecklistId], "The flow, mobile flow, pin, checklist, ..."),
    field("experience_name", Kind::Text, &[Field::FlowName, Field::ExperienceName, Field::ChecklistName], "Its name in Appcues"),
    rule("experience_type", Kind::Text, "attributes.flowType, else attributes.experienceType, else checklist if attributes.checklistId is the only id", derive::experience_type, "Its type"),
    field("experience_version", Kind::Int64, &[Field::FlowVersion, Field::Version], "When its version was published, in epoch milliseconds"),
    field("experience_instance_id", Kind::Text, &[Field::ExperienceInstanceId], "One showing of it to one user"),
    field("step_id", Kind::Text, &[Field::StepId], "The step"),
    field("step_type", Kind::Text, &[Field::StepType], "The step's type, such as modal"),
    field("step_name", Kind::Text, &[Field::StepName], "The step's name in Appcues"),
    field("step_index", Kind::Text, &[Field::StepIndex], "Group and step, such as 0,0"),
    field("step_number", Kind::Int32, &[Field::StepNumber], "The step's place, from 0"),
    field("step_child_id", Kind::Text, &[Field::StepChildId], "The step within the group of steps"),
    field("step_child_number", Kind::Int32, &[Field::StepChildNumber], "Its place in the group, from 0"),
    field("interaction_type", Kind::Text, &[Field::InteractionType], "What the user did, such as click"),
    field("interaction_category", Kind::Text, &[Field::InteractionCategory, Field::InteractionDataCategory], "What it led to, such as internal or form"),
    field("interaction_destination", Kind::Text, &[Field::InteractionDestination, Field::InteractionDataDestination], "Where it led, such as end-flow or a URL"),
    field("interaction_text", Kind::Text, &[Field::InteractionText, Field::InteractionDataText], "The button's label"),
    field("form_id", Kind::Text, &[Field::InteractionFormId], "The form"),
    rule("form_responses", Kind::Answers, "attributes.interaction.response, else attributes.interactionData.formResponse", derive::form_responses, "The answers of a form: field_id, field_type, field_required, label, value"),
    field("item_id", Kind::Text, &[Field::ItemId], "The checklist's item"),
    field("item_label", Kind::Text, &[Field::ItemLabel], "The item's label"),
    field("item_index", Kind::Int32, &[Field::ItemIndex], "The item's place, from 0"),
    rule("nps_score", Kind::Int32, "attributes.score, else the nps_score of attributes.interactionData.surveyResponses", derive::nps_score, "The score, 0 to 10"),
    field("previous_nps_score", Kind::Int32, &[Field::PreviousScore], "The user's score before this one"),
    field("previous_nps_score_at", Kind::Timestamp, &[Field::PreviousScoreTime], "When the user gave that score"),
    rule("nps_feedback", Kind::Text, "attributes.feedback, else the nps_feedback of attributes.interactionData.surveyResponses", derive::nps_feedback, "The comment"),
    field("workflow_id", Kind::Text, &[Field::WorkflowId, Field::PushWorkflowId], "The workflow that sent it"),
    field("workflow_task_id", Kind::Text, &[Field::WorkflowTaskId], "The workflow's task"),
    field("push_notification_id", Kind::Text, &[Field::PushNotificationId, Field::PushPushNotificationId], "The push notification"),
    field("trigger", Kind::Text, &[Field::Trigger], "What made the experience show"),
    rule("error_id", Kind::Text, "attributes.errorId if name ends in _error", derive::error_id, "The error"),
    rule("error_message", Kind::Text, "attributes.message if name ends in _error", derive::error_message, "What went wrong"),
    Column { name: "conversion_errors", kind: Kind::Texts, nullable: true, meaning: "One entry per value that did not fit its column", origin: Origin::Errors },
    rule("payload", Kind::Text, "the body", derive::payload, "The request body, byte for byte").required(),
    field("experiment_id", Kind::Text, &[Field::ExperimentId], "The experiment"),
    field("experiment_group", Kind::Text, &[Field::ExperimentGroup], "The group that the user is in, such as control"),
    field("experiment_experience_id", Kind::Text, &[Field::ExperimentExperienceId], "What the experiment shows, or holds back"),
    field("from_experience_id", Kind::Text, &[Field::FromExperienceId], "The experience that led to this one"),
    field("frame_id", Kind::Text, &[Field::FrameId, Field::AndroidFrameId], "The place in a mobile application that the experience is embedded in"),
    field("screen_title", Kind::Text, &[Field::ScreenTitle, Field::ContextScreenTitle], "The screen of a mobile application that the user was on"),
    field("platform", Kind::Text, &[Field::IdentityOperatingSystem, Field::DeviceOperatingSystem], "The device's operating system, such as ios"),
    field("os_version", Kind::Text, &[Field::IdentityOsVersion, Field::DeviceOsVersion], "Its version"),
    field("app_id", Kind::Text, &[Field::IdentityAppId, Field::DeviceAppId, Field::ContextAppId], "The mobile application, as Appcues numbers it"),
    field("app_version", Kind::Text, &[Field::IdentityAppVersion, Field::DeviceAppVersion, Field::ContextAppVersion], "Its version"),
    field("sdk_version", Kind::Text, &[Field::IdentitySdkVersion, Field::DeviceSdkVersion], "The version of Appcues' SDK in it"),
    field("device_id", Kind::Text, &[Field::DeviceId, Field::IdentityLocalId], "The device"),
    field("device_type", Kind::Text, &[Field::IdentityDeviceType, Field::DeviceType], "Its type, such as phone"),
    field("device_model", Kind::Text, &[Field::IdentityDeviceModel, Field::DeviceModel], "Its model"),
];

/// The fields of one answer of a form: name, type and key.
pub(crate) const ANSWER_FIELDS: [(&str, Kind, &str); 5] = [
    ("field_id", Kind::Text, "fieldId"),
    ("field_type", Kind::Text, "fieldType"),
    ("field_required", Kind::Boolean, "fieldRequired"),
    ("label", Kind::Text, "label"),
    ("value", Kind::Text, "value"),
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "string",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp(ms, UTC)",
            Self::Texts => "list<string>",
            Self::Answers => "list<struct>",
        })
    }
}

impl Column {
    /// Where its values come from: paths in the body, or a sentence.
    pub fn from(&self) -> String {
        match self.origin {
            Origin::Fields(fields) => {
                let paths: Vec<_> = fields.iter().map(|field| field.path()).collect();
                paths.join(", else ")
            }
            Origin::Rule(description, _) => description.to_owned(),
            Origin::Errors => "all other columns".to_owned(),
        }
    }

    const fn required(mut self) -> Self {
        self.nullable = false;
        self
    }
}

const fn field(
    name: &'static str,
    kind: Kind,
    fields: &'static [Field],
    meaning: &'static str,
) -> Column {
    Column {
        name,
        kind,
        nullable: true,
        meaning,
        origin: Origin::Fields(fields),
    }
}

const fn rule(
    name: &'static str,
    kind: Kind,
    description: &'static str,
    derive: Derive,
    meaning: &'static str,
) -> Column {
    Column {
        name,
        kind,
        nullable: true,
        meaning,
        origin: Origin::Rule(description, derive),
    }
}
