use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::wording::instead;

/// Which component gets events from which.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    pub(super) sources: BTreeSet<String>,
    /// The inputs of each; `None` where they cannot be read.
    pub(super) transforms: BTreeMap<String, Option<Vec<String>>>,
    /// The inputs of each; `None` where they cannot be read.
    pub(super) sinks: BTreeMap<String, Option<Vec<String>>>,
}

impl Wiring {
    /// Everything by which events would get lost, or go round.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.sources.is_empty() {
            problems.push(Problem::new(
                "sources",
                "there is none, so nothing could be received",
            ));
        }
        for (holder, inputs) in self.inputs() {
            problems.extend(self.input_problems(&holder, inputs));
        }
        // An input that is written wrong is not said twice.
        if problems.is_empty() && self.inputs().count() == self.takers() {
            problems.extend(self.loose_ends());
        }
        for id in self.transforms.keys() {
            let path = format!("transforms.{id}");
            if self.sources.contains(id) {
                problems.push(Problem::new(
                    path.clone(),
                    "a source has this name already, so inputs could mean either",
                ));
            }
            if self.leads_back(id) {
                problems.push(Problem::new(
                    format!("{path}.inputs"),
                    "it would get its own events",
                ));
            }
        }
        for id in self.sinks.keys().filter(|id| !is_name(id)) {
            problems.push(Problem::new(
                format!("sinks.{id}"),
                "use letters, digits, - and _ in names",
            ));
        }
        problems
    }

    fn input_problems(&self, holder: &str, inputs: &[String]) -> Vec<Problem> {
        let path = format!("{holder}.inputs");
        if inputs.is_empty() {
            return vec![Problem::new(path, "name at least one source")];
        }
        let known: Vec<_> = self.sources.iter().chain(self.transforms.keys()).collect();
        let mut problems = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if inputs[..index].contains(input) {
                problems.push(Problem::new(path, format!("\"{input}\" is there twice")));
            } else if !known.contains(&input) {
                let known: Vec<_> = known.iter().map(|id| id.as_str()).collect();
                problems.push(Problem::new(
                    path,
                    format!(
                        "there is no source or transform \"{input}\"{}",
                        instead(input, &known)
                    ),
                ));
            }
        }
        problems
    }

    /// Everything whose events nobody takes.
    fn loose_ends(&self) -> impl Iterator<Item = Problem> {
        let sources = self.sources.iter().map(|id| ("sources", id));
        let all = sources.chain(self.transforms.keys().map(|id| ("transforms", id)));
        let is_input = |id: &String| self.inputs().any(|(_, inputs)| inputs.contains(id));
        all.filter(move |(_, id)| !is_input(id)).map(|(kind, id)| {
            Problem::new(
                format!("{kind}.{id}"),
                "no sink has it among its inputs, so its events would be lost",
            )
        })
    }

    /// Everything that has inputs which can be read, with them.
    fn inputs(&self) -> impl Iterator<Item = (String, &[String])> {
        let transforms = self.transforms.iter();
        let transforms = transforms.map(|(id, inputs)| ("transforms", id, inputs));
        let sinks = self.sinks.iter().map(|(id, inputs)| ("sinks", id, inputs));
        transforms
            .chain(sinks)
            .filter_map(|(kind, id, inputs)| Some((format!("{kind}.{id}"), inputs.as_deref()?)))
    }

    fn takers(&self) -> usize {
        self.transforms.len() + self.sinks.len()
    }

    /// Whether transform `id` is among what it gets events from.
    fn leads_back(&self, id: &String) -> bool {
        let mut before: Vec<&String> = Vec::new();
        let mut next = vec![id];
        while let Some(id_before) = next.pop() {
            let inputs = self.transforms.get(id_before).into_iter().flatten();
            for input in inputs.flatten() {
                if input == id {
                    return true;
                }
                if !before.contains(&input) {
                    before.push(input);
                    next.push(input);
                }
            }
        }
        false
    }
}

/// A sink's name is also the name of its folder in `data_dir`.
fn is_name(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !id.is_empty() && id.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Inputs<'a> = &'a [(&'a str, Option<&'a [&'a str]>)];

    fn problems(sources: &[&str], transforms: Inputs<'_>, sinks: Inputs<'_>) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let takers = |of: Inputs<'_>| {
            let of = of.iter();
            of.map(|(id, inputs)| ((*id).to_owned(), inputs.map(owned)))
                .collect()
        };
        let wiring = Wiring {
            sources: owned(sources).into_iter().collect(),
            transforms: takers(transforms),
            sinks: takers(sinks),
        };
        wiring.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn events_that_would_get_lost_or_go_round_are_told() {
        let lake = [("lake", Some(&["in"][..]))];
        assert_eq!(problems(&["in"], &[], &lake), [""; 0]);
        assert_eq!(
            problems(&["in", "loose"], &[("end", Some(&["in"]))], &lake),
            [
                "sources.loose: no sink has it among its inputs, so its events would be lost",
                "transforms.end: no sink has it among its inputs, so its events would be lost",
            ]
        );
        let round = [
            ("one", Some(&["in", "two"][..])),
            ("two", Some(&["one"][..])),
        ];
        assert_eq!(
            problems(&["in"], &round, &[("lake", Some(&["two"]))]),
            [
                "transforms.one.inputs: it would get its own events",
                "transforms.two.inputs: it would get its own events",
            ]
        );
        assert_eq!(
            problems(&["in"], &[("in", Some(&["in"]))], &lake),
            [
                "transforms.in: a source has this name already, so inputs could mean either",
                "transforms.in.inputs: it would get its own events",
            ]
        );
    }

    #[test]
    fn a_mistake_in_inputs_is_told_once() {
        let sinks = [
            ("lake", Some(&["apcues", "appcues", "appcues"][..])),
            ("empty", Some(&[][..])),
        ];
        assert_eq!(
            problems(&["appcues", "other"], &[], &sinks),
            [
                "sinks.empty.inputs: name at least one source",
                "sinks.lake.inputs[0]: there is no source or transform \"apcues\"; did you mean appcues?",
                "sinks.lake.inputs[2]: \"appcues\" is there twice",
            ]
        );
        // Inputs that could not be read may name every source.
        assert_eq!(problems(&["appcues"], &[], &[("lake", None)]), [""; 0]);
    }
}
