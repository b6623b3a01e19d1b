use std::fmt::Write as _;
use std::str::FromStr;

use jiff::civil::Date;
use landfall_appcues::AppcuesEvent;
use landfall_core::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

/// What engines that follow Hive take for a null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Longer names of folders are refused by file systems, or nearly so.
const MAX_FOLDER_BYTES: usize = 240;

const MILLIS_PER_HOUR: i64 = 60 * 60 * 1000;

/// Where files of events lie below the lake's root, such as `events/date={date}`.
///
/// Fields stand in braces: `{date}` and `{hour}` of `occurred_at` in UTC, `{event_type}`, `{account_id}`. Their values are
/// escaped as Hive does, and so is a `.` or `_` that a folder would begin with; an account that is missing, empty or too long for
/// the name of a folder is `__HIVE_DEFAULT_PARTITION__`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct PartitionTemplate(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Date,
    Hour,
    EventType,
    AccountId,
}

impl PartitionTemplate {
    /// What is used where none is given.
    pub(crate) const DEFAULT: &str = "events/date={date}";

    /// Writes the folder of `event` to `out`, in place of what is there.
    pub(crate) fn render(&self, event: &AppcuesEvent<'_>, out: &mut String) {
        let account = event.account_id().unwrap_or_default();
        self.render_with(event, &account, out);
        if out.split('/').any(|folder| folder.len() > MAX_FOLDER_BYTES) {
            self.render_with(event, "", out);
        }
    }

    fn render_with(&self, event: &AppcuesEvent<'_>, account: &str, out: &mut String) {
        out.clear();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Field(Field::Date) => push(out, date(event.occurred_at())),
                Piece::Field(Field::Hour) => {
                    let hours = event.occurred_at().as_millis().div_euclid(MILLIS_PER_HOUR);
                    push(out, format_args!("{:02}", hours.rem_euclid(24)));
                }
                Piece::Field(Field::EventType) => push_escaped(out, event.event_type()),
                Piece::Field(Field::AccountId) => push_escaped(out, account),
            }
        }
    }
}

impl Default for PartitionTemplate {
    fn default() -> Self {
        Self(vec![
            Piece::Text("events/date=".to_owned()),
            Piece::Field(Field::Date),
        ])
    }
}

/// Why a text is no [`PartitionTemplate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPartition(&'static str);

impl FromStr for PartitionTemplate {
    type Err = InvalidPartition;

    fn from_str(template: &str) -> Result<Self, InvalidPartition> {
        let invalid = |why| Err(InvalidPartition(why));
        let first = template.split('/').next().unwrap_or_default();
        if first.is_empty() || first.contains(['{', '}']) || first == "quarantine" {
            return invalid("must begin with a folder of its own, such as events/");
        }
        if template
            .split('/')
            .any(|folder| matches!(folder, "" | "." | ".."))
        {
            return invalid("must not hold empty folders, . or ..");
        }
        // All fields but the account are short.
        if template
            .split('/')
            .any(|folder| folder.len() > MAX_FOLDER_BYTES / 2)
        {
            return invalid("must not hold folders with such long names");
        }
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some((text, field)) = rest.split_once('{') {
            let Some((name, after)) = field.split_once('}') else {
                return invalid("a { is not closed");
            };
            pieces.push(Piece::Text(text.to_owned()));
            pieces.push(Piece::Field(match name {
                "date" => Field::Date,
                "hour" => Field::Hour,
                "event_type" => Field::EventType,
                "account_id" => Field::AccountId,
                _ => return invalid("knows {date}, {hour}, {event_type} and {account_id}"),
            }));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }
}

impl TryFrom<String> for PartitionTemplate {
    type Error = InvalidPartition;

    fn try_from(template: String) -> Result<Self, InvalidPartition> {
        template.parse()
    }
}

/// The day of `time` in UTC. A clock beyond the calendar counts as its last day, or its first.
pub(crate) fn date(time: Timestamp) -> Date {
    let days = time.as_millis().div_euclid(24 * MILLIS_PER_HOUR);
    let epoch = Date::constant(1970, 1, 1);
    epoch.saturating_add(jiff::Span::new().days(days.clamp(-7_304_484, 7_304_484)))
}

#[expect(clippy::expect_used, reason = "stated invariant")]
fn push(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("a string takes everything");
}

/// Hive's rule: control characters, and those that mean something in a path or a pattern, as `%` and two hex digits. So is what
/// would make the folder a hidden one, which Hive, Spark and Athena pass over.
fn push_escaped(out: &mut String, value: &str) {
    let value = if value.is_empty() { NULL } else { value };
    for character in value.chars() {
        let hides = matches!(character, '.' | '_') && out.ends_with('/');
        if hides || character.is_ascii_control() || "\"#%'*/:=?\\{}[]^<>|~`".contains(character) {
            push(out, format_args!("%{:02X}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    // Not a folder's name but a way up.
    if out.ends_with("/.") || out.ends_with("/..") {
        out.push_str("%2E");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(template: &str, members: &str) -> String {
        let template: PartitionTemplate = template.parse().unwrap();
        let body = format!(r#"{{"id":"1","name":"appcues:flow_started",{members}}}"#);
        let mut out = "something else".to_owned();
        template.render(&AppcuesEvent::parse(body.as_bytes()).unwrap(), &mut out);
        out
    }

    #[test]
    fn a_day_is_told_for_every_time() {
        let day = |millis| date(Timestamp::from_millis(millis)).to_string();
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(-1), "1969-12-31");
        assert_eq!(day(1_684_868_643_141), "2023-05-23");
        assert_eq!(day(253_402_300_799_999), "9999-12-31");
        assert_eq!(day(i64::MAX), "9999-12-31");
        assert_eq!(day(i64::MIN), "-009999-01-01");
    }

    #[test]
    fn the_default_is_what_is_said_to_be_it() {
        let body = br#"{"id":"1","name":"appcues:flow_started","timestamp":0}"#;
        let mut out = String::new();
        PartitionTemplate::default().render(&AppcuesEvent::parse(body).unwrap(), &mut out);
        assert_eq!(out, folder(PartitionTemplate::DEFAULT, r#""timestamp":0"#));
    }

    #[test]
    fn fields_are_filled_from_the_event() {
        let template = "events/type={event_type}/date={date}/hour={hour}/a";
        let expected = "events/type=web_flow_started/date=2023-05-23/hour=19/a";
        assert_eq!(folder(template, r#""timestamp":1684868643141"#), expected);
    }

    #[test]
    fn values_are_escaped_as_hive_does() {
        let account = |account: &str| {
            folder(
                "events/account={account_id}",
                &format!(r#""timestamp":0,"account_id":{account}"#),
            )
        };
        assert_eq!(account("94742"), "events/account=94742");
        assert_eq!(account(r#""a/b=c %ü""#), "events/account=a%2Fb%3Dc %25ü");
        assert_eq!(account("null"), "events/account=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(
            account(&format!("\"{}\"", "a".repeat(300))),
            "events/account=__HIVE_DEFAULT_PARTITION__"
        );
        let long = account(&format!("\"{}\"", "%".repeat(128)));
        assert_eq!(long, "events/account=__HIVE_DEFAULT_PARTITION__");
    }

    #[test]
    fn no_value_makes_a_folder_hidden_or_leads_up() {
        let account = |template: &str, account: &str| {
            folder(
                template,
                &format!(r#""timestamp":0,"account_id":"{account}""#),
            )
        };
        for (value, expected) in [
            ("..", "events/%2E."),
            (".", "events/%2E"),
            ("._a_.", "events/%2E_a_."),
            ("__a", "events/%5F_a"),
            ("a_.b", "events/a_.b"),
            ("", "events/%5F_HIVE_DEFAULT_PARTITION__"),
        ] {
            assert_eq!(account("events/{account_id}", value), expected);
        }
        assert_eq!(account("events/a={account_id}", "_"), "events/a=_");
        assert_eq!(account("events/.{account_id}", "."), "events/..%2E");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for template in [
            "",
            "/a",
            "quarantine/{date}",
            "{date}",
            "a//b",
            "a/../b",
            "a/{day}",
            "a/{date",
            &"a".repeat(200),
        ] {
            assert!(template.parse::<PartitionTemplate>().is_err(), "{template}");
        }
    }
}
