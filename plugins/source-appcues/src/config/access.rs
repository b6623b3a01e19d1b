use std::path::PathBuf;

use landfall_core::{Secret, secrets, secrets_schema};
use landfall_listen::is_everywhere;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{AppcuesConfig, SignatureMode};

/// Keys that may sign events of one Appcues account and of no other.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The account: an event's `account_id` must be the same.
    pub id: String,
    /// Its secret keys; any one may match.
    #[serde(default, deserialize_with = "secrets")]
    #[schemars(schema_with = "secrets_schema")]
    pub secrets: Vec<Secret>,
    /// Files with one secret key each, read again when they change.
    #[serde(default)]
    pub secret_files: Vec<PathBuf>,
    /// The path of its webhook. Without one it shares the source's path.
    pub path: Option<String>,
}

/// What a request must carry in `Authorization`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "strategy", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Auth {
    /// Username and password of HTTP basic authentication, RFC 7617.
    Basic {
        /// The username, without a colon.
        username: String,
        /// The password.
        password: Secret,
    },
}

/// What is wrong with the settings that say who gets in.
pub(super) fn problems(config: &AppcuesConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let signature = &config.signature;
    if signature.mode != SignatureMode::Off
        && signature.secrets.is_empty()
        && signature.secret_files.is_empty()
        && config.accounts.is_empty()
    {
        problems.push(
            "signature.secrets: give at least one account secret key, such as \
             [\"${APPCUES_WEBHOOK_SECRET}\"]"
                .to_owned(),
        );
    }
    let own = ("signature".to_owned(), &signature.secrets);
    let of_accounts = config.accounts.iter().enumerate();
    let of_accounts =
        of_accounts.map(|(index, account)| (format!("accounts[{index}]"), &account.secrets));
    for (setting, secrets) in [own].into_iter().chain(of_accounts) {
        for (index, secret) in secrets.iter().enumerate() {
            let secret = secret.expose();
            let problem = if secret.is_empty() {
                "an empty secret would let anybody in"
            } else if secret.trim() != secret {
                // As of a file with a line break at its end: nothing that Appcues signs would be let in.
                "begins or ends with a blank or a line break; take that off"
            } else {
                continue;
            };
            problems.push(format!("{setting}.secrets[{index}]: {problem}"));
        }
    }
    for (index, account) in config.accounts.iter().enumerate() {
        let mut wrong = |what: String| problems.push(format!("accounts[{index}]{what}"));
        if signature.mode != SignatureMode::Off
            && account.secrets.is_empty()
            && account.secret_files.is_empty()
        {
            wrong(format!(
                ": \"{}\" needs secrets or secret_files",
                account.id
            ));
        }
        if account.id.is_empty() {
            wrong(".id: an account needs an id".to_owned());
        }
        let mut others = config.accounts[..index].iter();
        if others.any(|other| other.id == account.id) {
            wrong(format!(".id: \"{}\" is there twice", account.id));
        }
    }
    if config.trusted_proxies.iter().any(is_everywhere) {
        problems.push(
            "trusted_proxies: name your proxies alone; whoever is one can claim any address"
                .to_owned(),
        );
    }
    if let Some(token) = &config.path_token
        && !is_path_segment(token.expose())
    {
        problems.push(
            "path_token: must be letters, digits, -, ., _ and ~, and at least one".to_owned(),
        );
    }
    if let Some(Auth::Basic { username, password }) = &config.auth {
        if username.contains(':') {
            problems.push("auth.username: must not hold a colon".to_owned());
        }
        if password.expose().is_empty() {
            problems.push("auth.password: must not be empty".to_owned());
        }
    }
    if signature.mode != SignatureMode::Required
        && !signature.allow_unauthenticated
        && config.protections().is_empty()
    {
        problems.push(
            "signature.mode: unless it is required, anybody could write events; set path_token, auth, allow_networks \
             or tls.verify_certificate, or signature.allow_unauthenticated = true if that is meant"
                .to_owned(),
        );
    }
    problems
}

impl AppcuesConfig {
    /// What keeps strangers out beside the signature.
    pub(crate) fn protections(&self) -> Vec<&'static str> {
        [
            ("path_token", self.path_token.is_some()),
            ("auth", self.auth.is_some()),
            (
                "allow_networks",
                !self.allow_networks.is_empty() && !self.allow_networks.iter().any(is_everywhere),
            ),
            (
                "tls.verify_certificate",
                self.tls
                    .as_ref()
                    .is_some_and(|tls| tls.enabled && tls.verify_certificate),
            ),
        ]
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name))
        .collect()
    }
}

/// Characters that stand for themselves in every URL (RFC 3986, unreserved). A segment of dots alone would be a folder.
fn is_path_segment(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().all(is_unreserved) && !text.bytes().all(|byte| byte == b'.')
}
