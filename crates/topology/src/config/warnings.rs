use std::collections::BTreeSet;

use super::{Config, SinkOuter};
use crate::{BufferType, Kind};

impl Config {
    /// What may be meant as it is, but loses events, shows them to strangers or confuses people if it is not; each with what it
    /// is about.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let api = &self.api;
        if api.shows_events() && api.token.is_none() && !api.address.ip().is_loopback() {
            warnings.push(format!(
                "api: events are shown to whoever reaches {}; set api.token",
                api.address
            ));
        }
        for (id, source) in &self.sources {
            let sinks: Vec<_> = self.sinks_of(id).collect();
            if !sinks.iter().any(|(_, sink)| sink.config.can_acknowledge()) {
                warnings.push(format!(
                    "sources.{id}: nothing keeps its events, since its sinks only show them"
                ));
            }
            if source.config.can_acknowledge() {
                continue;
            }
            let in_memory = sinks
                .iter()
                .filter(|(_, sink)| sink.buffer.r#type == BufferType::Memory);
            warnings.extend(in_memory.map(|(sink, _)| {
                format!(
                    "sources.{id}: its senders do not learn what is refused, so that it is lost when sinks.{sink} with its \
                     memory buffer has no room or stops"
                )
            }));
        }
        let others = self.components().filter(|other| other.kind != Kind::Sink);
        let others = others.filter(|other| self.sinks.contains_key(other.id));
        warnings.extend(others.map(|other| {
            format!(
                "{other}: a sink has this name too, so that the console, `landfall top` and `landfall tap` take one for the other; \
                 rename the {}, as the sink's buffer goes by its name",
                other.kind.name()
            )
        }));
        warnings
    }

    /// The sinks that events of this source come to.
    fn sinks_of<'a>(
        &'a self,
        source: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a SinkOuter)> {
        let mut from = BTreeSet::from([source]);
        // Each round finds those that are one step further away.
        for _ in &self.transforms {
            let transforms = self.transforms.iter();
            let reached = transforms.filter(|(_, outer)| takes_any(&outer.inputs, &from));
            let reached: Vec<_> = reached.map(|(id, _)| id.as_str()).collect();
            from.extend(reached);
        }
        self.sinks
            .iter()
            .filter(move |(_, sink)| takes_any(&sink.inputs, &from))
    }
}

fn takes_any(inputs: &[String], from: &BTreeSet<&str>) -> bool {
    inputs.iter().any(|input| from.contains(input.as_str()))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use landfall_core::{
        BuildError, Component, Sink, SinkConfig, SinkContext, Source, SourceConfig, SourceContext,
    };
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;
    use crate::{Format, Registry};

    /// A component of which nothing is known but whether it can acknowledge.
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Stub {
        acknowledges: bool,
    }

    impl Component for Stub {}

    #[async_trait]
    impl SourceConfig for Stub {
        async fn build(&self, _: SourceContext) -> Result<Box<dyn Source>, BuildError> {
            Err(BuildError::new("only a stub"))
        }

        fn can_acknowledge(&self) -> bool {
            self.acknowledges
        }
    }

    #[async_trait]
    impl SinkConfig for Stub {
        async fn build(&self, _: SinkContext) -> Result<Box<dyn Sink>, BuildError> {
            Err(BuildError::new("only a stub"))
        }

        async fn healthcheck(&self) -> Result<(), BuildError> {
            Ok(())
        }

        fn can_acknowledge(&self) -> bool {
            self.acknowledges
        }
    }

    /// The warnings about a source and a sink with a buffer, which acknowledge or do not.
    fn warnings(source: bool, sink: bool, buffer: &str) -> Vec<String> {
        let text = format!(
            "[sources.in]\ntype = \"stub\"\nacknowledges = {source}\n\
             [sinks.out]\ntype = \"stub\"\ninputs = [\"in\"]\nacknowledges = {sink}\nbuffer.type = \"{buffer}\""
        );
        parsed(&text).warnings()
    }

    fn parsed(text: &str) -> Config {
        let registry = Registry::default()
            .source::<Stub>("stub")
            .sink::<Stub>("stub");
        Config::parse(text, Format::Toml, &registry, &|_| None).unwrap()
    }

    #[test]
    fn who_shows_events_to_whoever_asks_is_warned() {
        for (api, warned) in [
            ("", 0),
            ("address = \"0.0.0.0:1\"", 0),
            ("address = \"0.0.0.0:1\"\ntoken = \"x\"\ntap = true", 0),
            ("address = \"127.0.0.1:1\"\ntap = true", 0),
            ("address = \"0.0.0.0:1\"\ntap = true", 1),
        ] {
            let text = format!(
                "[api]\n{api}\n[sources.in]\ntype = \"stub\"\nacknowledges = true\n\
                 [sinks.out]\ntype = \"stub\"\ninputs = [\"in\"]\nacknowledges = true"
            );
            let warnings = parsed(&text).warnings();
            assert_eq!(warnings.len(), warned, "{api}: {warnings:?}");
        }
    }

    #[test]
    fn a_sink_with_the_name_of_what_it_gets_events_from_is_warned_of() {
        let text = "[sources.same]\ntype = \"stub\"\nacknowledges = true\n\
                    [sinks.same]\ntype = \"stub\"\ninputs = [\"same\"]\nacknowledges = true";
        let [warning] = &*parsed(text).warnings() else {
            panic!("one warning");
        };
        assert!(
            warning.starts_with("sources.same: a sink has this name too"),
            "{warning}"
        );
    }

    #[test]
    fn who_may_lose_events_is_warned() {
        assert_eq!(warnings(true, true, "disk"), [""; 0]);
        assert_eq!(warnings(true, true, "memory"), [""; 0]);
        assert_eq!(warnings(false, true, "disk"), [""; 0]);
        let [in_memory] = &*warnings(false, true, "memory") else {
            panic!("one warning");
        };
        assert!(in_memory.starts_with("sources.in: ") && in_memory.contains("sinks.out"));
        let [not_kept] = &*warnings(true, false, "disk") else {
            panic!("one warning");
        };
        assert!(not_kept.contains("nothing keeps its events"), "{not_kept}");
        assert_eq!(warnings(false, false, "memory").len(), 2);
    }
}
