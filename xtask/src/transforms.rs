use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use landfall_appcues::SAMPLES;
use landfall_core::{Event, Secret, Timestamp, TransformConfig};
use landfall_transform_filter::{FilterConfig, List, Sample};
use landfall_transform_redact::RedactConfig;

/// The best of so many, since whatever else the machine does only adds to the time.
const ROUNDS: usize = 200;
const EVENTS_A_ROUND: usize = 100 * SAMPLES.len();

/// Measures what a transform takes for one of the documented events, on average.
pub(crate) fn measure() -> anyhow::Result<()> {
    ensure!(
        !cfg!(debug_assertions),
        "this measures a debug build; run: cargo run --release -p xtask -- transforms"
    );
    let deny = vec!["checklist_shown".to_owned()];
    let by_type = FilterConfig {
        event_types: List {
            deny,
            ..List::default()
        },
        ..FilterConfig::default()
    };
    let sampled = FilterConfig {
        sample: Some(Sample {
            rate: 10,
            key_field: Default::default(),
            seed: String::new(),
        }),
        ..FilterConfig::default()
    };
    let redacted = RedactConfig {
        key: Some(Secret::new("a key only of this benchmark")),
        ..RedactConfig::default()
    };
    let transforms: [(&str, &dyn TransformConfig); 3] = [
        ("filter, by type", &by_type),
        ("filter, a sample of users", &sampled),
        ("redact, all that it does by default", &redacted),
    ];
    for (name, config) in transforms {
        let best = best_round(config)?;
        let nanos = best.as_nanos() / EVENTS_A_ROUND as u128;
        println!("{name:<36} {nanos:>6} ns an event");
    }
    Ok(())
}

fn best_round(config: &dyn TransformConfig) -> anyhow::Result<Duration> {
    let transform = config.build()?;
    let now = Timestamp::now();
    let events = SAMPLES.map(|sample| Event::new(now, sample.body));
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for event in events.iter().cycle().take(EVENTS_A_ROUND) {
            black_box(transform.transform(black_box(event.clone())));
        }
        best = best.min(started.elapsed());
    }
    Ok(best)
}
