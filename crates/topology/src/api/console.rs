//! The page for people. All it shows it asks `/api/v1` for, as anybody could.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{Html, IntoResponse};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("console.html");

/// Nothing is loaded, run or sent but what stands in the page, whatever senders write into what it shows.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash_of("style"),
        hash_of("script"),
    )
});

pub(super) async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(PAGE))
}

/// What the policy knows the one element of this name by.
fn hash_of(element: &str) -> String {
    let content = PAGE.split_once(&format!("<{element}>"));
    let content = content.and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    let digest = Sha256::digest(content.map_or("", |(content, _)| content));
    format!("sha256-{}", BASE64_STANDARD.encode(digest))
}
