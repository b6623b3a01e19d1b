//! From a store's errors to sentences.

use std::error::Error;

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
