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
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::Full | Self::NotDurable | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::EncodingNotAllowed => "send the body without Content-Encoding".to_owned(),
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
        }
    }

    pub(crate) fn response(self) -> Response<ResponseBody> {
        let body = serde_json::json!({ "error": self.code(), "message": self.message() });
        let mut response = json(self.status(), Bytes::from(body.to_string()));
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
        if matches!(
            self,
            Self::Draining | Self::TooLarge { .. } | Self::BodyTimeout
        ) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
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
