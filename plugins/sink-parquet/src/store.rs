//! From the `uri` and `storage` settings to a store.

mod client;
mod meaning;
mod place;

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path;

use client::{Refused, build};
use place::{Place, place};

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
        Err(Refused::Setting { problem, .. }) => Some(problem),
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
        Refused::Setting { variable, problem } => problems(uri, storage, &BTreeMap::new())
            .pop()
            .unwrap_or_else(|| format!("in the environment, {variable} {problem}")),
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
            ("region", "us-east-1"),
            ("timeout", "soon"),
            ("endpoint", "127.0.0.1:9000"),
            ("access_key_id", "hunter2\n"),
            ("token", "hunter2 hunter2"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let headers = BTreeMap::from([("no header".to_owned(), String::new())]);
        let said = problems("s3://bucket/lake", &storage.into(), &headers);
        let expected = [
            "headers.no header: is no HTTP header",
            "storage.access_key_id: must hold neither blanks nor line breaks nor anything but ASCII",
            "storage.allow_http: must be true or false",
            "storage.endpoint: must be the URL of a server, such as http://127.0.0.1:9000",
            "storage.endpont: this store has no such setting; they are those of object_store's \
             AmazonS3ConfigKey",
            "storage.timeout: must be a length of time, such as 30s",
            "storage.token: must hold neither blanks nor line breaks nor anything but ASCII",
        ];
        assert_eq!(said, expected);
        let said = problem("s3://bucket/lake", &[("endpont", "x")]);
        assert!(expected.contains(&&*said), "{said}");
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
