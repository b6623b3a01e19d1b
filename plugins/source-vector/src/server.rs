use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use landfall_core::{
    Activity, BuildError, DeliverySender, Labels, Shutdown, Source, SourceContext, SourceError, log,
};
use landfall_listen::{Acceptor, Handshake, Slot, bind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::VectorSourceConfig;
use crate::service::Service;

/// How long requests may wait for their acknowledgement once the service stops.
const DRAIN_TIME: Duration = Duration::from_secs(4);

/// The calls of one connection that are answered at a time.
const MAX_STREAMS: u32 = 100;
/// How much of their requests may be on its way: enough for a fast sender.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const MAX_HEADERS: u32 = 16 * 1024;

/// How often a silent client is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The gRPC source: a bound socket that is ready to run.
#[derive(Debug)]
pub struct VectorSource {
    labels: Labels,
    activity: Activity,
    config: VectorSourceConfig,
    tls: Option<Handshake>,
    listener: std::net::TcpListener,
}

impl VectorSource {
    /// Listens as `config` says. Connections queue from here on and are served once the source runs.
    ///
    /// # Errors
    /// [`BuildError`] when the address cannot be listened on, or a file of the configuration cannot be used.
    pub fn listen(
        config: &VectorSourceConfig,
        context: &SourceContext,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            tls: config.handshake(context.labels())?,
            labels: context.labels(),
            activity: context.activity.clone(),
            listener: bind(&context.listeners, config.address)?,
            config: config.clone(),
        })
    }
}

#[async_trait]
impl Source for VectorSource {
    async fn run(
        self: Box<Self>,
        out: DeliverySender,
        mut shutdown: Shutdown,
    ) -> Result<(), SourceError> {
        let address = self.listener.local_addr().unwrap_or(self.config.address);
        let protocol = if self.tls.is_some() {
            "gRPC over TLS"
        } else {
            "gRPC"
        };
        log!(
            &self.labels,
            info,
            "events of a Vector are received on {address} ({protocol})"
        );
        let service = Arc::new(Service::new(&self.labels, self.activity, &self.config, out));
        let max_connections = self.config.limits.max_connections;
        let acceptor = Acceptor::new(self.listener, max_connections, &self.labels)?;
        let mut tasks = JoinSet::new();
        loop {
            let (stream, peer, slot) = tokio::select! {
                // Whoever comes after that is for a successor, if there is one.
                biased;
                () = shutdown.wait() => break,
                accepted = acceptor.accept(service.refusals()) => accepted,
            };
            while tasks.try_join_next().is_some() {}
            let client = peer.ip().to_canonical();
            let allowed = &self.config.allow_networks;
            if !allowed.is_empty() && !allowed.iter().any(|network| network.contains(&client)) {
                let why = "the client's address is in none of allow_networks";
                service
                    .refusals()
                    .tell("network_not_allowed", &why, Some(peer), None);
                continue;
            }
            let (service, tls) = (Arc::clone(&service), self.tls.clone());
            tasks.spawn(serve(service, tls, stream, peer, slot, shutdown.clone()));
        }
        drop(acceptor);
        if !shutdown.has_successor() {
            service.stop();
        }
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(DRAIN_TIME, all).await.is_err() {
            log!(
                &self.labels,
                warn,
                "some calls were not answered in time; their senders send them again"
            );
        }
        tasks.shutdown().await;
        Ok(())
    }
}

/// Serves one connection until either side ends it, its slot is lost, or the service stops and its last call is answered.
async fn serve(
    service: Arc<Service>,
    tls: Option<Handshake>,
    stream: TcpStream,
    peer: SocketAddr,
    slot: Slot,
    mut stopping: Shutdown,
) {
    let Some(tls) = tls else {
        return speak(service, stream, peer, slot, stopping).await;
    };
    let stream = tokio::select! {
        stream = tls.accept(stream) => stream,
        () = slot.evicted() => return,
        () = stopping.wait_without_successor() => return,
    };
    match stream {
        Ok(stream) => speak(service, stream, peer, slot, stopping).await,
        Err(error) => service.refusals().note_handshake(&error, peer),
    }
}

async fn speak(
    service: Arc<Service>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    slot: Slot,
    mut stopping: Shutdown,
) {
    let slot = Arc::new(slot);
    let of_calls = Arc::clone(&slot);
    let answer = service_fn(move |request: Request<Incoming>| {
        let service = Arc::clone(&service);
        // `None` when the connection is just being closed for another: then nobody sees the answer.
        let working = of_calls.begin();
        async move {
            let answer = service.answer(request, peer).await;
            drop(working);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let mut is_leaving = false;
    loop {
        tokio::select! {
            // How it ends is the client's affair: it knows what was not answered.
            _ = connection.as_mut() => return,
            () = slot.evicted() => return,
            () = stopping.wait(), if !is_leaving => {
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
