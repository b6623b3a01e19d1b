//! From the `uri` and `storage` settings to a store.

mod meaning;

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

pub(crate) use meaning::{code, explain};

/// A store, and where in it.
pub(crate) struct Location {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The same store, where it takes large objects in parts.
    pub(crate) multipart: Option<Arc<dyn MultipartStore>>,
    pub(crate) prefix: Path,
    /// The directory itself when the store is local.
    pub(crate) directory: Option<PathBuf>,
}

/// Everything that the settings tell to be wrong with themselves, each as `setting: what to do`. Nothing is opened, and nothing
/// taken from the environment.
pub(crate) fn problems(
    uri: &str,
    storage: &BTreeMap<String, String>,
    headers: &BTreeMap<String, String>,
) -> Vec<String> {
    let place = match place(uri) {
        Ok(place) => place,
        Err(problem) => return vec![format!("uri: {problem}")],
    };
    let Place::Store { scheme, url, .. } = place else {
        return Vec::new();
    };
    let wrong = |storage: &BTreeMap<_, _>| match build(&scheme, &url, storage, None, false) {
        Err(Refused::Setting(problem)) => Some(problem),
        // What is missing may stand in the environment.
        Err(Refused::Store(_)) | Ok(_) => None,
    };
    let mut problems: Vec<_> = header_map(headers).err().into_iter().collect();
    if wrong(storage).is_some() {
        // Which it is, only a store with that setting alone tells.
        problems.extend(storage.iter().filter_map(|(key, value)| {
            let problem = wrong(&BTreeMap::from([(key.clone(), value.clone())]))?;
            Some(format!("storage.{key}: {problem}"))
        }));
    }
    problems
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
    let (scheme, url, prefix) = match place(uri)? {
        Place::Directory(directory) => return local(&directory),
        Place::Store {
            scheme,
            url,
            prefix,
        } => (scheme, url, prefix),
    };
    let headers = (!headers.is_empty()).then(|| header_map(headers));
    let built = build(&scheme, &url, storage, headers.transpose()?, true);
    let (store, multipart) = built.map_err(|refused| match refused {
        Refused::Setting(problem) => problems(uri, storage, &BTreeMap::new())
            .pop()
            .unwrap_or_else(|| format!("a setting of the store in the environment: {problem}")),
        Refused::Store(problem) => problem,
    })?;
    Ok(Location {
        store,
        multipart: Some(multipart),
        prefix,
        directory: None,
    })
}

/// What `uri` names, in the one way in which to write it; nothing if it is wrong.
pub(crate) fn location(uri: &str) -> Option<String> {
    Some(match place(uri).ok()? {
        Place::Directory(directory) => without_parents(&directory).display().to_string(),
        Place::Store { url, .. } => url.as_str().trim_end_matches('/').to_owned(),
    })
}

/// What a URI names.
enum Place {
    Directory(PathBuf),
    Store {
        scheme: ObjectStoreScheme,
        url: Url,
        prefix: Path,
    },
}

/// Said of every URI that names no place.
const NO_PLACE: &str = "must name a bucket or a directory: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, \
    file:///absolute/directory or a plain path; a server of your own is the storage.endpoint of an s3:// URI";

/// # Errors
/// What to change. No part of the URI is shown: it may hold credentials.
fn place(uri: &str) -> Result<Place, &'static str> {
    let url = match Url::parse(uri) {
        // A single letter is no scheme but a drive.
        Ok(url) if url.scheme().len() > 1 => url,
        Err(_) if uri.contains("://") => return Err(NO_PLACE),
        _ if uri.starts_with('~') => return Err("must name a directory; ~ is not replaced"),
        _ => {
            let directory = std::path::absolute(uri).map_err(|_| NO_PLACE)?;
            return Ok(Place::Directory(directory));
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials; give them under storage, or in the environment");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold ? or #; give settings under storage");
    }
    if Path::from_url_path(url.path()).is_err() {
        return Err("must have single slashes between the folders of its prefix");
    }
    let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|_| NO_PLACE)?;
    match scheme {
        // A relative path would silently be one below the root.
        ObjectStoreScheme::Local if uri.starts_with("file:/") => {
            let directory = url.to_file_path().map_err(|()| NO_PLACE)?;
            Ok(Place::Directory(directory))
        }
        ObjectStoreScheme::AmazonS3
        | ObjectStoreScheme::GoogleCloudStorage
        | ObjectStoreScheme::MicrosoftAzure
            if url.port().is_none() && url.host_str().is_some_and(|bucket| !bucket.is_empty()) =>
        {
            Ok(Place::Store {
                scheme,
                url,
                prefix,
            })
        }
        _ => Err(NO_PLACE),
    }
}

type Built = (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>);

/// Why a store cannot be made.
enum Refused {
    /// A setting is wrong by itself, whatever else is set.
    Setting(String),
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
        Self::Setting(must.to_owned())
    }
}

/// Makes the store, with what the environment says of it if `with_environment`.
fn build(
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
        ($builder:ty, $keys:ty) => {{
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
                    let problem =
                        "this store has no such setting; they are those of object_store's";
                    Refused::Setting(format!("{problem} {keys}"))
                })?;
                builder = builder.with_config(known, value);
            }
            let store = Arc::new(builder.build()?);
            let multipart: Arc<dyn MultipartStore> = store.clone();
            Ok((store as Arc<dyn ObjectStore>, multipart))
        }};
    }
    match scheme {
        ObjectStoreScheme::GoogleCloudStorage => build!(GoogleCloudStorageBuilder, GoogleConfigKey),
        ObjectStoreScheme::MicrosoftAzure => build!(MicrosoftAzureBuilder, AzureConfigKey),
        _ => build!(AmazonS3Builder, AmazonS3ConfigKey),
    }
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
        for uri in [
            "",
            "s3://",
            "s3:///prefix",
            "s3:bucket/prefix",
            "s3://localhost:9000/bucket",
            "s3://a bucket/prefix",
            "gs://",
            "az:///prefix",
            "memory:///",
            "ftp://example.com/lake",
            "http://localhost:9000/bucket",
            "file://lake",
            "file:lake",
        ] {
            let said = problem(uri, &[]);
            assert!(said.contains("s3://bucket/prefix"), "{uri}: {said}");
        }
        assert!(problem("~/lake", &[]).contains('~'));
        assert!(problem("s3://bucket/a//b", &[]).contains("slashes"));
        assert!(problem("s3://bucket?a=b", &[]).contains('?'));
    }

    #[test]
    fn every_setting_that_the_store_cannot_read_is_named() {
        let storage = [
            ("allow_http", "treu"),
            ("endpont", "x"),
            ("region", "any"),
            ("timeout", "soon"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let headers = BTreeMap::from([("no header".to_owned(), String::new())]);
        let said = problems("s3://bucket/lake", &storage.into(), &headers);
        let expected = [
            "headers.no header: is no HTTP header",
            "storage.allow_http: must be true or false",
            "storage.endpont: this store has no such setting; they are those of object_store's \
             AmazonS3ConfigKey",
            "storage.timeout: must be a length of time, such as 30s",
        ];
        assert_eq!(said, expected);
        let said = problem("s3://bucket/lake", &[("endpont", "x")]);
        assert_eq!(said, expected[2]);
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
    fn a_place_is_the_same_however_it_is_written() {
        let here = std::env::current_dir().unwrap();
        let absolute = format!("file://{}/lake", here.display());
        for (one, other) in [
            ("lake", "./lake/"),
            ("lake", &*absolute),
            ("s3://bucket/lake", "S3://bucket/lake/"),
        ] {
            assert!(location(one).is_some());
            assert_eq!(location(one), location(other), "{one} {other}");
        }
        assert_ne!(location("s3://bucket/lake"), location("s3://bucket/Lake"));
        assert_eq!(location("s3://key:hunter2@bucket/lake"), None);
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
