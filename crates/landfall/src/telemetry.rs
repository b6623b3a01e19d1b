//! What a command says while it runs: its log, and with the feature `otlp` traces and metrics for a collector.

use std::env;
use std::io::{self, IsTerminal as _};

use landfall_topology::Metrics;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// What is to be sent of a service beside its log.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    #[cfg(feature = "otlp")]
    otlp: Option<landfall_otlp::Otlp>,
}

impl Telemetry {
    /// What the environment asks for.
    pub(crate) fn of_environment() -> Self {
        Self {
            #[cfg(feature = "otlp")]
            otlp: Some(landfall_otlp::Otlp::from_env("landfall")),
        }
    }

    /// Starts the log, on standard error: for people on a terminal, as JSON lines anywhere else.
    pub(crate) fn start_log(&self, default: &str) {
        let wanted = env::var("LANDFALL_LOG").unwrap_or_default();
        let filter = if wanted.is_empty() { default } else { &wanted };
        let filter = parse(filter).unwrap_or_else(|problem| {
            eprintln!("LANDFALL_LOG: {problem}; logging {default} instead");
            EnvFilter::new(default)
        });
        let log = fmt::layer().with_writer(io::stderr);
        let log = if io::stderr().is_terminal() {
            log.with_target(false).boxed()
        } else {
            log.json().flatten_event(true).boxed()
        };
        let subscriber = tracing_subscriber::registry().with(log.with_filter(filter));
        #[cfg(feature = "otlp")]
        let subscriber = subscriber.with(self.otlp.as_ref().and_then(landfall_otlp::Otlp::layer));
        subscriber.init();
    }

    /// Runs `service`, and sends its traces and `metrics` until it has ended.
    pub(crate) async fn watch<T>(self, metrics: Metrics, service: impl Future<Output = T>) -> T {
        #[cfg(feature = "otlp")]
        if let Some(otlp) = self.otlp {
            let sending = otlp.begin(move || metrics.render());
            let ended = service.await;
            sending.end().await;
            return ended;
        }
        drop(metrics);
        service.await
    }
}

/// Of what to log.
///
/// # Errors
/// What to write instead. A word alone must be a level: as the name of a part of the program, which it could be too, it would
/// silence all others.
fn parse(filter: &str) -> Result<EnvFilter, String> {
    let words = filter.split(',').map(str::trim);
    let mut alone = words.clone().filter(|word| !word.contains(['=', '[']));
    if let Some(word) = alone.find(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(format!(
            "{word:?} is no level; write off, error, warn, info, debug or trace, or {word}=debug for a part"
        ));
    }
    let filter: Vec<_> = words.collect();
    EnvFilter::try_new(filter.join(",")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_with_the_levels_that_there_are() {
        for filter in ["verbose", "info, landfall", "landfall=debug,warning"] {
            let problem = parse(filter).unwrap_err();
            assert!(problem.contains("error, warn, info"), "{problem}");
        }
        assert!(parse("landfall=verbose").is_err());
        for filter in [
            "INFO",
            " warn, landfall_journal=debug ",
            "off",
            "3",
            "info,landfall[request]=trace",
        ] {
            let parsed = parse(filter);
            assert!(parsed.is_ok(), "{filter}: {parsed:?}");
        }
    }
}
