use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use landfall_appcues::SignatureError;

/// The body of every answer: a short JSON text.
pub type ResponseBody = Full<Bytes>;

/// Why a request was not accepted. The client sees the code and what to do; nothing of what was expected.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rejection {
    NetworkNotAllowed,
    NotFound,
    MethodNotAllowed,
    CredentialsMissing,
    CredentialsWrong,
    EncodingNotAllowed,
    SignatureMissing,
    HeaderRepeated,
    Signature(SignatureError),
    AccountMismatch,
    TooLarge { limit: usize },
    TooLargeForBuffer,
    BodyTimeout,
    BodyBroken,
    Full,
    NotDurable,
    Draining,
    Overloaded,
    Malformed,
    HeadersTooLarge,
    HeaderTimeout,
}

/// What is said of a rejection, and to whom.
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    /// Names it in the answer, in metrics and to whoever watches.
    pub(crate) code: &'static str,
    /// Tells the sender what to do.
    message: Cow<'static, str>,
    /// Tells the operator why it was, and what may be done about it.
    pub(crate) remedy: &'static str,
}

impl Said {
    fn body(&self) -> Bytes {
        let body = serde_json::json!({ "error": self.code, "message": self.message });
        Bytes::from(body.to_string())
    }
}

impl Rejection {
    #[rustfmt::skip]
    pub(crate) fn said(self) -> Said {
        match self {
            Self::NetworkNotAllowed => said(StatusCode::UNAUTHORIZED, "network_not_allowed",
                "nothing is taken from this network address",
                "it comes from elsewhere: see `allow_networks`, and `trusted_proxies` if a proxy is in between"),
            Self::NotFound => said(StatusCode::NOT_FOUND, "not_found",
                "no webhook is received here; check the path of the URL",
                "its path is not that of the source: see `path` and `path_token`"),
            Self::MethodNotAllowed => said(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed",
                "send the event with POST",
                "it is not a POST"),
            Self::CredentialsMissing => said(StatusCode::UNAUTHORIZED, "credentials_missing", CREDENTIALS_NEEDED, NOT_THE_CREDENTIALS),
            Self::CredentialsWrong => said(StatusCode::UNAUTHORIZED, "credentials_wrong", CREDENTIALS_NEEDED, NOT_THE_CREDENTIALS),
            Self::EncodingNotAllowed => said(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding_not_allowed",
                "this Content-Encoding is not taken here",
                "its body is compressed: see `decompression`, for gzip and deflate"),
            Self::SignatureMissing => said(StatusCode::UNAUTHORIZED, "signature_missing",
                "X-Apc-Signature and X-Apc-Timestamp are needed; set a secret key in the webhook",
                "it is not signed: set the account's secret key in the webhook at Appcues, unless a stranger sent it"),
            Self::HeaderRepeated => said(StatusCode::UNAUTHORIZED, "security_header_repeated",
                "send X-Apc-Signature, X-Apc-Timestamp and Authorization once each",
                "a header of its signature came twice: see what proxies add"),
            Self::Signature(error) => said(StatusCode::UNAUTHORIZED, error.code(), error.to_string(), match error {
                SignatureError::Mismatch => "no configured secret signed it: compare the webhook's secret key, unless a stranger sent it",
                SignatureError::Expired { .. } => "it was signed too long ago: see this machine's clock, and `signature.tolerance_secs`",
                _ => "its signature or timestamp is in no known form",
            }),
            Self::AccountMismatch => said(StatusCode::UNAUTHORIZED, "account_mismatch",
                "the account_id of the event is not that of the account whose key signed it",
                "its account is not that of the key which signed it: see `accounts`"),
            Self::TooLarge { limit } => said(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large",
                format!("the body may have at most {limit} bytes"),
                "its body is too large: see `limits.max_body_bytes`"),
            Self::TooLargeForBuffer => said(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large",
                "the body is larger than the buffer can take",
                "its body is too large for the sink: see `buffer.max_size`"),
            Self::BodyTimeout => said(StatusCode::REQUEST_TIMEOUT, "body_timeout",
                "the body did not arrive in time; send it again", TOO_SLOW),
            Self::BodyBroken => said(StatusCode::BAD_REQUEST, "body_broken",
                "the body could not be read to its end; send it again", BROKEN),
            Self::Full => said(StatusCode::SERVICE_UNAVAILABLE, "buffer_full",
                "the buffer is full; send the event again later",
                "the buffer is full: see what keeps the sink from landing"),
            Self::NotDurable => said(StatusCode::SERVICE_UNAVAILABLE, "not_durable",
                "the event could not be made durable; send it again later",
                "its event could not be made durable: see the errors of the sink"),
            Self::Draining => said(StatusCode::SERVICE_UNAVAILABLE, "draining",
                "the service is stopping; send the event again",
                "the service is stopping"),
            Self::Overloaded => said(StatusCode::SERVICE_UNAVAILABLE, "overloaded",
                "more is being sent than can be taken; send it again later",
                "more comes than can be taken: see `limits` for connections, requests and bytes in flight"),
            Self::Malformed => said(StatusCode::BAD_REQUEST, "malformed_request",
                "this is not a valid HTTP request", BROKEN),
            Self::HeadersTooLarge => said(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large",
                "the request has too many headers, or too large ones",
                "its head is too large: see `limits.max_headers` and `limits.max_header_bytes`"),
            Self::HeaderTimeout => said(StatusCode::REQUEST_TIMEOUT, "header_timeout",
                "the request's headers did not arrive in time; send it again", TOO_SLOW),
        }
    }

    pub(crate) fn response(self) -> Response<ResponseBody> {
        let said = self.said();
        let mut response = json(said.status, said.body());
        let headers = response.headers_mut();
        match said.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        if matches!(self, Self::CredentialsMissing | Self::CredentialsWrong) {
            let challenge = "Basic realm=\"landfall\", charset=\"UTF-8\"";
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.ends_connection() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The bytes of the answer over HTTP/1.1, for a request that never became one.
    pub(crate) fn to_http1(self) -> Vec<u8> {
        let (head, _) = self.response().into_parts();
        let body = self.said().body();
        let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
        for (name, value) in &head.headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Whether nothing more should come over the connection: what would come next may not be the next request.
    fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::Draining
                | Self::Overloaded
                | Self::TooLarge { .. }
                | Self::BodyTimeout
                | Self::Malformed
                | Self::HeadersTooLarge
                | Self::HeaderTimeout
        )
    }
}

const CREDENTIALS_NEEDED: &str =
    "send the username and the password of this webhook (HTTP basic authentication)";
const NOT_THE_CREDENTIALS: &str =
    "it has not the credentials of `auth`: see the webhook's URL or headers";
const TOO_SLOW: &str = "it did not arrive in time: see `limits.read_timeout_secs`, and what is between the sender and here";
const BROKEN: &str = "it is not HTTP, or ended too early";

fn said(
    status: StatusCode,
    code: &'static str,
    message: impl Into<Cow<'static, str>>,
    remedy: &'static str,
) -> Said {
    Said {
        status,
        code,
        message: message.into(),
        remedy,
    }
}

impl From<SignatureError> for Rejection {
    fn from(error: SignatureError) -> Self {
        Self::Signature(error)
    }
}

pub(crate) fn accepted() -> Response<ResponseBody> {
    json(
        StatusCode::OK,
        Bytes::from_static(br#"{"status":"accepted"}"#),
    )
}

fn json(status: StatusCode, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
