use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_appcues::EVENT_TYPES;
use landfall_core::{BuildError, Component, Transform, TransformConfig, lenient};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filter::Filter;

/// Leaves out events by type, account or sampling. An event passes if everything that is set lets it pass.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterConfig {
    /// Event types that pass or not, by their names in the catalogue, such as `nps_score`.
    #[schemars(example = BTreeMap::from([("allow", ["nps_score", "nps_feedback"])]))]
    pub event_types: List,
    /// Appcues accounts that pass or not, by `account_id`. An event that names none is on no list.
    pub accounts: List,
    /// Lets only a part of the events pass.
    pub sample: Option<Sample>,
    /// What becomes of bodies that are no Appcues event, which no other setting can judge.
    pub not_events: NotEvents,
}

/// What passes: all that is on `allow`, or everything if that is empty, but for what is on `deny`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct List {
    /// Only these pass; all if it is empty.
    pub allow: Vec<String>,
    /// These do not.
    pub deny: Vec<String>,
}

/// Which part of the events passes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// One in so many passes, by the values of `key_field`: of 10, about a tenth of the users with all of their events.
    #[serde(deserialize_with = "lenient")]
    pub rate: u64,
    /// Events that agree in this pass together or not at all. One that has no such value goes by its id.
    #[serde(default)]
    pub key_field: KeyField,
    /// Any text; another one, another sample. Filters with the same text and rate choose alike.
    #[serde(default)]
    pub seed: String,
}

/// The part of an event that decides whether it is in the sample.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyField {
    /// `user_id`
    #[default]
    UserId,
    /// `group_id`
    GroupId,
    /// `account_id`
    AccountId,
    /// `id`
    EventId,
}

/// What becomes of bodies that are no event.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NotEvents {
    /// They pass, and land in quarantine: nothing is lost by surprise.
    #[default]
    Pass,
    /// They are left out.
    Discard,
}

impl Component for FilterConfig {
    fn validate(&self) -> Vec<String> {
        let Self {
            event_types,
            accounts,
            sample,
            not_events,
        } = self;
        let mut problems = Vec::new();
        for (setting, list) in [("event_types", event_types), ("accounts", accounts)] {
            let contradicted = list.allow.iter().filter(|name| list.deny.contains(name));
            problems.extend(contradicted.map(|name| {
                format!("{setting}: \"{name}\" is on allow and on deny; take it off one")
            }));
        }
        for (setting, names) in [("allow", &event_types.allow), ("deny", &event_types.deny)] {
            problems.extend(names.iter().enumerate().filter_map(|(index, name)| {
                let problem = unknown_type(name)?;
                Some(format!("event_types.{setting}[{index}]: {problem}"))
            }));
        }
        if sample.as_ref().is_some_and(|sample| sample.rate == 0) {
            problems.push("sample.rate: must be at least 1, which lets all pass".to_owned());
        }
        let is_empty = |list: &List| list.allow.is_empty() && list.deny.is_empty();
        if is_empty(event_types)
            && is_empty(accounts)
            && sample.is_none()
            && *not_events == NotEvents::Pass
        {
            problems.push(
                "event_types: everything would pass; set this, accounts, sample or not_events"
                    .to_owned(),
            );
        }
        problems
    }
}

impl TransformConfig for FilterConfig {
    fn build(&self) -> Result<Arc<dyn Transform>, BuildError> {
        Ok(Arc::new(Filter::new(self)))
    }
}

/// What is wrong with `name` as that of an event type.
fn unknown_type(name: &str) -> Option<String> {
    /// Below this, names have little more in common than their alphabet.
    const ALIKE: f64 = 0.75;
    let known = || EVENT_TYPES.iter().map(|event_type| event_type.name);
    if known().any(|known| known == name) {
        return None;
    }
    let alike = |known: &str| strsim::jaro_winkler(known, name);
    let closest = known().max_by(|one, other| alike(one).total_cmp(&alike(other)));
    let advice = match closest.filter(|closest| alike(closest) >= ALIKE) {
        Some(closest) => format!("did you mean {closest}?"),
        None => "docs/catalogue.md has them all".to_owned(),
    };
    Some(format!("there is no event type \"{name}\"; {advice}"))
}
