use std::fmt::{self, Write as _};

use http::{HeaderMap, HeaderName, HeaderValue};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// How a call ended, with what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Status {
    /// How.
    pub code: Code,
    /// What is to be said.
    pub message: String,
}

/// How a call ended. Of these, Vector's sink drops its events at `InvalidArgument`, `NotFound`, `AlreadyExists`,
/// `PermissionDenied`, `OutOfRange`, `Unimplemented`, `DataLoss` and `Unauthenticated`; at all others it sends them again,
/// without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "gRPC's own names")]
pub enum Code {
    Ok = 0,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl Code {
    const ALL: [(Self, &'static str); 17] = [
        (Self::Ok, "ok"),
        (Self::Cancelled, "cancelled"),
        (Self::Unknown, "unknown"),
        (Self::InvalidArgument, "invalid_argument"),
        (Self::DeadlineExceeded, "deadline_exceeded"),
        (Self::NotFound, "not_found"),
        (Self::AlreadyExists, "already_exists"),
        (Self::PermissionDenied, "permission_denied"),
        (Self::ResourceExhausted, "resource_exhausted"),
        (Self::FailedPrecondition, "failed_precondition"),
        (Self::Aborted, "aborted"),
        (Self::OutOfRange, "out_of_range"),
        (Self::Unimplemented, "unimplemented"),
        (Self::Internal, "internal"),
        (Self::Unavailable, "unavailable"),
        (Self::DataLoss, "data_loss"),
        (Self::Unauthenticated, "unauthenticated"),
    ];

    /// The name for metrics, such as `data_loss`.
    pub const fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().to_ascii_uppercase())
    }
}

impl Status {
    /// A call that ended with `code`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A message has more than `limit` bytes. Not `OutOfRange`, at which Vector would drop its events.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            Code::ResourceExhausted,
            format!("the message has more than {limit} bytes"),
        )
    }

    /// The headers or trailers that say so.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(STATUS, HeaderValue::from(self.code as u16));
        if !self.message.is_empty()
            && let Ok(message) = HeaderValue::try_from(percent_encoded(&self.message))
        {
            headers.insert(MESSAGE, message);
        }
        headers
    }

    /// What headers or trailers say; `None` if they say nothing of how the call ended.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get(STATUS)?.to_str().ok()?.parse::<usize>().ok();
        let code = code.and_then(|code| Code::ALL.get(code));
        let message = headers.get(MESSAGE).map(HeaderValue::as_bytes);
        Some(Self::new(
            code.map_or(Code::Unknown, |(code, _)| *code),
            percent_decoded(message.unwrap_or_default()),
        ))
    }
}

fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(byte.into());
        } else {
            // Writing to a string never fails.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Whatever is no valid encoding stays as it is.
fn percent_decoded(encoded: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_status_is_read_as_it_was_written(message: String, code in 0..Code::ALL.len()) {
            let status = Status::new(Code::ALL[code].0, message);
            prop_assert_eq!(Status::of(&status.headers()), Some(status));
        }

        #[test]
        fn any_message_can_be_read(message: Vec<u8>) {
            percent_decoded(&message);
        }
    }

    #[test]
    fn every_code_stands_at_its_number() {
        for (number, (code, _)) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, number);
        }
    }

    #[test]
    fn an_unknown_code_is_unknown_and_none_is_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Status::of(&headers), None);
        headers.insert(STATUS, HeaderValue::from_static("99"));
        assert_eq!(Status::of(&headers).unwrap().code, Code::Unknown);
    }
}
