//! Places in a body, written as JSON paths.

/// One step of a path: from an object to the values of some of its keys.
///
/// Lists are no step. Whoever writes `a.b` means what is in `a`, also where `a` holds several of the kind in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Whether it may be taken from any object further down too.
    pub(crate) anywhere: bool,
    pub(crate) key: Key,
}

/// Which keys a step takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Is(String),
    /// All but these.
    IsNot(Vec<&'static str>),
}

impl Step {
    pub(crate) fn takes(&self, key: &str) -> bool {
        match &self.key {
            Key::Is(name) => name == key,
            Key::IsNot(names) => !names.contains(&key),
        }
    }
}

/// Reads `$.a.b`, `a['b']`, `a[*].b`, `a.*`, `$..b`.
///
/// # Errors
/// What to change about it.
pub(crate) fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    // A path may begin with a key as it is.
    let mut expects_key = !path.starts_with(['$', '.', '[']);
    while !rest.is_empty() || expects_key {
        let mut anywhere = false;
        if !expects_key {
            if let Some(after) = rest.strip_prefix("..") {
                (rest, anywhere) = (after, true);
            } else if let Some(after) = rest.strip_prefix('.') {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("[*]") {
                rest = after;
                continue;
            } else if !rest.starts_with('[') {
                return Err("write a . before each key".to_owned());
            }
        }
        expects_key = false;
        let (key, after) = if rest.starts_with('[') {
            in_brackets(rest)?
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            match key {
                "" => return Err("a key is missing".to_owned()),
                "*" => (Key::IsNot(Vec::new()), after),
                _ => (Key::Is(key.to_owned()), after),
            }
        };
        steps.push(Step { anywhere, key });
        rest = after;
    }
    if steps.is_empty() {
        return Err("it names no key".to_owned());
    }
    Ok(steps)
}

/// The key at the beginning of `text`, in brackets and quotes, and what follows it.
fn in_brackets(text: &str) -> Result<(Key, &str), String> {
    for (open, close) in [("['", "']"), ("[\"", "\"]")] {
        if let Some(quoted) = text.strip_prefix(open) {
            let (key, after) = quoted
                .split_once(close)
                .ok_or(format!("{open} has no {close}"))?;
            return Ok((Key::Is(key.to_owned()), after));
        }
    }
    if let Some(after) = text.strip_prefix("[*]") {
        return Ok((Key::IsNot(Vec::new()), after));
    }
    Err("write [*] for all elements of a list, and ['key'] for a key with . or [ in it; single elements and conditions cannot be chosen".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(key: &str) -> Step {
        let key = Key::Is(key.to_owned());
        Step {
            anywhere: false,
            key,
        }
    }

    fn anywhere(step: Step) -> Step {
        Step {
            anywhere: true,
            ..step
        }
    }

    fn any() -> Step {
        let key = Key::IsNot(Vec::new());
        Step {
            anywhere: false,
            key,
        }
    }

    #[test]
    fn paths_read_the_same_in_every_usual_way_to_write_them() {
        for path in [
            "a.b",
            "$.a.b",
            ".a.b",
            "a['b']",
            "$[\"a\"].b",
            "a[*].b",
            "a[*][*]['b'][*]",
        ] {
            assert_eq!(parse(path).unwrap(), [is("a"), is("b")], "{path}");
        }
        assert_eq!(parse("$..b").unwrap(), [anywhere(is("b"))]);
        assert_eq!(
            parse("a..['b.c[']").unwrap(),
            [is("a"), anywhere(is("b.c["))]
        );
        assert_eq!(parse("a.*").unwrap(), [is("a"), any()]);
        assert_eq!(parse("$..*").unwrap(), [anywhere(any())]);
    }

    #[test]
    fn what_is_no_path_is_told_from_one() {
        for path in [
            "",
            "$",
            "a..",
            "a.",
            "a...b",
            "a[0]",
            "a[?(@.b)]",
            "a['b",
            "$a",
            "a['b']c",
            "[*]",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
