//! A second reading of an event, as naive as it can be, which shares no code with the first.

use serde_json::Value;

use crate::json::{Style, as_literal};
use crate::row::Row;

/// The type of a column.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Int32,
    Int64,
    Time,
}
use Type::{Int32, Int64, Text, Time};

/// Every column that comes from paths alone, between the names of those that do not, in the order of the schema.
#[rustfmt::skip]
const COLUMNS: &[(&str, Type, &[&str])] = &[
    ("ingested_at", Time, &["ingested_at"]),
    ("account_id", Text, &["account_id"]),
    ("user_id", Text, &["user_id"]),
    ("group_id", Text, &["group_id"]),
    ("source", Text, &["source"]),
    ("is_anonymous", Text, &[]),
    ("session_id", Text, &["attributes.sessionId", "attributes._identity._sessionId"]),
    ("url", Text, &["context.url", "attributes.context.url"]),
    ("locale_id", Text, &["attributes.localeId"]),
    ("locale_name", Text, &["attributes.localeName"]),
    ("experience_id", Text, &["attributes.flowId", "attributes.experienceId", "attributes.checklistId"]),
    ("experience_name", Text, &["attributes.flowName", "attributes.experienceName", "attributes.checklistName"]),
    ("experience_type", Text, &["attributes.flowType", "attributes.experienceType"]),
    ("experience_version", Int64, &["attributes.flowVersion", "attributes.version"]),
    ("experience_instance_id", Text, &["attributes.experienceInstanceId"]),
    ("step_id", Text, &["attributes.stepId"]),
    ("step_type", Text, &["attributes.stepType"]),
    ("step_name", Text, &["attributes.stepName"]),
    ("step_index", Text, &["attributes.stepIndex"]),
    ("step_number", Int32, &["attributes.stepNumber"]),
    ("step_child_id", Text, &["attributes.stepChildId"]),
    ("step_child_number", Int32, &["attributes.stepChildNumber"]),
    ("interaction_type", Text, &["attributes.interactionType"]),
    ("interaction_category", Text, &["attributes.interaction.category", "attributes.interactionData.category"]),
    ("interaction_destination", Text, &["attributes.interaction.destination", "attributes.interactionData.destination"]),
    ("interaction_text", Text, &["attributes.interaction.text", "attributes.interactionData.text"]),
    ("form_id", Text, &["attributes.interaction.formId"]),
    ("form_responses", Text, &[]),
    ("item_id", Text, &["attributes.itemId"]),
    ("item_label", Text, &["attributes.itemLabel"]),
    ("item_index", Int32, &["attributes.itemIndex"]),
    ("nps_score", Int32, &["attributes.score"]),
    ("previous_nps_score", Int32, &["attributes._prev_nps_score"]),
    ("previous_nps_score_at", Time, &["attributes._prev_nps_score_time"]),
    ("nps_feedback", Text, &["attributes.feedback"]),
    ("workflow_id", Text, &["attributes.workflowId", "attributes.workflow_id"]),
    ("workflow_task_id", Text, &["attributes.workflowTaskId"]),
    ("push_notification_id", Text, &["attributes.pushNotificationId", "attributes.push_notification_id"]),
    ("trigger", Text, &["attributes.trigger"]),
    ("error_id", Text, &["attributes.errorId"]),
    ("error_message", Text, &["attributes.message"]),
    ("experiment_id", Text, &["attributes.experimentId"]),
    ("experiment_group", Text, &["attributes.experimentGroup"]),
    ("experiment_experience_id", Text, &["attributes.experimentExperienceId"]),
    ("from_experience_id", Text, &["attributes.fromExperienceId"]),
    ("frame_id", Text, &["attributes.frameID", "attributes.frameId"]),
    ("screen_title", Text, &["attributes.screenTitle", "context.screen_title"]),
    ("platform", Text, &["attributes._identity._operatingSystem", "attributes._device._operatingSystem"]),
    ("os_version", Text, &["attributes._identity._osVersion", "attributes._device._osVersion"]),
    ("app_id", Text, &["attributes._identity._appId", "attributes._device._appId", "context.app_id"]),
    ("app_version", Text, &["attributes._identity._appVersion", "attributes._device._appVersion", "context.app_version"]),
    ("sdk_version", Text, &["attributes._identity._sdkVersion", "attributes._device._sdkVersion"]),
    ("device_id", Text, &["attributes._device._deviceId", "attributes._identity._localId"]),
    ("device_type", Text, &["attributes._identity._deviceType", "attributes._device._deviceType"]),
    ("device_model", Text, &["attributes._identity._deviceModel", "attributes._device._deviceModel"]),
];

/// Objects on the way to columns.
const OBJECTS: [&str; 7] = [
    "context",
    "attributes",
    "attributes.context",
    "attributes._identity",
    "attributes._device",
    "attributes.interaction",
    "attributes.interactionData",
];

const SURVEY: &str = "attributes.interactionData.surveyResponses";
const FORMS: [&str; 2] = [
    "attributes.interaction.response",
    "attributes.interactionData.formResponse",
];

/// Every path that some column is read from, and every object on the way.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    let columns = COLUMNS
        .iter()
        .flat_map(|(_, _, paths)| paths.iter().copied());
    columns.chain(OBJECTS).chain(FORMS).chain([SURVEY])
}

/// The row of `event`, but for `received_at` and `payload`, and its conversion errors. `style` wrote the event.
pub(crate) fn read(event: &Value, style: Style) -> (Row, Vec<String>) {
    let mut reader = Reader {
        event,
        style,
        errors: Vec::new(),
    };
    let mut row = Row::new();
    for path in OBJECTS {
        if let Some(value) = reader.get(path).filter(|value| !value.is_object()) {
            reader.error(path, "an object", value);
        }
    }
    let name = reader.first(Text, &["name"]).unwrap();
    let event_type = reader.event_type(&name);
    row.extend([
        ("event_id".to_owned(), reader.first(Text, &["id"]).unwrap()),
        (
            "occurred_at".to_owned(),
            reader.first(Time, &["timestamp"]).unwrap(),
        ),
        ("event_type".to_owned(), event_type.to_owned()),
        ("event_name".to_owned(), name.clone()),
    ]);
    for (column, column_type, paths) in COLUMNS {
        let is_error_event = name.ends_with("_error");
        let value = match *column {
            "is_anonymous" => reader
                .first(Text, &["user_id"])
                .map(|user| user.starts_with("anon:").to_string()),
            "error_id" | "error_message" if !is_error_event => None,
            "form_responses" => reader.form_responses(),
            _ => reader.first(*column_type, paths),
        };
        let value = value.or_else(|| match *column {
            "experience_type" => reader.is_checklist().then(|| "checklist".to_owned()),
            "nps_score" | "nps_feedback" => reader.survey_response(column, *column_type),
            _ => None,
        });
        row.extend(value.map(|value| (column.to_string(), value)));
    }
    let mut errors: Vec<String> = Vec::new();
    for error in reader.errors {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    if errors.len() > 64 {
        errors.truncate(64);
        errors.push("and more".to_owned());
    }
    (row, errors)
}

struct Reader<'a> {
    event: &'a Value,
    style: Style,
    errors: Vec<String>,
}

impl<'a> Reader<'a> {
    fn get(&self, path: &str) -> Option<&'a Value> {
        let mut value = self.event;
        for key in path.split('.') {
            value = value.get(key)?;
        }
        (!value.is_null()).then_some(value)
    }

    fn first(&mut self, wanted: Type, paths: &[&str]) -> Option<String> {
        for path in paths {
            let Some(value) = self.get(path) else {
                continue;
            };
            match convert(value, wanted) {
                Ok(text) => return Some(text),
                Err(expected) => self.error(path, expected, value),
            }
        }
        None
    }

    fn error(&mut self, path: &str, expected: &str, value: &Value) {
        let text = self.style.write(value);
        let mut found: String = text.chars().take(40).collect();
        if found != text {
            found.push('…');
        }
        self.errors
            .push(format!("{path}: expected {expected}, got {found}"));
    }

    fn is_checklist(&self) -> bool {
        self.get("attributes.checklistId").is_some()
            && self.get("attributes.flowId").is_none()
            && self.get("attributes.experienceId").is_none()
    }

    fn survey_response(&mut self, wanted: &str, value_type: Type) -> Option<String> {
        let value = self.get(SURVEY)?;
        let Some(responses) = value.as_array() else {
            self.error(SURVEY, "a list", value);
            return None;
        };
        for (index, response) in responses.iter().enumerate() {
            let path = format!("{SURVEY}[{index}]");
            if !response.is_object() && !response.is_null() {
                self.error(&path, "an object", response);
            }
            let of_type = response.get("type").is_some_and(|it| is_text(it, wanted));
            let value = response
                .get("value")
                .filter(|value| of_type && !value.is_null());
            match value.map(|value| (value, convert(value, value_type))) {
                None => {}
                Some((_, Ok(text))) => return Some(text),
                Some((value, Err(expected))) => {
                    self.error(&format!("{path}.value"), expected, value);
                }
            }
        }
        None
    }

    fn form_responses(&mut self) -> Option<String> {
        for path in FORMS {
            let Some(value) = self.get(path) else {
                continue;
            };
            let Some(answers) = value.as_array() else {
                self.error(path, "a list", value);
                continue;
            };
            let mut texts = Vec::new();
            for (index, answer) in answers.iter().enumerate() {
                texts.push(self.answer(&format!("{path}[{index}]"), answer));
            }
            return Some(format!("[{}]", texts.join(", ")));
        }
        None
    }

    fn answer(&mut self, path: &str, answer: &Value) -> String {
        if !answer.is_object() {
            if !answer.is_null() {
                self.error(path, "an object", answer);
            }
            return "<null>".to_owned();
        }
        let mut cells = Vec::new();
        for (name, key) in [
            ("field_id", "fieldId"),
            ("field_type", "fieldType"),
            ("field_required", "fieldRequired"),
            ("label", "label"),
            ("value", "value"),
        ] {
            let value = &answer[key];
            let read = match (key, value) {
                (_, Value::Null) => Ok("<null>".to_owned()),
                ("value", Value::Array(_)) => Ok(self.style.write(value)),
                ("fieldRequired", _) => match inner_text(value).trim() {
                    text @ ("true" | "false") => Ok(text.to_owned()),
                    _ => Err("true or false"),
                },
                _ => convert(value, Text),
            };
            let text = read.unwrap_or_else(|expected| {
                self.error(&format!("{path}.{key}"), expected, value);
                "<null>".to_owned()
            });
            cells.push(format!("{name}: {text}"));
        }
        format!("{{{}}}", cells.join(", "))
    }

    fn has_response(&self, wanted: &str) -> bool {
        let responses = self.get(SURVEY).and_then(Value::as_array);
        responses.is_some_and(|responses| {
            responses.iter().any(|response| {
                response.get("type").is_some_and(|it| is_text(it, wanted))
                    && response.get("value").is_some_and(|value| !value.is_null())
            })
        })
    }

    fn event_type(&self, name: &str) -> String {
        let is = |key: &str, text: &str| {
            let value = self.get(&format!("attributes.{key}"));
            value.is_some_and(|value| is_text(value, text))
        };
        let score = self.get("attributes.score").is_some();
        let feedback = self.get("attributes.feedback").is_some();
        let Some(name) = name.strip_prefix("appcues:") else {
            return "other".to_owned();
        };
        if name == "v2:step_interaction" && self.has_response("nps_score") {
            return "nps_score".to_owned();
        }
        if name == "v2:step_interaction" && self.has_response("nps_feedback") {
            return "nps_feedback".to_owned();
        }
        if name == "v2:step_interaction" && is("experienceType", "mobile") {
            if is("interactionType", "Button Tapped") {
                return "mobile_flow_started".to_owned();
            }
            if is("interactionType", "Form Submitted") {
                return "mobile_flow_form_submitted".to_owned();
            }
        }
        let kind = [
            ("mobile", "mobile_flow"),
            ("persistent", "pin"),
            ("nps", "nps"),
            ("banner", "banner"),
        ]
        .into_iter()
        .find(|(kind, _)| is("experienceType", kind))
        .map_or("experience", |(_, prefix)| prefix);
        match name {
            "nps_score" | "nps_score_and_feedback" if feedback && !score => {
                "nps_feedback".to_owned()
            }
            "nps_score" | "nps_score_and_feedback" => "nps_score".to_owned(),
            "step_interacted" => "web_flow_button_clicked".to_owned(),
            "form_submitted" => "web_flow_form_submitted".to_owned(),
            "v2:step_interaction" => format!("{kind}_interacted"),
            "v2:experience_started"
            | "v2:experience_completed"
            | "v2:experience_dismissed"
            | "v2:experience_error"
            | "v2:experience_recovered" => name.replace("v2:experience", kind),
            "v2:step_seen" | "v2:step_completed" | "v2:step_error" | "v2:step_recovered" => {
                name.replace("v2:", "experience_")
            }
            "flow_started" | "flow_completed" | "flow_skipped" | "flow_attempted"
            | "flow_aborted" | "flow_error" => format!("web_{name}"),
            "step_started" | "step_completed" | "step_skipped" | "step_attempted"
            | "step_aborted" | "step_error" => format!("web_flow_{name}"),
            "nps_feedback"
            | "checklist_shown"
            | "checklist_completed"
            | "checklist_skipped"
            | "checklist_item_completed"
            | "banner_dismissed"
            | "push_opened"
            | "email_opened"
            | "workflow_task_started"
            | "session_started"
            | "experiment_entered" => name.to_owned(),
            _ => "other".to_owned(),
        }
    }
}

fn is_text(value: &Value, text: &str) -> bool {
    convert(value, Text).is_ok_and(|value| value == text)
}

/// A string's content, or the JSON text of anything else.
fn inner_text(value: &Value) -> String {
    match (as_literal(value), value) {
        (Some(literal), _) => literal.to_owned(),
        (None, Value::String(text)) => text.clone(),
        (None, other) => other.to_string(),
    }
}

/// The value as the column's text, or what was expected.
fn convert(value: &Value, wanted: Type) -> Result<String, &'static str> {
    let text = inner_text(value);
    let float = text.trim().parse::<f64>().ok();
    match wanted {
        Text if value.is_array() || value.is_object() => Err("a string"),
        Text if text.starts_with('"') && as_literal(value).is_some() => {
            Err("a string of valid Unicode")
        }
        Text => Ok(text),
        Int64 | Int32 => {
            let exact = float.filter(|float| float.fract() == 0.0 && float.abs() < 2f64.powi(53));
            let number = text.trim().parse::<i64>().ok();
            let number = number
                .or(exact.map(|float| float as i64))
                .ok_or("an integer")?;
            let fits = matches!(wanted, Int64) || i32::try_from(number).is_ok();
            fits.then(|| number.to_string()).ok_or("a 32-bit integer")
        }
        Time => {
            let millis = match float {
                Some(float) => Some(float.floor()),
                None => text
                    .trim()
                    .parse::<jiff::Timestamp>()
                    .ok()
                    .map(|time| time.as_nanosecond().div_euclid(1_000_000) as f64),
            };
            let years_1_to_9999 = -62_135_596_800_000.0..253_402_300_800_000.0;
            millis
                .filter(|millis| years_1_to_9999.contains(millis))
                .and_then(|millis| jiff::Timestamp::from_millisecond(millis as i64).ok())
                .map(|time| time.to_string())
                .ok_or("a time (epoch ms or RFC 3339)")
        }
    }
}
