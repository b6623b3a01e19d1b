use std::path::PathBuf;

use landfall_core::lenient;
use schemars::JsonSchema;
use serde::Deserialize;

/// TLS 1.2 and 1.3 on the listening socket. The files are PEM, and read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Whether TLS is spoken; true unless it is said that it is not.
    #[serde(deserialize_with = "lenient")]
    pub enabled: bool,
    /// The certificate, and then those that lead to its authority.
    pub crt_file: Option<PathBuf>,
    /// The certificate's private key: PKCS#8, PKCS#1 or SEC1.
    pub key_file: Option<PathBuf>,
    /// The authorities of client certificates.
    pub ca_file: Option<PathBuf>,
    /// Whether clients must present a certificate of one of these authorities.
    #[serde(deserialize_with = "lenient")]
    pub verify_certificate: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            enabled: true,
            crt_file: None,
            key_file: None,
            ca_file: None,
            verify_certificate: false,
        }
    }
}

impl Tls {
    /// What is wrong with the settings.
    pub fn problems(&self) -> Vec<String> {
        let needed = [
            ("crt_file", self.enabled && self.crt_file.is_none()),
            ("key_file", self.enabled && self.key_file.is_none()),
            (
                "ca_file",
                self.enabled && self.verify_certificate && self.ca_file.is_none(),
            ),
        ];
        let missing = needed.into_iter().filter(|(_, is_missing)| *is_missing);
        let mut problems: Vec<_> = missing
            .map(|(name, _)| format!("tls.{name}: is needed"))
            .collect();
        if self.ca_file.is_some() && !self.verify_certificate {
            problems.push(
                "tls.ca_file: is only used with verify_certificate = true, and client certificates are not checked \
                 without"
                    .to_owned(),
            );
        }
        problems
    }
}
