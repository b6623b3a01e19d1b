use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use landfall_core::Labels;
use tracing::Span;
use tracing::field::Empty;

/// A request in a trace, for a collector. It costs next to nothing where none listens, and says nothing of what a sender may keep
/// secret: neither path nor headers nor body.
#[derive(Debug)]
#[must_use = "it ends with the request"]
pub struct RequestSpan(Span);

impl RequestSpan {
    /// Begins with the request to the source with these `labels`, in the sender's trace if it has one.
    pub fn begin([(_, id), _, (_, r#type)]: &Labels, head: &Parts) -> Self {
        Self(tracing::debug_span!(
            "request",
            otel.kind = "server",
            traceparent = traceparent(&head.headers),
            component_id = id,
            component_type = r#type,
            "http.request.method" = known(&head.method),
            "http.response.status_code" = Empty,
            "error.type" = Empty,
            otel.status_code = Empty,
        ))
    }

    /// Ends with the answer, and the code of the refusal if it is one.
    pub fn end(self, status: StatusCode, refused: Option<&'static str>) {
        let Self(span) = self;
        span.record("http.response.status_code", status.as_u16());
        if let Some(code) = refused {
            span.record("error.type", code);
        }
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// The id of the trace that a request is part of, as its `traceparent` says it, if that is valid
/// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)): 32 hexadecimal digits.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    trace_of(traceparent(headers)?)
}

/// The header, if there is one and no other.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("traceparent").iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The method, unless the sender has made it up
/// ([semantic conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/)).
fn known(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    if known.contains(method) {
        method.as_str()
    } else {
        "_OTHER"
    }
}

fn trace_of(traceparent: &str) -> Option<&str> {
    let mut fields = traceparent.split('-');
    let mut next = |length: usize| {
        let digits = fields.next()?;
        let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        (digits.len() == length && digits.bytes().all(is_hex)).then_some(digits)
    };
    let [version, trace_id, parent_id, _flags] = [next(2)?, next(32)?, next(16)?, next(2)?];
    let is_zero = |id: &str| id.bytes().all(|digit| digit == b'0');
    // More fields may come with another version than the first.
    let is_known = match version {
        "00" => fields.next().is_none(),
        version => version != "ff",
    };
    (is_known && !is_zero(trace_id) && !is_zero(parent_id)).then_some(trace_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_traceparent_names_its_trace() {
        for traceparent in [
            format!("00-{ID}-00f067aa0ba902b7-01"),
            format!("00-{ID}-00f067aa0ba902b7-00"),
            format!("01-{ID}-00f067aa0ba902b7-01-and-more"),
        ] {
            assert_eq!(trace_of(&traceparent), Some(ID), "{traceparent}");
        }
    }

    #[test]
    fn whatever_is_not_valid_names_none() {
        for traceparent in [
            "",
            "00",
            "\u{e9}",
            &format!("00-{ID}-00f067aa0ba902b7"),
            &format!("00-{ID}-00f067aa0ba902b7-01-more"),
            &format!("ff-{ID}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
            &format!("00-{ID}0-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{ID}-0000000000000000-01"),
        ] {
            assert_eq!(trace_of(traceparent), None, "{traceparent}");
        }
    }
}
