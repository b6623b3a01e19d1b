//! From the `uri` and `storage` settings to a store, and from a store's errors to sentences.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Component, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

/// A store, and where in it.
pub(crate) struct Location {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The same store, where it takes large objects in parts.
    pub(crate) multipart: Option<Arc<dyn MultipartStore>>,
    pub(crate) prefix: Path,
    /// The directory itself when the store is local.
    pub(crate) directory: Option<PathBuf>,
}

/// Opens the place that `uri` names. Settings that are not in `storage` are taken from the environment as `object_store`
/// does: `AWS_…`, `GOOGLE_…`, `AZURE_…`, web identity, instance metadata.
///
/// # Errors
/// What to change, without the value that is wrong: it may be a credential.
pub(crate) fn open(
    uri: &str,
    storage: &BTreeMap<String, String>,
    headers: &BTreeMap<String, String>,
) -> Result<Location, String> {
    // A single letter is no scheme but a drive, and no colon at all is a plain path.
    let url = match Url::parse(uri) {
        Ok(url) if url.scheme().len() > 1 => url,
        _ => return local(&std::path::absolute(uri).map_err(|error| error.to_string())?),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not hold credentials; give them under storage, or in the environment".to_owned(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold ? or #; give settings under storage".to_owned());
    }
    let known = ObjectStoreScheme::parse(&url);
    let (scheme, path) = known.map_err(|_| {
        format!(
            "{}: is no kind of store; use s3://, gs://, az://, file:// or a path",
            url.scheme()
        )
    })?;
    let prefix = Path::parse(path).map_err(|error| error.to_string())?;
    // What is not done by then is tried again by the sink itself, which never gives up.
    let retries = RetryConfig {
        max_retries: 3,
        retry_timeout: Duration::from_secs(30),
        ..RetryConfig::default()
    };
    /// The three builders have the same methods and no common trait.
    macro_rules! build {
        ($builder:ty) => {{
            let mut builder = <$builder>::from_env()
                .with_url(url.as_str())
                .with_retry(retries);
            if !headers.is_empty() {
                // These take the place of the HTTP client's settings from the environment.
                let options = ClientOptions::new().with_default_headers(header_map(headers)?);
                builder = builder.with_client_options(options);
            }
            for (key, value) in storage {
                let known = key.to_ascii_lowercase().parse();
                let known =
                    known.map_err(|_| format!("storage.{key}: this store has no such setting"))?;
                builder = builder.with_config(known, value);
            }
            let store = builder
                .build()
                .map_err(|error| without_quotes(&explain(&error)))?;
            let store = Arc::new(store);
            let multipart: Arc<dyn MultipartStore> = store.clone();
            (store as Arc<dyn ObjectStore>, multipart)
        }};
    }
    let (store, multipart) = match scheme {
        ObjectStoreScheme::Local => {
            let path = url.to_file_path();
            return local(&path.map_err(|()| "file: needs an absolute path".to_owned())?);
        }
        ObjectStoreScheme::AmazonS3 => build!(AmazonS3Builder),
        ObjectStoreScheme::GoogleCloudStorage => build!(GoogleCloudStorageBuilder),
        ObjectStoreScheme::MicrosoftAzure => build!(MicrosoftAzureBuilder),
        _ => return Err(format!("{}: cannot be landed in", url.scheme())),
    };
    Ok(Location {
        store,
        multipart: Some(multipart),
        prefix,
        directory: None,
    })
}

fn header_map(headers: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let headers = headers.iter().map(|(name, value)| {
        let parsed = name
            .parse::<HeaderName>()
            .ok()
            .zip(value.parse::<HeaderValue>().ok());
        parsed.ok_or_else(|| format!("headers.{name}: is no HTTP header"))
    });
    headers.collect()
}

fn local(directory: &std::path::Path) -> Result<Location, String> {
    let directory = without_parents(directory);
    let prefix = Path::from_absolute_path(&directory).map_err(|error| error.to_string())?;
    Ok(Location {
        store: Arc::new(LocalFileSystem::new()),
        multipart: None,
        prefix,
        directory: Some(directory),
    })
}

/// `path` without `..`, which no store knows. Where a link leads to a folder, its parent is that folder's, as the system has it.
fn without_parents(path: &std::path::Path) -> PathBuf {
    let mut directory = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            directory = directory.canonicalize().unwrap_or(directory);
            directory.pop();
        } else {
            directory.push(component);
        }
    }
    directory
}

/// A cause that keeps files from landing, and what it means to whoever has to mend it.
struct Meaning {
    /// In metrics: stable, and one of few.
    code: &'static str,
    sentence: &'static str,
    /// It is this if one of these stands in what the store, its client or the system says. The first that fits counts.
    signs: &'static [&'static str],
}

const MEANINGS: [Meaning; 22] = [
    Meaning {
        code: "no_such_bucket",
        sentence: "there is no such bucket",
        signs: &["NoSuchBucket"],
    },
    Meaning {
        code: "unknown_access_key",
        sentence: "the store does not know this access key",
        signs: &["InvalidAccessKeyId"],
    },
    Meaning {
        code: "wrong_secret_key",
        sentence: "the secret key does not fit the access key",
        signs: &["SignatureDoesNotMatch"],
    },
    Meaning {
        code: "clock_skew",
        sentence: "this machine's clock is wrong",
        signs: &["RequestTimeTooSkewed"],
    },
    Meaning {
        code: "expired_credentials",
        sentence: "the credentials have expired",
        signs: &["ExpiredToken", "TokenRefreshRequired"],
    },
    Meaning {
        code: "access_denied",
        sentence: "access is denied; the key needs to put, get, list and delete objects",
        signs: &["AccessDenied"],
    },
    Meaning {
        code: "wrong_region",
        sentence: "the bucket is in another region; set storage.region",
        signs: &[
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraint",
        ],
    },
    Meaning {
        code: "quota_exceeded",
        sentence: "the store's quota is used up",
        signs: &["QuotaExceeded", "507 Insufficient Storage"],
    },
    Meaning {
        code: "checksum_mismatch",
        sentence: "the store got other bytes than were sent; something on the way changes them",
        signs: &["BadDigest", "XAmzContentSHA256Mismatch"],
    },
    Meaning {
        code: "slow_down",
        sentence: "the store asks for fewer requests",
        signs: &["SlowDown", "ServerBusy", "429 Too Many Requests"],
    },
    Meaning {
        code: "connection_refused",
        sentence: "nothing listens at the endpoint",
        signs: &["Connection refused"],
    },
    Meaning {
        code: "untrusted_certificate",
        sentence: "the endpoint's TLS certificate is not trusted; name its authority's PEM file in SSL_CERT_FILE",
        signs: &["invalid peer certificate"],
    },
    Meaning {
        code: "no_tls",
        sentence: "the endpoint does not speak TLS; begin it with http:// and set storage.allow_http",
        signs: &["InvalidContentType"],
    },
    Meaning {
        code: "http_not_allowed",
        sentence: "the endpoint is plain http; set storage.allow_http to true",
        signs: &["URL scheme is not allowed"],
    },
    Meaning {
        code: "unknown_host",
        sentence: "the endpoint's name cannot be resolved",
        signs: &["dns error"],
    },
    Meaning {
        code: "timeout",
        sentence: "no answer came in time",
        signs: &["timed out"],
    },
    Meaning {
        code: "connection_lost",
        sentence: "the connection broke",
        signs: &[
            "Connection reset",
            "Broken pipe",
            "connection closed before message completed",
        ],
    },
    Meaning {
        code: "disk_full",
        sentence: "the disk is full",
        signs: &["No space left on device", "Disk quota exceeded"],
    },
    Meaning {
        code: "read_only",
        sentence: "the file system takes no writes",
        signs: &["Read-only file system"],
    },
    Meaning {
        code: "permission_denied",
        sentence: "the directory may not be written to",
        signs: &["Permission denied"],
    },
    Meaning {
        code: "directory_missing",
        sentence: "the directory is not there",
        signs: &["is not there any more", "Not a directory"],
    },
    Meaning {
        code: "server_error",
        sentence: "the store has failed",
        signs: &[
            "InternalError",
            "500 Internal",
            "502 Bad",
            "503 Service",
            "504 Gateway",
        ],
    },
];

/// One sentence for `error`: what it means, if that is known, and its innermost cause.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    let causes = causes(error);
    // Some answers are whole XML documents.
    let innermost = causes.last().map_or("", String::as_str);
    let mut innermost = innermost.replace(['\n', '\r'], " ");
    if let Some((cut, _)) = innermost.char_indices().nth(300) {
        innermost.truncate(cut);
    }
    match meaning(&causes) {
        Some(Meaning { sentence, .. }) => format!("{sentence} ({innermost})"),
        None => innermost,
    }
}

/// The cause of `error` as metrics tell it; `other` if it is not known.
pub(crate) fn code(error: &(dyn Error + 'static)) -> &'static str {
    meaning(&causes(error)).map_or("other", |meaning| meaning.code)
}

fn meaning(causes: &[String]) -> Option<&'static Meaning> {
    let stands = |sign: &&str| causes.iter().any(|cause| cause.contains(sign));
    MEANINGS
        .iter()
        .find(|meaning| meaning.signs.iter().any(stands))
}

/// What `error` says, and each cause below it, the innermost last.
fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect()
}

/// `text` with dots in place of what stands in quotes. A settings error quotes the setting, which may be a credential.
fn without_quotes(text: &str) -> String {
    let parts = text.split('"').enumerate();
    parts
        .map(|(number, part)| if number % 2 == 0 { part } else { "…" })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(uri: &str, storage: &[(&str, &str)]) -> String {
        let storage = storage
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        open(uri, &storage.collect(), &BTreeMap::new())
            .map(drop)
            .unwrap_err()
    }

    #[test]
    fn what_cannot_be_landed_in_is_refused() {
        assert!(problem("memory:///", &[]).contains("memory"));
        assert!(problem("ftp://example.com/lake", &[]).contains("ftp"));
        assert!(problem("s3://bucket/lake", &[("endpont", "x")]).contains("storage.endpont"));
    }

    #[test]
    fn a_path_may_lead_up() {
        let there = tempfile::tempdir().unwrap();
        let (folder, link) = (there.path().join("a/b"), there.path().join("link"));
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let none = BTreeMap::new();
        for (uri, expected) in [("a/b/../../lake", "lake"), ("link/../lake", "a/lake")] {
            let uri = there.path().join(uri).display().to_string();
            let directory = open(&uri, &none, &none).unwrap().directory.unwrap();
            let root = there.path().canonicalize().unwrap();
            assert_eq!(directory, root.join(expected), "{uri}");
        }
    }

    #[test]
    fn credentials_are_never_shown() {
        for uri in ["s3://key:hunter2@bucket/lake", "hunter2://bucket:hunter2@x"] {
            let shown = problem(uri, &[]).replace("hunter2:", "");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let shown = problem("s3://bucket/lake", &[("allow_http", "hunter2")]);
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn every_store_can_be_named() {
        let none = BTreeMap::new();
        let region = [
            ("region", "eu-central-1"),
            ("access_key_id", "a"),
            ("secret_access_key", "b"),
        ];
        let storage = |settings: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            owned.collect()
        };
        assert!(open("s3://bucket/lake", &storage(&region), &none).is_ok());
        let account = [("account_name", "a"), ("access_key", "Zm9v")];
        assert!(open("az://container/lake", &storage(&account), &none).is_ok());
        assert!(
            open(
                "gs://bucket/lake",
                &storage(&[("skip_signature", "true")]),
                &none
            )
            .is_ok()
        );
        assert_eq!(
            open("a/b", &none, &none)
                .unwrap()
                .directory
                .unwrap()
                .file_name()
                .unwrap(),
            "b"
        );
    }
}
