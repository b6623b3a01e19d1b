use std::fmt;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use crate::client::Client;

/// Posts the spans that the SDK has gathered.
pub(crate) struct Spans {
    pub(crate) client: Client,
    pub(crate) resource: ResourceAttributesWithSchema,
    /// The SDK calls from a thread of its own, on which nothing could wait for a socket.
    pub(crate) runtime: Handle,
}

impl SpanExporter for Spans {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let client = self.client.clone();
        let request = ExportTraceServiceRequest { resource_spans };
        let posted = self
            .runtime
            .spawn(async move { client.post(request).await });
        // It has no result but when the runtime ends. What the collector does not take, the client has logged.
        let _ = posted.await;
        Ok(())
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
