//! `${VAR}` and `${VAR:-default}` in the strings of a configuration.
//!
//! Substitution works on parsed strings, not on the text of the file: a secret may hold quotes, newlines or
//! `${`, and cannot change the shape of the configuration.

use serde_json::Value;

use crate::config::{Problem, joined};

/// What came of the references in a configuration.
#[derive(Debug, Default)]
pub(crate) struct Interpolated {
    /// Those that could not be replaced.
    pub(crate) problems: Vec<Problem>,
    /// The strings that hold a replaced one: secrets, most likely.
    pub(crate) values: Vec<String>,
}

/// Replaces the references in every string of `value`.
pub(crate) fn interpolate(
    value: &mut Value,
    path: &str,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut Interpolated,
) {
    match value {
        Value::String(text) => match substitute(text, env) {
            Ok(substituted) if substituted == *text => {}
            Ok(substituted) => {
                out.values.push(substituted.clone());
                *text = substituted;
            }
            Err(problem) => out.problems.push(Problem::new(path, problem)),
        },
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                interpolate(item, &format!("{path}[{index}]"), env, out);
            }
        }
        Value::Object(table) => {
            for (key, item) in table {
                interpolate(item, &joined(path, key), env, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `$$` stands for one `$`; a `$` before anything but `{` or `$` stands for itself.
fn substitute(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (reference, after) = after
                .split_once('}')
                .ok_or("a \"${\" is not closed; write $$ for a plain $")?;
            out.push_str(&resolve(reference, env)?);
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn resolve(reference: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    if let Some((name, default)) = reference.split_once(":-") {
        let set = env(name).filter(|value| !value.is_empty());
        return Ok(set.unwrap_or_else(|| default.to_owned()));
    }
    env(reference).ok_or_else(|| {
        format!(
            "the environment variable {reference} is not set; set it, or give a default with \
             ${{{reference}:-default}}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "SECRET" => Some("a\"${b}\n".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn references_are_replaced_once_and_verbatim() {
        assert_eq!(substitute("<${SECRET}>", &env).unwrap(), "<a\"${b}\n>");
    }

    #[test]
    fn a_default_stands_in_for_unset_and_empty() {
        assert_eq!(substitute("${NONE:-x}", &env).unwrap(), "x");
        assert_eq!(substitute("${EMPTY:-x}", &env).unwrap(), "x");
        assert_eq!(substitute("${EMPTY}", &env).unwrap(), "");
        assert_eq!(substitute("${NONE:-}", &env).unwrap(), "");
    }

    #[test]
    fn dollars_that_are_no_reference_stay() {
        assert_eq!(
            substitute("$5 $${SECRET} $", &env).unwrap(),
            "$5 ${SECRET} $"
        );
    }

    #[test]
    fn an_unset_variable_is_named_with_its_place() {
        let mut value = serde_json::json!({"sources": {"a": {"secrets": ["${NONE}"]}}});
        let mut out = Interpolated::default();
        interpolate(&mut value, "", &env, &mut out);
        let problems = out.problems;
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "sources.a.secrets[0]");
        assert!(problems[0].message.contains("NONE"));
    }
}
