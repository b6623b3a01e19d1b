use serde::de::IgnoredAny;

/// `body` as one line, with its end.
///
/// JSON stays as it is, byte for byte, but for line breaks, which can only stand between its tokens. Anything else becomes a
/// JSON string, with `U+FFFD` for bytes that are not UTF-8: so every line is JSON, and those that are objects are bodies.
pub fn line(body: &[u8]) -> Vec<u8> {
    let mut line = match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => body
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, b'\n' | b'\r'))
            .collect(),
        Err(_) => {
            let text = serde_json::Value::from(String::from_utf8_lossy(body));
            text.to_string().into_bytes()
        }
    };
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_body_is_it_becomes_one_line_of_json(body: Vec<u8>) {
            let line = line(&body);
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert!(line.ends_with(b"\n"));
            prop_assert!(serde_json::from_slice::<Value>(&line).is_ok());
        }

        #[test]
        fn json_means_the_same_however_its_lines_were_broken(text: String, number: i64) {
            let value = serde_json::json!({ "text": text, "list": [number, null, {}] });
            for body in [value.to_string(), format!("{value:#}"), format!("{value:#}").replace('\n', "\r\n")] {
                let line = line(body.as_bytes());
                prop_assert_eq!(&serde_json::from_slice::<Value>(&line).unwrap(), &value);
            }
        }
    }

    #[test]
    fn json_of_one_line_is_written_as_it_came() {
        let body = br#" {"b": 1.50, "a": "\u0041", "a": [1e3]} "#;
        assert_eq!(line(body), [&body[..], b"\n"].concat());
    }
}
