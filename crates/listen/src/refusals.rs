use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;

use landfall_core::{Activity, Labels, Seldom, log_seldom};
use metrics::{Counter, counter};

/// Counts every refusal, and tells the operator of each kind from time to time.
pub struct Refusals {
    seldom: Seldom,
    activity: Activity,
}

/// What counts errors of the component with these `labels` in `component_errors_total`.
pub(crate) fn errors(labels: &Labels, code: &'static str) -> Counter {
    let [id, kind, r#type] = labels.clone();
    let labels = [id, kind, r#type, ("error_code", code.to_owned())];
    counter!("component_errors_total", &labels)
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusals")
    }
}

impl Refusals {
    /// Those of a component, whose `labels` the series carry, and which are part of its `activity`.
    pub fn new(labels: Labels, activity: Activity) -> Self {
        Self {
            seldom: Seldom::new(labels),
            activity,
        }
    }

    /// Of whoever came as far as a connection only.
    pub fn note_handshake(&self, error: &io::Error, peer: SocketAddr) {
        let why = format_args!("no TLS connection: {error}");
        self.tell("tls_failed", &why, Some(peer), None);
    }

    /// Of whoever did not come as far as that, since this machine lacks something.
    pub fn note_accept(&self, error: &io::Error) {
        let why = format_args!("cannot accept a connection: {error}");
        self.tell("accept_failed", &why, None, None);
    }

    /// Notes a refusal with `code`, a name of a bounded set, and what is to be mended; of a request also its
    /// [`trace_id`](crate::trace_id).
    pub fn tell(
        &self,
        code: &'static str,
        why: &dyn Display,
        peer: Option<SocketAddr>,
        trace_id: Option<&str>,
    ) {
        errors(self.seldom.labels(), code).increment(1);
        let address = peer.map(|peer| peer.ip());
        self.activity.refused(code, why.to_string(), address);
        let peer = peer.map(tracing::field::display);
        log_seldom!(
            &self.seldom,
            code,
            warn,
            code,
            peer,
            trace_id,
            "request refused: {why}"
        );
    }
}
