//! From settings to the client of a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Uri};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::{ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use super::meaning::explain;

pub(super) type Built = (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>);

/// Why a store cannot be made.
pub(super) enum Refused {
    /// A setting is wrong by itself, whatever else is set.
    Setting {
        /// Where it would stand in the environment.
        variable: String,
        problem: String,
    },
    Store(String),
}

impl From<object_store::Error> for Refused {
    fn from(error: object_store::Error) -> Self {
        let object_store::Error::Generic {
            store: "Config",
            source,
        } = &error
        else {
            return Self::Store(without_quotes(&explain(&error)));
        };
        // It quotes the value, which may be a credential.
        let text = source.to_string();
        let must = match text.rsplit(" as ").next() {
            Some("boolean") => "must be true or false",
            Some("Duration") => "must be a length of time, such as 30s",
            Some("usize" | "u32") => "must be a whole number, 0 or more",
            _ => "has a value that object_store does not know",
        };
        Self::Setting {
            variable: "a variable of the store".to_owned(),
            problem: must.to_owned(),
        }
    }
}

/// Makes the store, with what the environment says of it if `with_environment`.
pub(super) fn build(
    scheme: &ObjectStoreScheme,
    url: &Url,
    storage: &BTreeMap<String, String>,
    headers: Option<HeaderMap>,
    with_environment: bool,
) -> Result<Built, Refused> {
    // What is not done by then is tried again by the sink itself, which never gives up.
    let retries = RetryConfig {
        max_retries: 3,
        retry_timeout: Duration::from_secs(30),
        ..RetryConfig::default()
    };
    /// The three builders have the same methods and no common trait.
    macro_rules! build {
        ($builder:ty, $keys:ty, $($key:ident: $rule:expr),+) => {{
            let builder = match with_environment {
                true => <$builder>::from_env(),
                false => <$builder>::new(),
            };
            let mut builder = builder.with_url(url.as_str()).with_retry(retries);
            if let Some(headers) = headers {
                // These take the place of the HTTP client's settings from the environment.
                let options = ClientOptions::new().with_default_headers(headers);
                builder = builder.with_client_options(options);
            }
            for (key, value) in storage {
                let known = key.to_ascii_lowercase().parse::<$keys>();
                let known = known.map_err(|_| {
                    let keys = stringify!($keys);
                    Refused::Setting {
                        variable: key.clone(),
                        problem: format!(
                            "this store has no such setting; they are those of object_store's {keys}"
                        ),
                    }
                })?;
                builder = builder.with_config(known, value);
            }
            $(
                let key = <$keys>::$key;
                if let Some(value) = builder.get_config_value(&key) {
                    $rule.check(key.as_ref(), &value)?;
                }
            )+
            let store = Arc::new(builder.build()?);
            let multipart: Arc<dyn MultipartStore> = store.clone();
            Ok((store as Arc<dyn ObjectStore>, multipart))
        }};
    }
    match scheme {
        ObjectStoreScheme::GoogleCloudStorage => build!(
            GoogleCloudStorageBuilder,
            GoogleConfigKey,
            BaseUrl: SERVER
        ),
        ObjectStoreScheme::MicrosoftAzure => build!(
            MicrosoftAzureBuilder,
            AzureConfigKey,
            AccountName: NAME,
            Token: WORD,
            AuthorityId: NAME,
            AuthorityHost: SERVER,
            MsiEndpoint: SERVER,
            Endpoint: SERVER
        ),
        _ => build!(
            AmazonS3Builder,
            AmazonS3ConfigKey,
            AccessKeyId: WORD,
            SecretAccessKey: WORD,
            Token: WORD,
            Region: NAME,
            Endpoint: SERVER,
            S3Endpoint: SERVER,
            StsEndpoint: SERVER,
            MetadataEndpoint: SERVER,
            ContainerCredentialsRelativeUri: WORD,
            ContainerCredentialsFullUri: SERVER
        ),
    }
}

/// What a setting must be that the client puts into its requests as it is: it panics at what cannot stand there.
struct Rule {
    holds: fn(&str) -> bool,
    must: &'static str,
}

const SERVER: Rule = Rule {
    holds: |url| {
        let uri = url.parse::<Uri>().unwrap_or_default();
        matches!(uri.scheme_str(), Some("http" | "https")) && Url::parse(url).is_ok()
    },
    must: "must be the URL of a server, such as http://127.0.0.1:9000",
};

const NAME: Rule = Rule {
    holds: |name| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        name.bytes().all(allowed)
    },
    must: "must be letters, digits, -, . and _",
};

/// The usual mistake is the line break at the end of a file.
const WORD: Rule = Rule {
    holds: |word| word.bytes().all(|byte| byte.is_ascii_graphic()),
    must: "must hold neither blanks nor line breaks nor anything but ASCII",
};

impl Rule {
    fn check(&self, key: &str, value: &str) -> Result<(), Refused> {
        if (self.holds)(value) {
            return Ok(());
        }
        Err(Refused::Setting {
            variable: key.to_ascii_uppercase(),
            problem: self.must.to_owned(),
        })
    }
}

/// `text` with dots in place of what stands in quotes. A settings error quotes the setting, which may be a credential.
fn without_quotes(text: &str) -> String {
    let parts = text.split('"').enumerate();
    parts
        .map(|(number, part)| if number % 2 == 0 { part } else { "…" })
        .collect()
}
