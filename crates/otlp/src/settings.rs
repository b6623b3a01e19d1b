use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// How long a request may take, and how often metrics are sent, where nothing says so.
const TIMEOUT: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_secs(60);

/// What the environment says of where traces and metrics go.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) traces: Option<Endpoint>,
    pub(crate) metrics: Option<Endpoint>,
    /// Between two exports of the metrics.
    pub(crate) interval: Duration,
    /// Which variables cannot be used, and why. What they hold is not shown: it may be a secret.
    pub(crate) problems: Vec<String>,
}

/// Where one signal goes.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    /// They may hold credentials.
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
}

/// A variable of the environment; one that is empty counts as unset.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    pub(crate) fn read(variable: Lookup<'_>) -> Self {
        let variable = &|name: &str| variable(name).filter(|value| !value.is_empty());
        let mut problems = Vec::new();
        let interval = millis(variable, "OTEL_METRIC_EXPORT_INTERVAL");
        let interval = noted(interval, &mut problems).unwrap_or(INTERVAL);
        let is_off = |value: String| value.eq_ignore_ascii_case("true");
        let [traces, metrics] = if variable("OTEL_SDK_DISABLED").is_some_and(is_off) {
            [None, None]
        } else {
            let endpoint = |signal| noted(Endpoint::read(variable, signal), &mut problems);
            ["traces", "metrics"].map(endpoint)
        };
        // What holds for both signals was read for each.
        problems.dedup();
        Self {
            traces,
            metrics,
            interval,
            problems,
        }
    }
}

fn noted<T>(read: Result<Option<T>, String>, problems: &mut Vec<String>) -> Option<T> {
    read.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    })
}

impl Endpoint {
    /// Where `signal`, `traces` or `metrics`, goes; `None` where nothing says so.
    fn read(variable: Lookup<'_>, signal: &str) -> Result<Option<Self>, String> {
        let capitals = signal.to_ascii_uppercase();
        let exporter = format!("OTEL_{capitals}_EXPORTER");
        match variable(&exporter).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(_) => return Err(invalid(&exporter, "must be otlp or none")),
        }
        // That of the signal comes before that of both.
        let either = |setting: &str| {
            let own = format!("OTEL_EXPORTER_OTLP_{capitals}_{setting}");
            let common = format!("OTEL_EXPORTER_OTLP_{setting}");
            [own, common]
                .into_iter()
                .find_map(|name| Some((variable(&name)?, name)))
        };
        let Some((base, name)) = either("ENDPOINT") else {
            return Ok(None);
        };
        let address = if name.contains(&capitals) {
            base
        } else {
            format!("{}/v1/{signal}", base.trim_end_matches('/'))
        };
        let url = Url::parse(&address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url
            .ok_or_else(|| invalid(&name, "must be a URL that begins with http:// or https://"))?;
        if let Some((protocol, name)) = either("PROTOCOL")
            && protocol != "http/protobuf"
        {
            return Err(invalid(
                &name,
                "only http/protobuf is spoken, mostly on port 4318",
            ));
        }
        let headers = match either("HEADERS") {
            None => HeaderMap::new(),
            Some((text, name)) => headers(&text)
                .ok_or_else(|| invalid(&name, "must be headers as in name=value,name=value"))?,
        };
        let timeout = match either("TIMEOUT") {
            None => None,
            Some((_, name)) => millis(variable, &name)?,
        };
        Ok(Some(Self {
            url,
            headers,
            timeout: timeout.unwrap_or(TIMEOUT),
        }))
    }

    /// The URL, but for what may be a secret in it.
    pub(crate) fn shown(&self) -> String {
        let (scheme, path) = (self.url.scheme(), self.url.path());
        let host = self.url.host_str().unwrap_or_default();
        let port = self
            .url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        format!("{scheme}://{host}{port}{path}")
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Endpoint").field(&self.shown()).finish()
    }
}

fn invalid(name: &str, advice: &str) -> String {
    format!("{name}: {advice}")
}

fn millis(variable: Lookup<'_>, name: &str) -> Result<Option<Duration>, String> {
    let Some(text) = variable(name) else {
        return Ok(None);
    };
    let millis = text.trim().parse().ok().filter(|millis| *millis > 0);
    let millis = millis.ok_or_else(|| invalid(name, "must be a number of milliseconds"))?;
    Ok(Some(Duration::from_millis(millis)))
}

/// Headers as in `api-key=secret,other=a%20b`.
fn headers(text: &str) -> Option<HeaderMap> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let pairs = pairs.map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some((name.trim().parse::<HeaderName>().ok()?, value))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Settings {
        let value = |name: &str| {
            let found = variables.iter().find(|(have, _)| *have == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&value)
    }

    fn urls(variables: &[(&str, &str)]) -> [Option<String>; 2] {
        let Settings {
            traces, metrics, ..
        } = read(variables);
        [traces, metrics].map(|endpoint| Some(endpoint?.url.to_string()))
    }

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn nothing_is_sent_unless_an_endpoint_is_named() {
        assert_eq!(urls(&[]), [None, None]);
        assert_eq!(urls(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), [None, None]);
        assert_eq!(urls(&[BASE, ("OTEL_SDK_DISABLED", "True")]), [None, None]);
    }

    #[test]
    fn each_signal_has_a_path_or_an_address_of_its_own() {
        let paths =
            ["traces", "metrics"].map(|signal| format!("http://collector:4318/v1/{signal}"));
        assert_eq!(urls(&[BASE]), paths.clone().map(Some));
        let own = (
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "https://example.com/m",
        );
        let [traces, _] = paths.map(Some);
        assert_eq!(urls(&[BASE, own]), [traces.clone(), Some(own.1.to_owned())]);
        assert_eq!(urls(&[own]), [None, Some(own.1.to_owned())]);
        assert_eq!(
            urls(&[BASE, ("OTEL_METRICS_EXPORTER", "none")]),
            [traces, None]
        );
    }

    #[test]
    fn headers_and_time_are_those_of_the_signal_or_of_both() {
        let settings = read(&[
            BASE,
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20secret, x=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=another"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "700"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
        ]);
        assert_eq!(settings.interval, Duration::from_secs(1));
        let traces = settings.traces.unwrap();
        assert_eq!(traces.headers["api-key"], "another");
        assert_eq!((traces.headers.len(), traces.timeout.as_millis()), (1, 500));
        let metrics = settings.metrics.unwrap();
        assert_eq!(metrics.headers["api-key"], "a secret");
        assert_eq!(
            (metrics.headers.len(), metrics.timeout.as_millis()),
            (2, 700)
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_shown() {
        let secret = "hunter2\n";
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "unix:///hunter2"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", secret),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "hunter2"),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ] {
            let Settings {
                traces, problems, ..
            } = read(&[(name, value), BASE]);
            let [problem] = &*problems else {
                panic!("{problems:?}");
            };
            assert!(problem.starts_with(&format!("{name}: ")), "{problem}");
            assert!(!problem.contains(value), "{problem}");
            assert_eq!(traces.is_some(), name.contains("METRIC"));
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let address = "https://user:hunter2@example.com:1234/path?key=hunter2";
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address),
            ("OTEL_EXPORTER_OTLP_HEADERS", "key=hunter2"),
        ]);
        let traces = settings.traces.as_ref().unwrap();
        assert_eq!(traces.shown(), "https://example.com:1234/path");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
