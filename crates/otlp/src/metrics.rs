//! From the text of a Prometheus endpoint
//! ([format](https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md)) to OTLP's metrics.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::SCOPE;

/// What all exports of a process have in common.
#[derive(Debug)]
pub(crate) struct Exported {
    resource: Resource,
    scope: InstrumentationScope,
    /// Since when counters count, in nanoseconds since the Unix epoch.
    since: u64,
}

impl Exported {
    pub(crate) fn new(attributes: Vec<KeyValue>, since: SystemTime) -> Self {
        Self {
            resource: Resource {
                attributes,
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: SCOPE.to_owned(),
                ..InstrumentationScope::default()
            },
            since: nanos(since),
        }
    }

    /// What `text` said at `now`.
    pub(crate) fn request(&self, text: &str, now: SystemTime) -> ExportMetricsServiceRequest {
        let times = Times {
            since: self.since,
            now: nanos(now),
        };
        let scope_metrics = ScopeMetrics {
            scope: Some(self.scope.clone()),
            metrics: metrics(text, &times),
            ..ScopeMetrics::default()
        };
        let resource_metrics = ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![scope_metrics],
            ..ResourceMetrics::default()
        };
        ExportMetricsServiceRequest {
            resource_metrics: vec![resource_metrics],
        }
    }
}

struct Times {
    since: u64,
    now: u64,
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A line with a value.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: &'a str,
}

fn metrics(text: &str, times: &Times) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    for line in text.lines() {
        if let Some(r#type) = line.strip_prefix("# TYPE ") {
            metrics.extend(
                r#type
                    .split_once(' ')
                    .and_then(|(name, r#type)| empty(name, r#type)),
            );
        } else if !line.starts_with('#')
            && let Some(sample) = sample(line)
            && let Some(Metric { name, data, .. }) = metrics.last_mut()
            && let Some(part) = sample.name.strip_prefix(&**name)
            && let Some(data) = data
        {
            add(data, part, sample, times);
        }
    }
    metrics
}

/// A metric without values; `None` for types that are not exported here.
fn empty(name: &str, r#type: &str) -> Option<Metric> {
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match r#type {
        "counter" => metric::Data::Sum(Sum {
            aggregation_temporality: cumulative,
            is_monotonic: true,
            ..Sum::default()
        }),
        "gauge" => metric::Data::Gauge(Gauge::default()),
        "histogram" => metric::Data::Histogram(Histogram {
            aggregation_temporality: cumulative,
            ..Histogram::default()
        }),
        _ => return None,
    };
    Some(Metric {
        name: name.to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

fn add(data: &mut metric::Data, part: &str, sample: Sample<'_>, times: &Times) {
    match (data, part) {
        (metric::Data::Sum(sum), "") => {
            let value = sample.value.parse().map(number_data_point::Value::AsInt);
            sum.data_points
                .extend(value.ok().map(|value| NumberDataPoint {
                    attributes: attributes(sample.labels),
                    start_time_unix_nano: times.since,
                    time_unix_nano: times.now,
                    value: Some(value),
                    ..NumberDataPoint::default()
                }));
        }
        (metric::Data::Gauge(gauge), "") => {
            let value = sample.value.parse().map(number_data_point::Value::AsDouble);
            gauge
                .data_points
                .extend(value.ok().map(|value| NumberDataPoint {
                    attributes: attributes(sample.labels),
                    time_unix_nano: times.now,
                    value: Some(value),
                    ..NumberDataPoint::default()
                }));
        }
        (metric::Data::Histogram(histogram), part) => add_to(histogram, part, sample, times),
        _ => {}
    }
}

/// Adds one line of a histogram: how many values were up to a bound, which comes from the lowest to infinity, then their sum, then
/// how many there were.
fn add_to(histogram: &mut Histogram, part: &str, mut sample: Sample<'_>, times: &Times) {
    let bound = sample.labels.iter().position(|(name, _)| *name == "le");
    let bound = bound.map(|at| sample.labels.remove(at).1);
    let attributes = attributes(sample.labels);
    let points = &mut histogram.data_points;
    if points
        .last()
        .is_none_or(|point| point.attributes != attributes)
    {
        points.push(HistogramDataPoint {
            attributes,
            start_time_unix_nano: times.since,
            time_unix_nano: times.now,
            ..HistogramDataPoint::default()
        });
    }
    let Some(point) = points.last_mut() else {
        return;
    };
    match (part, bound) {
        ("_bucket", Some(bound)) => {
            let below: u64 = point.bucket_counts.iter().sum();
            let up_to: u64 = sample.value.parse().unwrap_or(below);
            point.bucket_counts.push(up_to.saturating_sub(below));
            if let Ok(bound) = bound.parse::<f64>()
                && bound.is_finite()
            {
                point.explicit_bounds.push(bound);
            }
        }
        ("_sum", None) => point.sum = sample.value.parse().ok(),
        ("_count", None) => point.count = sample.value.parse().unwrap_or_default(),
        _ => {}
    }
}

fn attributes(labels: Vec<(&str, String)>) -> Vec<KeyValue> {
    let attributes = labels.into_iter().map(|(name, value)| KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value)),
        }),
        ..KeyValue::default()
    });
    attributes.collect()
}

/// A line as in `name{label="value",other="a \"quoted\" one"} 13`.
fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, value) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, behind) = unquoted(value)?;
            labels.push((label, value));
            rest = behind;
        }
        rest = &rest[1..];
    }
    let value = rest.split_ascii_whitespace().next()?;
    Some(Sample {
        name,
        labels,
        value,
    })
}

/// The value that `text` begins with, up to its quotation mark, and what stands behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            char => value.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
# HELP events_total what came
# TYPE events_total counter
events_total{component_id="lake",path="a\\b \"c\"\nd,e}"} 13
events_total 2

# TYPE ready gauge
ready 0.5

# TYPE seconds histogram
seconds_bucket{id="a",le="0.1"} 1
seconds_bucket{id="a",le="2"} 3
seconds_bucket{id="a",le="+Inf"} 4
seconds_sum{id="a"} 7.5
seconds_count{id="a"} 4
seconds_bucket{id="b",le="0.1"} 0
seconds_bucket{id="b",le="2"} 0
seconds_bucket{id="b",le="+Inf"} 0
seconds_sum{id="b"} 0
seconds_count{id="b"} 0

# TYPE other summary
other{quantile="0.5"} 1
"#;

    fn read(text: &str) -> Vec<Metric> {
        metrics(text, &Times { since: 1, now: 2 })
    }

    fn labels(attributes: &[KeyValue]) -> Vec<(&str, &str)> {
        fn pair(attribute: &KeyValue) -> Option<(&str, &str)> {
            match &attribute.value.as_ref()?.value {
                Some(any_value::Value::StringValue(value)) => Some((&attribute.key, value)),
                _ => None,
            }
        }
        attributes.iter().filter_map(pair).collect()
    }

    #[test]
    fn counters_are_sums_since_the_start_with_their_labels() {
        let [counter, ..] = &*read(TEXT) else {
            panic!()
        };
        assert_eq!(counter.name, "events_total");
        let Some(metric::Data::Sum(sum)) = &counter.data else {
            panic!("{counter:?}")
        };
        assert!(sum.is_monotonic);
        let [labelled, plain] = &*sum.data_points else {
            panic!("{sum:?}")
        };
        let expected = [("component_id", "lake"), ("path", "a\\b \"c\"\nd,e}")];
        assert_eq!(labels(&labelled.attributes), expected);
        assert_eq!(labelled.value, Some(number_data_point::Value::AsInt(13)));
        assert_eq!((plain.start_time_unix_nano, plain.time_unix_nano), (1, 2));
        assert_eq!(plain.value, Some(number_data_point::Value::AsInt(2)));
    }

    #[test]
    fn gauges_are_what_they_are_now() {
        let [_, gauge, ..] = &*read(TEXT) else {
            panic!()
        };
        let Some(metric::Data::Gauge(data)) = &gauge.data else {
            panic!("{gauge:?}")
        };
        let [point] = &*data.data_points else {
            panic!("{data:?}")
        };
        assert_eq!(point.value, Some(number_data_point::Value::AsDouble(0.5)));
    }

    #[test]
    fn histograms_have_the_same_bounds_and_count_each_value_once() {
        let metrics = read(TEXT);
        let [_, _, histogram] = &*metrics else {
            panic!("{metrics:?}")
        };
        let Some(metric::Data::Histogram(data)) = &histogram.data else {
            panic!("{histogram:?}")
        };
        let [a, b] = &*data.data_points else {
            panic!("{data:?}")
        };
        assert_eq!(labels(&a.attributes), [("id", "a")]);
        assert_eq!(
            (&*a.explicit_bounds, &*a.bucket_counts),
            (&[0.1, 2.0][..], &[1, 2, 1][..])
        );
        assert_eq!((a.sum, a.count), (Some(7.5), 4));
        assert_eq!((&*b.bucket_counts, b.count), (&[0, 0, 0][..], 0));
    }

    #[test]
    fn what_is_no_metric_is_passed_over() {
        for text in [
            "events_total 1",
            "# TYPE x counter\nx{a=\"b",
            "# TYPE x counter\ny 1",
            "# TYPE x\nx 1",
        ] {
            let points = read(text)
                .into_iter()
                .filter_map(|metric| match metric.data {
                    Some(metric::Data::Sum(sum)) => Some(sum.data_points.len()),
                    _ => None,
                });
            assert_eq!(points.sum::<usize>(), 0, "{text}");
        }
    }
}
