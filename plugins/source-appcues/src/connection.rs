use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Endpoint, Limits};

/// How HTTP is spoken on every connection.
#[derive(Clone)]
pub(crate) struct Http {
    http1: http1::Builder,
    endpoint: Endpoint,
}

impl Http {
    pub(crate) fn new(limits: &Limits, endpoint: Endpoint) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(limits.read_timeout_secs))
            .max_headers(64);
        Self { http1, endpoint }
    }

    /// Serves what comes over `stream` until either side ends it, or `stopping` and the last request is answered.
    pub(crate) async fn serve<S>(&self, stream: S, peer: SocketAddr, stopping: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|mut request| {
            request.extensions_mut().insert(peer);
            let endpoint = self.endpoint.clone();
            async move { Ok::<_, Infallible>(endpoint.handle(request).await) }
        });
        let connection = self.http1.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = stopping.watch(connection).await {
            tracing::debug!(%peer, %error, "connection ended early");
        }
    }
}
