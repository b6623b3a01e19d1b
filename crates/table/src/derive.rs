//! The columns whose rule is more than a list of paths, and how a value becomes a [`Cell`].

use std::borrow::Cow;
use std::sync::LazyLock;

use landfall_appcues::{AppcuesEvent, Field, Mismatch, Paths, convert};
use landfall_core::Timestamp;

use crate::columns::{ANSWER_FIELDS, Kind};
use crate::errors::Errors;

/// What a row is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) event: &'a AppcuesEvent<'a>,
    pub(crate) received_at: Timestamp,
}

/// The value of one column in one row.
#[derive(Debug)]
pub(crate) enum Cell<'a> {
    Text(Cow<'a, str>),
    Int32(i32),
    Int64(i64),
    Boolean(bool),
    Timestamp(Timestamp),
    Texts(Vec<String>),
    Answers(Vec<Option<Answer<'a>>>),
}

/// One answer of a form, in the order of [`ANSWER_FIELDS`].
pub(crate) type Answer<'a> = [Option<Cell<'a>>; ANSWER_FIELDS.len()];

/// Gives a column's value, if there is one, and records what did not fit.
pub(crate) type Derive = for<'a> fn(Row<'a>, &mut Errors) -> Option<Cell<'a>>;

impl Kind {
    /// Reads the JSON text of a value as this type. Lists have rules of their own.
    fn read(self, raw: &str) -> Result<Option<Cell<'_>>, Mismatch<'_>> {
        Ok(match self {
            Self::Int32 => convert::int32(raw)?.map(Cell::Int32),
            Self::Int64 => convert::int64(raw)?.map(Cell::Int64),
            Self::Boolean => convert::boolean(raw)?.map(Cell::Boolean),
            Self::Timestamp => convert::timestamp(raw)?.map(Cell::Timestamp),
            Self::Text | Self::Texts | Self::Answers => convert::string(raw)?.map(Cell::Text),
        })
    }
}

/// The first of `fields` whose value fits `kind`.
pub(crate) fn first<'a>(
    kind: Kind,
    fields: &[Field],
    row: Row<'a>,
    errors: &mut Errors,
) -> Option<Cell<'a>> {
    fields.iter().find_map(|field| {
        let raw = row.event.raw(*field)?;
        errors.keep(field.path(), kind.read(raw))
    })
}

pub(crate) fn event_id<'a>(row: Row<'a>, _: &mut Errors) -> Option<Cell<'a>> {
    Some(Cell::Text(row.event.id().into()))
}

pub(crate) fn event_type<'a>(row: Row<'a>, _: &mut Errors) -> Option<Cell<'a>> {
    Some(Cell::Text(row.event.event_type().into()))
}

pub(crate) fn event_name<'a>(row: Row<'a>, _: &mut Errors) -> Option<Cell<'a>> {
    Some(Cell::Text(row.event.name().into()))
}

pub(crate) fn occurred_at<'a>(row: Row<'a>, _: &mut Errors) -> Option<Cell<'a>> {
    Some(Cell::Timestamp(row.event.occurred_at()))
}

pub(crate) fn received_at<'a>(row: Row<'a>, _: &mut Errors) -> Option<Cell<'a>> {
    Some(Cell::Timestamp(row.received_at))
}

pub(crate) fn payload<'a>(row: Row<'a>, _: &mut Errors) -> Option<Cell<'a>> {
    Some(Cell::Text(row.event.body().into()))
}

pub(crate) fn is_anonymous<'a>(row: Row<'a>, errors: &mut Errors) -> Option<Cell<'a>> {
    match first(Kind::Text, &[Field::UserId], row, errors)? {
        Cell::Text(user_id) => Some(Cell::Boolean(user_id.starts_with("anon:"))),
        _ => None,
    }
}

pub(crate) fn experience_type<'a>(row: Row<'a>, errors: &mut Errors) -> Option<Cell<'a>> {
    let written = first(
        Kind::Text,
        &[Field::FlowType, Field::ExperienceType],
        row,
        errors,
    );
    written.or_else(|| {
        let has = |field| row.event.raw(field).is_some();
        let is_checklist =
            has(Field::ChecklistId) && !has(Field::FlowId) && !has(Field::ExperienceId);
        is_checklist.then(|| Cell::Text("checklist".into()))
    })
}

pub(crate) fn error_id<'a>(row: Row<'a>, errors: &mut Errors) -> Option<Cell<'a>> {
    of_error(Field::ErrorId, row, errors)
}

pub(crate) fn error_message<'a>(row: Row<'a>, errors: &mut Errors) -> Option<Cell<'a>> {
    of_error(Field::Message, row, errors)
}

fn of_error<'a>(field: Field, row: Row<'a>, errors: &mut Errors) -> Option<Cell<'a>> {
    if row.event.name().ends_with("_error") {
        first(Kind::Text, &[field], row, errors)
    } else {
        None
    }
}

pub(crate) fn nps_score<'a>(row: Row<'a>, errors: &mut Errors) -> Option<Cell<'a>> {
    first(Kind::Int32, &[Field::Score], row, errors)
        .or_else(|| survey_response("nps_score", Kind::Int32, row, errors))
}

pub(crate) fn nps_feedback<'a>(row: Row<'a>, errors: &mut Errors) -> Option<Cell<'a>> {
    first(Kind::Text, &[Field::Feedback], row, errors)
        .or_else(|| survey_response("nps_feedback", Kind::Text, row, errors))
}

/// The value of the first survey response of type `wanted` that fits `kind`.
fn survey_response<'a>(
    wanted: &str,
    kind: Kind,
    row: Row<'a>,
    errors: &mut Errors,
) -> Option<Cell<'a>> {
    static PATHS: LazyLock<Paths<2>> = LazyLock::new(|| Paths::new(["type", "value"]));
    let field = Field::InteractionDataSurveyResponses;
    let responses = errors.keep(field.path(), convert::list(row.event.raw(field)?))?;
    responses.into_iter().enumerate().find_map(|(index, raw)| {
        let path = format_args!("{}[{index}]", field.path());
        let [response_type, value] = errors.keep(path, object(&PATHS, raw))?;
        let response_type = convert::string(response_type?).ok().flatten()?;
        if response_type != wanted {
            return None;
        }
        errors.keep(format_args!("{path}.value"), kind.read(value?))
    })
}

pub(crate) fn form_responses<'a>(row: Row<'a>, errors: &mut Errors) -> Option<Cell<'a>> {
    static PATHS: LazyLock<Paths<{ ANSWER_FIELDS.len() }>> =
        LazyLock::new(|| Paths::new(ANSWER_FIELDS.map(|(_, _, key)| key)));
    let fields = [
        Field::InteractionResponse,
        Field::InteractionDataFormResponse,
    ];
    let (path, responses) = fields.iter().find_map(|field| {
        let raw = row.event.raw(*field)?;
        Some((field.path(), errors.keep(field.path(), convert::list(raw))?))
    })?;
    let answers = responses.into_iter().enumerate().map(|(index, raw)| {
        let path = format_args!("{path}[{index}]");
        let values = errors.keep(path, object(&PATHS, raw))?;
        let mut answer = Answer::default();
        for ((cell, value), (_, kind, key)) in answer.iter_mut().zip(values).zip(ANSWER_FIELDS) {
            let Some(value) = value else { continue };
            *cell = if key == "value" && value.starts_with('[') {
                // A choice of several is kept as it is written.
                Some(Cell::Text(value.into()))
            } else {
                errors.keep(format_args!("{path}.{key}"), kind.read(value))
            };
        }
        Some(answer)
    });
    Some(Cell::Answers(answers.collect()))
}

/// The values at `paths`, if `raw` is an object.
fn object<'a, const N: usize>(
    paths: &Paths<N>,
    raw: &'a str,
) -> Result<Option<[Option<&'a str>; N]>, Mismatch<'a>> {
    if raw == "null" {
        return Ok(None);
    }
    let expected = "an object";
    let mismatch = |_| Mismatch {
        expected,
        found: raw,
    };
    paths.read(raw).map(Some).map_err(mismatch)
}
