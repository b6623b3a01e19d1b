use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use landfall_appcues::{SignatureError, Timestamp, VerifiedBody, Verifier};
use serde::{Deserialize, Serialize};

/// A request as API Gateway hands it to a function, in either version of its payload, or as a function URL does.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    /// Version 2 writes the names in lower case, version 1 as they were sent.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    /// Whether `body` is written in base64, since its bytes may not be text.
    #[serde(default)]
    is_base64_encoded: bool,
}

/// What the function answers.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    status_code: u16,
    body: String,
}

/// Answers one request: 200 if it is genuine, else why it is not. A pure function.
pub(crate) fn handle(verifier: &Verifier, request: &Request, now: Timestamp) -> Answer {
    match verify(verifier, request, now) {
        Ok(body) => {
            // Here the event would be kept: in a queue, a table, a bucket. Answer 200 only when it is; Appcues may send it
            // again after anything else.
            let length = body.into_bytes().len();
            Answer {
                status_code: 200,
                body: format!("{{\"verified_bytes\":{length}}}"),
            }
        }
        Err(error) => Answer {
            status_code: 401,
            body: format!("{{\"error\":\"{error}\"}}"),
        },
    }
}

fn verify(
    verifier: &Verifier,
    request: &Request,
    now: Timestamp,
) -> Result<VerifiedBody, &'static str> {
    let signature = request.header("x-apc-signature")?;
    let timestamp = request.header("x-apc-timestamp")?;
    let claim = verifier.claim(signature.as_bytes(), timestamp.as_bytes(), now);
    let claim = claim.map_err(SignatureError::code)?;
    let verified = verifier.verify(&claim, request.body()?);
    verified.map_err(SignatureError::code)
}

impl Request {
    /// The value of a header that must be there once.
    fn header(&self, wanted: &str) -> Result<&str, &'static str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err("signature_missing"),
            (Some(_), Some(_)) => Err("security_header_repeated"),
        }
    }

    /// The bytes that were sent, which are the ones that were signed.
    fn body(&self) -> Result<Bytes, &'static str> {
        let body = self.body.as_deref().unwrap_or_default();
        if self.is_base64_encoded {
            let bytes = STANDARD.decode(body).map_err(|_| "body_broken")?;
            Ok(bytes.into())
        } else {
            Ok(Bytes::copy_from_slice(body.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests;
