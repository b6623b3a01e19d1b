use std::fmt;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer;
use tracing_subscriber::registry::LookupSpan;

/// What the parts of a span are called that are no attributes of it.
const KIND: &str = "otel.kind";
const STATUS: &str = "otel.status_code";
const TRACEPARENT: &str = "traceparent";

/// Whether spans like this one are meant to be sent.
pub(crate) fn is_sent(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().field(KIND).is_some()
}

/// Makes spans of the log those of OpenTelemetry.
#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) tracer: SdkTracer,
    pub(crate) propagator: TraceContextPropagator,
}

/// The header `traceparent` alone.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// A span of OpenTelemetry that ends with the log's.
struct Open(Span);

impl<S> Layer<S> for Spans
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let parent = match &fields.traceparent {
            Some(traceparent) => {
                let header = Header(traceparent);
                self.propagator
                    .extract_with_context(&Context::new(), &header)
            }
            None => {
                let parent = span.parent();
                let extensions = parent.as_ref().map(|parent| parent.extensions());
                let open = extensions.as_ref().and_then(|all| all.get::<Open>());
                open.map_or_else(Context::new, |Open(open)| {
                    Context::new().with_remote_span_context(open.span_context().clone())
                })
            }
        };
        let builder = SpanBuilder::from_name(attributes.metadata().name())
            .with_kind(fields.kind)
            .with_attributes(fields.attributes);
        let mut open = self.tracer.build_with_context(builder, &parent);
        open.set_status(fields.status);
        span.extensions_mut().insert(Open(open));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: layer::Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut extensions = span.extensions_mut();
        let Some(Open(open)) = extensions.get_mut() else {
            return;
        };
        let mut fields = Fields::default();
        values.record(&mut fields);
        open.set_attributes(fields.attributes);
        open.set_status(fields.status);
    }

    fn on_close(&self, id: Id, context: layer::Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let open = span.extensions_mut().remove();
        // Without a lock: from here it goes into the queue.
        if let Some(Open(mut open)) = open {
            open.end();
        }
    }
}

/// What the fields of a span say.
struct Fields {
    kind: SpanKind,
    status: Status,
    traceparent: Option<String>,
    attributes: Vec<KeyValue>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            kind: SpanKind::Internal,
            status: Status::Unset,
            traceparent: None,
            attributes: Vec::new(),
        }
    }
}

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.attributes
            .push(KeyValue::new(field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            KIND => {
                self.kind = match value {
                    "server" => SpanKind::Server,
                    "client" => SpanKind::Client,
                    _ => SpanKind::Internal,
                }
            }
            STATUS if value == "ERROR" => self.status = Status::error(""),
            STATUS => {}
            TRACEPARENT => self.traceparent = Some(value.to_owned()),
            _ => self.add(field, value.to_owned()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
