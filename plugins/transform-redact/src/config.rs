use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use landfall_core::{BuildError, Component, Secret, Transform, TransformConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hash::Hasher;
use crate::redact::Redact;
use crate::rules::Rules;

/// Takes personal data out of events, or puts keyed hashes in its place. Only a key is needed: what is not set has the
/// default that gives least away.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedactConfig {
    /// The secret key of all hashes, of 16 bytes or more. Another key, other hashes.
    #[schemars(example = "${REDACT_KEY}")]
    pub key: Option<Secret>,
    /// A file that holds the key; line ends behind it do not count. Read at the start and on reload.
    pub key_file: Option<PathBuf>,
    /// `user_id`, `userId`, `userID` and `_userId` wherever they stand, and the same ids in any other text of the event.
    pub user_id: Action,
    /// `group_id` and `groupId`, as `user_id`.
    pub group_id: Action,
    /// `account_id` and `accountId`, as `user_id`.
    pub account_id: Action,
    /// The device's ids and its push token (`_deviceId`, `_localId`, `_pushToken`), as `user_id`.
    pub device_id: Action,
    /// What an application told of its users: an export's `identity`, and in `_identity` all that does not describe the
    /// application, its SDK or the device.
    pub profile: Action,
    /// What users wrote in NPS surveys; a number from 0 to 10 is a score, and stays.
    pub feedback: Action,
    /// The answers in forms, but not what was asked.
    pub form_values: Action,
    /// Query strings, fragments and credentials of all URLs.
    pub url_query: Action,
    /// Values at other places, by their JSON paths: `attributes.email`, `attributes.tags[*].name`, `$..phone`.
    pub paths: BTreeMap<String, Action>,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// Its hash takes its place, the same for the same text.
    Hash,
    /// It is taken out.
    Drop,
    /// It stays.
    Keep,
}

impl Default for RedactConfig {
    fn default() -> Self {
        Self {
            key: None,
            key_file: None,
            user_id: Action::Hash,
            group_id: Action::Keep,
            account_id: Action::Keep,
            device_id: Action::Hash,
            profile: Action::Drop,
            feedback: Action::Drop,
            form_values: Action::Drop,
            url_query: Action::Drop,
            paths: BTreeMap::new(),
        }
    }
}

/// A shorter key could be guessed from the hash of a known id.
const MIN_KEY_BYTES: usize = 16;

impl RedactConfig {
    pub(crate) fn hasher(&self) -> Result<Hasher, BuildError> {
        let key = match (&self.key, &self.key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(file)) => {
                let text = fs::read_to_string(file).map_err(|error| {
                    let problem = format!("key_file: cannot read {}: {error}", file.display());
                    BuildError::new(problem).with_source(error)
                })?;
                Secret::new(text.trim_end_matches(['\r', '\n']))
            }
            (None, None) => return Err(BuildError::new(NO_KEY)),
        };
        if key.expose().len() < MIN_KEY_BYTES {
            return Err(BuildError::new(TOO_SHORT));
        }
        Ok(Hasher::new(&key))
    }
}

const NO_KEY: &str = "key: set it or key_file, to a secret of 16 bytes or more";
const TOO_SHORT: &str = "key: must have at least 16 bytes";

impl Component for RedactConfig {
    fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match (&self.key, &self.key_file) {
            (None, None) => problems.push(NO_KEY.to_owned()),
            (Some(_), Some(_)) => problems.push("key_file: set either this or key".to_owned()),
            (Some(key), None) if key.expose().len() < MIN_KEY_BYTES => {
                problems.push(TOO_SHORT.to_owned());
            }
            _ => {}
        }
        problems.extend(Rules::new(self).err().into_iter().flatten());
        problems
    }
}

impl TransformConfig for RedactConfig {
    fn build(&self) -> Result<Arc<dyn Transform>, BuildError> {
        let rules = Rules::new(self).map_err(|problems| BuildError::new(problems.join("; ")))?;
        Ok(Arc::new(Redact::new(rules, self.hasher()?)))
    }
}
