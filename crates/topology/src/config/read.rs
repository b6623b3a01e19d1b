use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use super::problem::{Problem, joined};
use super::strict::Strict;
use super::wording::{advice, missing_field, unknown_field};

/// Nobody reads on after so many.
const MOST_PROBLEMS: usize = 100;

/// What came of reading settings.
pub(crate) struct Read<C> {
    /// Without what there is a problem with; `None` if that cannot be left out.
    pub(crate) settings: Option<C>,
    /// Everything that is wrong, with paths below the settings.
    pub(crate) problems: Vec<Problem>,
}

impl<C> Read<C> {
    pub(crate) fn map<D>(self, map: impl FnOnce(C) -> D) -> Read<D> {
        Read {
            settings: self.settings.map(map),
            problems: self.problems,
        }
    }
}

/// What stands in for a setting that is missing, so that all others are looked at too: one of these should be of its kind.
const STAND_INS: [fn() -> Value; 5] = [
    || Value::from(""),
    || Value::from(0),
    || Value::from(false),
    || Value::Array(Vec::new()),
    || Value::Object(Map::new()),
];

/// Reads settings, beside which those called `also` have been read already.
///
/// serde stops at the first mistake. What it names is taken away, or put there if it is missing, and all read again.
pub(crate) fn read<C: DeserializeOwned>(mut value: Value, also: &[&str]) -> Read<C> {
    let mut problems = Vec::new();
    let mut stand_in = StandIn::default();
    loop {
        let error = match serde_path_to_error::deserialize(Strict(value.clone())) {
            Ok(settings) => {
                return Read {
                    settings: Some(settings),
                    problems,
                };
            }
            Err(error) => error,
        };
        let message = error.inner().to_string();
        let mut place = steps(error.path());
        // In an enum that a tag tells apart, serde does not count the last step.
        if let Some(name) = unknown_field(&message)
            && !matches!(place.last(), Some(Step::Key(key)) if key == name)
        {
            place.push(Step::Key(name.to_owned()));
        }
        let goes_on = if let Some(name) = missing_field(&message) {
            place.push(Step::Key(name.to_owned()));
            problems.push(Problem::new(path_of(&place), "is missing"));
            stand_in = StandIn { place, tried: 0 };
            stand_in.put(&mut value)
        } else if !stand_in.place.is_empty() && stand_in.place.starts_with(&place) {
            stand_in.put(&mut value)
        } else {
            let also = if place.len() == 1 { also } else { &[] };
            problems.push(Problem::new(path_of(&place), advice(&message, also)));
            take_away(&mut value, &place)
        };
        if !goes_on || problems.len() == MOST_PROBLEMS {
            return Read {
                settings: None,
                problems,
            };
        }
    }
}

#[derive(PartialEq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

pub(super) fn path_of(place: &[Step]) -> String {
    place.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => joined(&path, key),
        Step::Index(index) => format!("{path}[{index}]"),
    })
}

pub(super) fn steps(path: &Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// What stands in for the last setting that was found missing.
#[derive(Default)]
struct StandIn {
    place: Vec<Step>,
    tried: usize,
}

impl StandIn {
    /// Puts the next one there; or takes away what is around it if none has fitted.
    fn put(&mut self, value: &mut Value) -> bool {
        let Some((Step::Key(key), before)) = self.place.split_last() else {
            return false;
        };
        self.tried += 1;
        match (STAND_INS.get(self.tried - 1), holder(value, before)) {
            (Some(stand_in), Some(Value::Object(table))) => {
                table.insert(key.clone(), stand_in());
                true
            }
            _ => take_away(value, before),
        }
    }
}

/// Takes what is at `place` out of `value`; of a list, with all behind it, since these would stand in other places then.
fn take_away(value: &mut Value, place: &[Step]) -> bool {
    let Some((last, before)) = place.split_last() else {
        return false;
    };
    match (holder(value, before), last) {
        (Some(Value::Object(table)), Step::Key(key)) => table.remove(key).is_some(),
        (Some(Value::Array(items)), Step::Index(index)) if *index < items.len() => {
            items.truncate(*index);
            true
        }
        _ => false,
    }
}

/// What is at `place`.
fn holder<'a>(value: &'a mut Value, place: &[Step]) -> Option<&'a mut Value> {
    place.iter().try_fold(value, |holder, step| match step {
        Step::Key(key) => holder.get_mut(key),
        Step::Index(index) => holder.get_mut(index),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        On,
        Off,
    }

    #[derive(Debug, Deserialize)]
    #[serde(tag = "strategy", rename_all = "lowercase", deny_unknown_fields)]
    enum Auth {
        Basic {
            #[serde(rename = "username")]
            _username: String,
            #[serde(rename = "port")]
            _port: u16,
        },
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        mode: Option<Mode>,
        #[serde(default)]
        limits: BTreeMap<String, u64>,
        #[serde(rename = "auth")]
        _auth: Option<Auth>,
        #[serde(default)]
        peers: Vec<String>,
        #[serde(default, rename = "routes")]
        _routes: Vec<Route>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Route {
        #[serde(rename = "to")]
        _to: String,
        #[serde(rename = "over")]
        _over: u64,
    }

    fn problems(value: Value) -> Vec<String> {
        let read = read::<Settings>(value, &["inputs"]);
        read.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_is_named_with_its_place_and_what_fits_but_never_the_value() {
        let found = problems(json!({
            "mode": "hunter2",
            "limits": { "a": "x\", expected hunter2", "b": 1, "c": -1 },
            "auth": { "strategy": "basic", "username": "me", "port": 1, "pasword": "hunter2" },
            "peers": ["one", ["hunter2"], "three"],
            "routes": [["hunter2", 1]],
            "input": ["hunter2"],
        }));
        let expected = [
            "auth.pasword: there is no such setting; known: username, port",
            "input: there is no such setting; did you mean inputs?",
            "limits.a: must be a whole number, 0 or more",
            "limits.c: must be a whole number, 0 or more",
            "mode: must be on or off",
            "peers[1]: must be a string",
            "routes[0]: must be a table",
        ];
        assert_eq!(found, expected);
        assert_eq!(problems(json!("hunter2")), ["must be a table"]);
    }

    #[test]
    fn what_is_right_is_read_though_the_rest_is_not() {
        let value = json!({ "mode": "off", "limits": { "a": 1, "b": [] }, "peers": ["one", 2] });
        let settings = read::<Settings>(value, &[]).settings.unwrap();
        assert!(matches!(settings.mode, Some(Mode::Off)));
        assert_eq!(settings.limits, BTreeMap::from([("a".to_owned(), 1)]));
        assert_eq!(settings.peers, ["one"]);
    }

    #[test]
    fn what_is_missing_is_named_where_it_should_stand() {
        let missing =
            json!({ "auth": { "strategy": "basic" }, "mode": 1, "routes": [{ "to": "a" }, {}] });
        assert_eq!(
            problems(missing),
            [
                "auth.username: is missing",
                "auth.port: is missing",
                "mode: must be a string",
                "routes[0].over: is missing",
                "routes[1].to: is missing",
                "routes[1].over: is missing",
            ]
        );
    }
}
