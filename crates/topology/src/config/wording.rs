//! What serde has to say, for people who do not know serde, and without the value that does not fit: it may be a secret in
//! the wrong place.

/// How like each other two names must be, of 1, for one to be the other with a mistake in it.
const ALIKE: f64 = 0.8;

/// What to do about an error of serde. `also` are names of settings that serde does not know of.
pub(super) fn advice(error: &str, also: &[&str]) -> String {
    let expected = error.rsplit_once(", expected ").map(|(_, after)| after);
    if let Some(name) = unknown_field(error) {
        let mut known: Vec<_> = expected.map(quoted).unwrap_or_default();
        known.extend(also);
        return format!("there is no such setting{}", instead(name, &known));
    }
    if error.starts_with("unknown variant ") {
        let given = quoted(error).first().copied().unwrap_or_default();
        let known = expected.map(quoted).unwrap_or_default();
        return format!("must be {}{}", listed(&known), meant(given, &known));
    }
    match expected {
        Some(expected) if error.starts_with("invalid ") => format!("must be {}", kind(expected)),
        _ if error == "invalid socket address syntax" => {
            "must be an address with a port, such as \"127.0.0.1:8080\"".to_owned()
        }
        _ => error.to_owned(),
    }
}

/// The name of the setting that an error of serde calls unknown.
pub(super) fn unknown_field(error: &str) -> Option<&str> {
    let (name, _) = error.strip_prefix("unknown field `")?.split_once("`, ")?;
    Some(name)
}

/// The name of the setting that an error of serde calls missing.
pub(super) fn missing_field(error: &str) -> Option<&str> {
    error.strip_prefix("missing field `")?.strip_suffix('`')
}

/// The end of a sentence about a name that is not known: the known one that it is most like, or all.
pub(crate) fn instead(given: &str, known: &[&str]) -> String {
    match meant(given, known) {
        nothing if nothing.is_empty() && !known.is_empty() => {
            format!("; known: {}", known.join(", "))
        }
        meant => meant,
    }
}

/// The end of a sentence: the known name that `given` is most like, if there is one.
fn meant(given: &str, known: &[&str]) -> String {
    let alike = known
        .iter()
        .map(|name| (strsim::jaro_winkler(given, name), name));
    let most = alike.max_by(|(one, _), (other, _)| one.total_cmp(other));
    match most {
        Some((likeness, name)) if likeness >= ALIKE => format!("; did you mean {name}?"),
        _ => String::new(),
    }
}

/// What stands in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "another".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What serde expects, as the languages of configurations call it.
fn kind(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a map" => "a table",
        "a sequence" => "a list",
        "path string" => "a path",
        "string or map" | "map with a single key" => "a string",
        rust if rust.starts_with("struct ") || rust.contains("tagged enum ") => "a table",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_serde_become_advice() {
        for (error, expected) in [
            (
                "unknown field `max_evnets`, expected one of `max_events`, `max_bytes`, `max_files`",
                "there is no such setting; did you mean max_events?",
            ),
            (
                "unknown field `colour`, expected `uri` or `batch`",
                "there is no such setting; known: uri, batch, inputs",
            ),
            (
                "unknown field `input`, there are no fields",
                "there is no such setting; did you mean inputs?",
            ),
            (
                "unknown variant `requird`, expected one of `required`, `optional`, `off`",
                "must be required, optional or off; did you mean required?",
            ),
            (
                "invalid type: string \"hunter2, expected `on`\", expected u64",
                "must be a whole number, 0 or more",
            ),
            (
                "invalid type: integer `5`, expected struct BatchConfig",
                "must be a table",
            ),
        ] {
            assert_eq!(advice(error, &["inputs"]), expected, "{error}");
        }
    }
}
