//! The page for people. All it shows it asks `/api/v1` for, as anybody could.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{Html, IntoResponse};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("console/style.css");
const SCRIPT: &str = include_str!("console/script.js");

static PAGE: LazyLock<String> = LazyLock::new(|| {
    let page = include_str!("console/page.html").replace("{style}", STYLE);
    page.replace("{script}", SCRIPT)
});

/// Nothing is loaded, run or sent but what stands in the page, whatever senders write into what it shows.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        source(STYLE),
        source(SCRIPT),
    )
});

pub(super) async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(PAGE.as_str()))
}

/// What the policy knows the element with this text by.
fn source(text: &str) -> String {
    let digest = Sha256::digest(text);
    format!("sha256-{}", BASE64_STANDARD.encode(digest))
}
