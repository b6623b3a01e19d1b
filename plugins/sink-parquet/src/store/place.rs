//! Where a URI leads.

use std::path::PathBuf;

use object_store::ObjectStoreScheme;
use object_store::path::Path;
use url::Url;

/// What a URI names.
pub(super) enum Place {
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

/// What `uri` names, as far as it alone tells.
///
/// # Errors
/// What to change. No part of the URI is shown: it may hold credentials.
pub(super) fn place(uri: &str) -> Result<Place, &'static str> {
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
            if url.port().is_none() && url.host_str().is_some_and(is_bucket) =>
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

/// Whether a store could have a bucket of this name, which becomes part of a URL.
fn is_bucket(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._$".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}
