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

impl Rejection {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::EncodingNotAllowed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NetworkNotAllowed
            | Self::CredentialsMissing
            | Self::CredentialsWrong
            | Self::SignatureMissing
            | Self::HeaderRepeated
            | Self::Signature(_)
            | Self::AccountMismatch => StatusCode::UNAUTHORIZED,
            Self::TooLarge { .. } | Self::TooLargeForBuffer => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout | Self::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Full | Self::NotDurable | Self::Draining | Self::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NetworkNotAllowed => "network_not_allowed",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::CredentialsMissing => "credentials_missing",
            Self::CredentialsWrong => "credentials_wrong",
            Self::EncodingNotAllowed => "content_encoding_not_allowed",
            Self::SignatureMissing => "signature_missing",
            Self::HeaderRepeated => "security_header_repeated",
            Self::Signature(error) => error.code(),
            Self::AccountMismatch => "account_mismatch",
            Self::TooLarge { .. } | Self::TooLargeForBuffer => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::Full => "buffer_full",
            Self::NotDurable => "not_durable",
            Self::Draining => "draining",
            Self::Overloaded => "overloaded",
            Self::Malformed => "malformed_request",
            Self::HeadersTooLarge => "headers_too_large",
            Self::HeaderTimeout => "header_timeout",
        }
    }

    fn message(self) -> String {
        match self {
            Self::NetworkNotAllowed => "nothing is taken from this network address".to_owned(),
            Self::CredentialsMissing | Self::CredentialsWrong => {
                "send the username and the password of this webhook (HTTP basic authentication)"
                    .to_owned()
            }
            Self::NotFound => "no webhook is received here; check the path of the URL".to_owned(),
            Self::MethodNotAllowed => "send the event with POST".to_owned(),
            Self::EncodingNotAllowed => "this Content-Encoding is not taken here".to_owned(),
            Self::SignatureMissing => {
                "X-Apc-Signature and X-Apc-Timestamp are needed; set a secret key in the webhook"
                    .to_owned()
            }
            Self::HeaderRepeated => {
                "send X-Apc-Signature, X-Apc-Timestamp and Authorization once each".to_owned()
            }
            Self::Signature(error) => error.to_string(),
            Self::AccountMismatch => {
                "the account_id of the event is not that of the account whose key signed it"
                    .to_owned()
            }
            Self::TooLarge { limit } => format!("the body may have at most {limit} bytes"),
            Self::TooLargeForBuffer => "the body is larger than the buffer can take".to_owned(),
            Self::BodyTimeout => "the body did not arrive in time; send it again".to_owned(),
            Self::BodyBroken => "the body could not be read to its end; send it again".to_owned(),
            Self::Full => "the buffer is full; send the event again later".to_owned(),
            Self::NotDurable => {
                "the event could not be made durable; send it again later".to_owned()
            }
            Self::Draining => "the service is stopping; send the event again".to_owned(),
            Self::Overloaded => {
                "more is being sent than can be taken; send it again later".to_owned()
            }
            Self::Malformed => "this is not a valid HTTP request".to_owned(),
            Self::HeadersTooLarge => {
                "the request has too many headers, or too large ones".to_owned()
            }
            Self::HeaderTimeout => {
                "the request's headers did not arrive in time; send it again".to_owned()
            }
        }
    }

    /// What the operator may do about it.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::NetworkNotAllowed => {
                "it comes from elsewhere: see `allow_networks`, and `trusted_proxies` if a proxy is in between"
            }
            Self::CredentialsMissing | Self::CredentialsWrong => {
                "it has not the credentials of `auth`: see the webhook's URL or headers"
            }
            Self::AccountMismatch => {
                "its account is not that of the key which signed it: see `accounts`"
            }
            Self::NotFound => "its path is not that of the source: see `path` and `path_token`",
            Self::MethodNotAllowed => "it is not a POST",
            Self::EncodingNotAllowed => {
                "its body is compressed: see `decompression`, for gzip and deflate"
            }
            Self::SignatureMissing => {
                "it is not signed: set the account's secret key in the webhook at Appcues, unless a stranger sent it"
            }
            Self::HeaderRepeated => "a header of its signature came twice: see what proxies add",
            Self::Signature(SignatureError::Mismatch) => {
                "no configured secret signed it: compare the webhook's secret key, unless a stranger sent it"
            }
            Self::Signature(SignatureError::Expired { .. }) => {
                "it was signed too long ago: see this machine's clock, and `signature.tolerance_secs`"
            }
            Self::Signature(_) => "its signature or timestamp is in no known form",
            Self::TooLarge { .. } => "its body is too large: see `limits.max_body_bytes`",
            Self::TooLargeForBuffer => "its body is too large for the sink: see `buffer.max_size`",
            Self::BodyTimeout | Self::HeaderTimeout => {
                "it did not arrive in time: see `limits.read_timeout_secs`, and what is between the sender and here"
            }
            Self::BodyBroken | Self::Malformed => "it is not HTTP, or ended too early",
            Self::HeadersTooLarge => {
                "its head is too large: see `limits.max_headers` and `limits.max_header_bytes`"
            }
            Self::Full => "the buffer is full: see what keeps the sink from landing",
            Self::NotDurable => "its event could not be made durable: see the errors of the sink",
            Self::Draining => "the service is stopping",
            Self::Overloaded => {
                "more comes than can be taken: see `limits` for connections, requests and bytes in flight"
            }
        }
    }

    pub(crate) fn response(self) -> Response<ResponseBody> {
        let mut response = json(self.status(), self.body());
        let headers = response.headers_mut();
        match self.status() {
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
        let body = self.body();
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

    fn body(self) -> Bytes {
        let body = serde_json::json!({ "error": self.code(), "message": self.message() });
        Bytes::from(body.to_string())
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
