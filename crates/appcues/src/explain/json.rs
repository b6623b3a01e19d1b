//! JSON in the layouts that common serialisers give it, every other byte kept.

/// Where white space goes.
#[derive(Clone, Copy)]
pub(super) struct Style {
    after_comma: &'static str,
    after_colon: &'static str,
    /// Every element on a line of its own, indented by this; `None`: all on one line.
    indent: Option<&'static str>,
}

/// As JavaScript, Rust and Go write it.
pub(super) const COMPACT: Style = Style {
    after_comma: "",
    after_colon: "",
    indent: None,
};

/// As Python writes it.
pub(super) const SPACED: Style = Style {
    after_comma: " ",
    after_colon: " ",
    indent: None,
};

pub(super) const INDENTED_BY_2: Style = Style {
    after_comma: "",
    after_colon: " ",
    indent: Some("  "),
};

pub(super) const INDENTED_BY_4: Style = Style {
    indent: Some("    "),
    ..INDENTED_BY_2
};

/// `text` in another style; `None` if it is not JSON.
pub(super) fn rewritten(text: &str, style: Style) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut after_opening = false;
    let new_line = |out: &mut String, depth: usize| {
        if let Some(indent) = style.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    };
    for c in text.chars() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(c, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        if after_opening != closes {
            new_line(&mut out, depth);
        }
        after_opening = false;
        out.push(c);
        match c {
            '{' | '[' => {
                depth += 1;
                after_opening = true;
            }
            ',' => {
                out.push_str(style.after_comma);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(style.after_colon),
            '"' => in_string = true,
            _ => {}
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_is_what_its_serialisers_write() {
        let text = r#" { "a" : [ 1 , "x: \"{,\\" , { } , [] ] , "b" : { "c" : null } } "#;
        // By Python's json.dumps with separators=(",", ":"), with none, and with indent=2.
        let compact = r#"{"a":[1,"x: \"{,\\",{},[]],"b":{"c":null}}"#;
        let spaced = r#"{"a": [1, "x: \"{,\\", {}, []], "b": {"c": null}}"#;
        let indented = "{\n  \"a\": [\n    1,\n    \"x: \\\"{,\\\\\",\n    {},\n    []\n  ],\n  \"b\": {\n    \"c\": null\n  }\n}";
        for (style, expected) in [
            (COMPACT, compact),
            (SPACED, spaced),
            (INDENTED_BY_2, indented),
            (INDENTED_BY_4, &indented.replace("  ", "    ")),
        ] {
            assert_eq!(rewritten(text, style).unwrap(), expected);
        }
        assert_eq!(rewritten("{", COMPACT), None);
    }
}
