mod access;
mod limits;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use landfall_core::{Component, Resource, Secret, lenient, secrets, secrets_schema};
use landfall_listen::networks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Tls;
pub use access::{Account, Auth};
pub use limits::Limits;

/// Receives Appcues webhooks over HTTP and lets only genuine ones in. Every setting has a default but the secret.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AppcuesConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// The path of the webhook. A trailing slash or a query string makes no difference; another path: 404 `not_found`.
    pub path: String,
    /// A secret that must follow the path, `<path>/<token>`, of every account's path too: letters, digits and `-._~`. Without
    /// it: 404 `not_found`.
    pub path_token: Option<Secret>,
    /// The networks and addresses that requests may come from, such as `203.0.113.0/24`; empty allows all. Others: 401
    /// `network_not_allowed`.
    #[serde(deserialize_with = "networks")]
    #[schemars(with = "Vec<String>", extend("default" = []))]
    pub allow_networks: Vec<IpNet>,
    /// The networks of proxies whose `X-Forwarded-For` or `Forwarded` is believed.
    #[serde(deserialize_with = "networks")]
    #[schemars(with = "Vec<String>", extend("default" = []))]
    pub trusted_proxies: Vec<IpNet>,
    /// Keys for one account each, beside or instead of `signature.secrets`, whose events may be of any account. An event of
    /// another account: 401 `account_mismatch`.
    #[schemars(extend("default" = []))]
    pub accounts: Vec<Account>,
    /// What requests must carry in `Authorization`. Else: 401 `credentials_missing` or `credentials_wrong`.
    pub auth: Option<Auth>,
    /// TLS; without it plain HTTP is spoken, as is right on loopback and behind a proxy.
    pub tls: Option<Tls>,
    /// Whether bodies may be compressed (`Content-Encoding: gzip` or `deflate`); else such are answered 415.
    #[serde(deserialize_with = "lenient")]
    pub decompression: bool,
    /// How requests are proved genuine.
    pub signature: Signature,
    /// What a sender may take up.
    pub limits: Limits,
}

/// How requests are proved genuine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Signature {
    /// Whether a signature is asked for.
    pub mode: SignatureMode,
    /// The account secret keys. Several during a rotation: any one may match.
    #[serde(deserialize_with = "secrets")]
    #[schemars(schema_with = "secrets_schema", example = ["${APPCUES_WEBHOOK_SECRET}"])]
    pub secrets: Vec<Secret>,
    /// Files with one more secret key each; line ends behind it do not count. Read again when they change.
    pub secret_files: Vec<PathBuf>,
    /// How far the signed timestamp may be from this machine's clock, in seconds, either way; 0 turns the check off.
    #[serde(deserialize_with = "lenient")]
    pub tolerance_secs: u64,
    /// Lets a mode other than `required` pass though nothing else keeps strangers out.
    #[serde(deserialize_with = "lenient")]
    pub allow_unauthenticated: bool,
}

/// Whether a signature is asked for.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SignatureMode {
    /// Every request must carry a valid signature.
    Required,
    /// A request without security headers is taken; one that carries them must be valid.
    Optional,
    /// Nothing is checked: anybody who reaches the address can write events.
    Off,
}

impl Default for AppcuesConfig {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 8080).into(),
            path: "/webhooks/appcues".to_owned(),
            path_token: None,
            allow_networks: Vec::new(),
            trusted_proxies: Vec::new(),
            accounts: Vec::new(),
            auth: None,
            tls: None,
            decompression: false,
            signature: Signature::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Signature {
    fn default() -> Self {
        Self {
            mode: SignatureMode::Required,
            secrets: Vec::new(),
            secret_files: Vec::new(),
            tolerance_secs: 300,
            allow_unauthenticated: false,
        }
    }
}

impl Component for AppcuesConfig {
    fn resources(&self) -> Vec<Resource> {
        vec![Resource::Port(self.address)]
    }

    fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let own = ("path".to_owned(), &self.path);
        let of_accounts = self.accounts.iter().enumerate();
        let of_accounts = of_accounts.filter_map(|(index, account)| {
            Some((format!("accounts[{index}].path"), account.path.as_ref()?))
        });
        for (setting, path) in [own].into_iter().chain(of_accounts) {
            // Every client sends anything else in another way.
            let is_sent_as_it_is = path.bytes().all(|byte| byte.is_ascii_graphic());
            if !path.starts_with('/') || path.contains(['?', '#']) || !is_sent_as_it_is {
                problems.push(format!(
                    "{setting}: must begin with / and hold neither ? nor # nor blanks nor anything but ASCII"
                ));
            }
        }
        problems.extend(access::problems(self));
        problems.extend(self.limits.problems(self.decompression));
        problems.extend(self.tls.iter().flat_map(Tls::problems));
        problems
    }
}
