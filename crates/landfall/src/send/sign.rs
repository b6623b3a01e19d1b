use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use clap::ValueEnum;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use landfall_appcues::sign;
use landfall_core::{Secret, Timestamp};

pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-apc-signature");
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("x-apc-timestamp");

/// How a digest is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Encoding {
    #[default]
    Hex,
    #[value(name = "HEX")]
    UpperHex,
    Base64,
    Base64url,
    /// sha256= and hex.
    Prefixed,
}

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Unit {
    S,
    #[default]
    Ms,
    Us,
    Rfc3339,
}

/// A request before it is signed, and how it will be.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) request: Request<Bytes>,
    pub(crate) secret: Secret,
    pub(crate) encoding: Encoding,
    pub(crate) unit: Unit,
}

impl Draft {
    pub(crate) fn new(url: Uri, secret: Secret) -> Self {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        Self {
            request,
            secret,
            encoding: Encoding::default(),
            unit: Unit::default(),
        }
    }

    pub(super) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Signed now.
    pub(super) fn signed(self) -> anyhow::Result<Request<Bytes>> {
        self.signed_at(0)
    }

    pub(super) fn signed_at(self, millis_from_now: i64) -> anyhow::Result<Request<Bytes>> {
        let millis = Timestamp::now().as_millis() + millis_from_now;
        let timestamp = self.unit.write(millis)?;
        self.signed_as(&timestamp)
    }

    pub(super) fn signed_as(mut self, timestamp: &str) -> anyhow::Result<Request<Bytes>> {
        let digest = hex::decode(sign(&self.secret, timestamp, self.request.body()))?;
        let signature = HeaderValue::from_str(&self.encoding.write(&digest))?;
        let headers = self.request.headers_mut();
        headers.insert(SIGNATURE, signature);
        headers.insert(TIMESTAMP, HeaderValue::from_str(timestamp)?);
        Ok(self.request)
    }
}

impl Encoding {
    fn write(self, digest: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(digest),
            Self::UpperHex => hex::encode_upper(digest),
            Self::Base64 => STANDARD.encode(digest),
            Self::Base64url => URL_SAFE_NO_PAD.encode(digest),
            Self::Prefixed => format!("sha256={}", hex::encode(digest)),
        }
    }
}

impl Unit {
    fn write(self, millis: i64) -> anyhow::Result<String> {
        Ok(match self {
            Self::S => (millis / 1000).to_string(),
            Self::Ms => millis.to_string(),
            Self::Us => format!("{millis}000"),
            Self::Rfc3339 => jiff::Timestamp::from_millisecond(millis)?.to_string(),
        })
    }
}
