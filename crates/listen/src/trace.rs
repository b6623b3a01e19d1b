/// The id of the trace that a request is part of, as its `traceparent` says it, if that is valid
/// ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)): 32 hexadecimal digits.
pub fn trace_id(traceparent: &[u8]) -> Option<&str> {
    let fields = str::from_utf8(traceparent).ok()?;
    let mut fields = fields.split('-');
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
            assert_eq!(trace_id(traceparent.as_bytes()), Some(ID), "{traceparent}");
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
            assert_eq!(trace_id(traceparent.as_bytes()), None, "{traceparent}");
        }
    }
}
