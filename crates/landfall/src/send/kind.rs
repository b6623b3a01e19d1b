use std::io::Write as _;

use bytes::Bytes;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderValue, Method, Request};
use landfall_core::Secret;

use super::sign::{Draft, SIGNATURE, TIMESTAMP};

/// A kind of request that a source must know how to answer.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(super) name: &'static str,
    /// What a source answers that asks for signatures and has its other settings by default.
    pub(super) status: u16,
    /// What is sent, and what becomes of it.
    about: &'static str,
    pub(super) make: Make,
    /// How often the same request is sent.
    pub(super) copies: usize,
}

type Make = fn(Draft) -> anyhow::Result<Request<Bytes>>;

#[rustfmt::skip]
pub(super) static KINDS: [Kind; 21] = [
    kind("good", 200, "as Appcues sends it: lands", Draft::signed),
    Kind { copies: 2, ..kind("replay", 200, "the same request twice: lands once", Draft::signed) },
    kind("compressed", 415, "gzip; with decompression = true it lands", compressed),
    kind("not-json", 200, "signed, but no JSON: goes to quarantine", |draft| draft.with_body("not JSON").signed()),
    kind("no-event", 200, "signed JSON without id, name and timestamp: goes to quarantine", |draft| draft.with_body("{}").signed()),
    kind("no-body", 200, "signed, but empty: goes to quarantine", |draft| draft.with_body("").signed()),
    kind("unsigned", 401, "neither X-Apc-Signature nor X-Apc-Timestamp", |draft| Ok(draft.request)),
    kind("no-signature", 401, "only X-Apc-Timestamp", no_signature),
    kind("no-timestamp", 401, "only X-Apc-Signature", no_timestamp),
    kind("bad-signature", 401, "signed with another secret", bad_signature),
    kind("malformed-signature", 401, "half a signature", |draft| edited(draft, |signature| signature[..signature.len() / 2].to_owned())),
    kind("two-signatures", 401, "the signature twice in one header", |draft| edited(draft, |signature| format!("{signature},{signature}"))),
    kind("repeated-header", 401, "X-Apc-Signature twice", repeated_header),
    kind("old-timestamp", 401, "signed an hour ago", |draft| draft.signed_at(-HOUR_MILLIS)),
    kind("future-timestamp", 401, "signed an hour ahead", |draft| draft.signed_at(HOUR_MILLIS)),
    kind("malformed-timestamp", 401, "signed \"soon\"", |draft| draft.signed_as("soon")),
    kind("changed-body", 401, "a space more than was signed", |draft| rewritten(draft, |body| body.push(b' '))),
    kind("truncated", 401, "half of what was signed", |draft| rewritten(draft, |body| body.truncate(body.len() / 2))),
    kind("too-large", 413, "with spaces up to 2 MiB, signed", too_large),
    kind("wrong-path", 404, "below the right path", wrong_path),
    kind("wrong-method", 405, "PUT", wrong_method),
];

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

const fn kind(name: &'static str, status: u16, about: &'static str, make: Make) -> Kind {
    Kind {
        name,
        status,
        about,
        make,
        copies: 1,
    }
}

impl Kind {
    /// What Appcues sends.
    pub(crate) fn good() -> &'static Self {
        &KINDS[0]
    }

    /// Reads a kind from the command line, whose long help then lists them all.
    pub(crate) fn parser() -> impl TypedValueParser<Value = &'static Self> {
        let values = KINDS.iter().map(|kind| {
            let help = format!("{}: {}", kind.status, kind.about);
            PossibleValue::new(kind.name).help(help)
        });
        PossibleValuesParser::new(values).try_map(|name| {
            let kind = KINDS.iter().find(|kind| kind.name == name);
            kind.ok_or("is no kind of request")
        })
    }
}

fn compressed(draft: Draft) -> anyhow::Result<Request<Bytes>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(draft.request.body())?;
    let mut request = draft.with_body(gzip.finish()?).signed()?;
    let encoding = HeaderValue::from_static("gzip");
    request.headers_mut().insert(CONTENT_ENCODING, encoding);
    Ok(request)
}

fn no_signature(draft: Draft) -> anyhow::Result<Request<Bytes>> {
    let mut request = draft.signed()?;
    request.headers_mut().remove(SIGNATURE);
    Ok(request)
}

fn no_timestamp(draft: Draft) -> anyhow::Result<Request<Bytes>> {
    let mut request = draft.signed()?;
    request.headers_mut().remove(TIMESTAMP);
    Ok(request)
}

fn bad_signature(mut draft: Draft) -> anyhow::Result<Request<Bytes>> {
    draft.secret = Secret::new(format!("not {}", draft.secret.expose()));
    draft.signed()
}

fn edited(draft: Draft, edit: fn(&str) -> String) -> anyhow::Result<Request<Bytes>> {
    let mut request = draft.signed()?;
    let signature = edit(request.headers()[SIGNATURE].to_str()?);
    let signature = HeaderValue::from_str(&signature)?;
    request.headers_mut().insert(SIGNATURE, signature);
    Ok(request)
}

fn repeated_header(draft: Draft) -> anyhow::Result<Request<Bytes>> {
    let mut request = draft.signed()?;
    let signature = request.headers()[SIGNATURE].clone();
    request.headers_mut().append(SIGNATURE, signature);
    Ok(request)
}

fn rewritten(draft: Draft, write: fn(&mut Vec<u8>)) -> anyhow::Result<Request<Bytes>> {
    let request = draft.signed()?;
    Ok(request.map(|body| {
        let mut body = body.to_vec();
        write(&mut body);
        body.into()
    }))
}

fn too_large(draft: Draft) -> anyhow::Result<Request<Bytes>> {
    let mut body = draft.request.body().to_vec();
    body.resize(2 * 1024 * 1024, b' ');
    draft.with_body(body).signed()
}

fn wrong_path(draft: Draft) -> anyhow::Result<Request<Bytes>> {
    let mut request = draft.signed()?;
    let mut uri = request.uri().clone().into_parts();
    let path = request.uri().path().trim_end_matches('/');
    uri.path_and_query = Some(format!("{path}/wrong").parse()?);
    *request.uri_mut() = uri.try_into()?;
    Ok(request)
}

fn wrong_method(draft: Draft) -> anyhow::Result<Request<Bytes>> {
    let mut request = draft.signed()?;
    *request.method_mut() = Method::PUT;
    Ok(request)
}
