use landfall_core::{Seldom, log_seldom};
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;

use crate::settings::Endpoint;

/// Posts one signal to the collector.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    /// What goes there, in the words of the log.
    signal: &'static str,
    seldom: Seldom,
}

impl Client {
    /// # Errors
    /// The system's certificates cannot be used.
    pub(crate) fn new(endpoint: Endpoint, signal: &'static str) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .default_headers(endpoint.headers.clone())
            .timeout(endpoint.timeout)
            // Headers may hold credentials, which are for nobody else.
            .redirect(Policy::none());
        Ok(Self {
            http: http.build()?,
            endpoint,
            signal,
            seldom: Seldom::default(),
        })
    }

    /// What goes where.
    pub(crate) fn describe(&self) -> String {
        format!("{} are sent to {}", self.signal, self.endpoint.shown())
    }

    /// Posts `request`. If the collector does not take it, it is dropped: the next may be taken.
    pub(crate) async fn post(&self, request: impl Message) {
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        let request = self
            .http
            .post(self.endpoint.url.clone())
            .header(CONTENT_TYPE, protobuf)
            .body(request.encode_to_vec());
        let problem = match request.send().await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => return,
            Ok(status) => format!("it answers {status}"),
            // The URL may hold credentials.
            Err(error) => innermost(&error.without_url()),
        };
        let signal = self.signal;
        log_seldom!(
            &self.seldom,
            "export",
            warn,
            "the collector does not take {signal}, they are dropped: {problem}"
        );
    }
}

/// The cause of `error` that stands behind all others.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
