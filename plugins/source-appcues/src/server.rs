use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper_util::server::graceful::GracefulShutdown;
use landfall_core::{BuildError, DeliverySender, Shutdown, Source, SourceError};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::protections;
use crate::connection::Http;
use crate::gate::Gate;
use crate::{AppcuesConfig, Endpoint, SignatureMode};

/// How long requests may wait for their acknowledgement once the service stops, and then their answers to be sent.
const DRAIN_TIME: Duration = Duration::from_secs(4);
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// After an error of `accept` that is not about one connection (no file descriptors left), wait for some to close.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The HTTP source: a bound socket that is ready to run.
#[derive(Debug)]
pub struct AppcuesSource {
    config: AppcuesConfig,
    gate: Gate,
    listener: std::net::TcpListener,
}

impl AppcuesSource {
    /// Binds the address of `config`. Connections queue from here on and are served once the source runs.
    ///
    /// # Errors
    /// [`BuildError`] when the address cannot be bound, or a file of the configuration cannot be used.
    pub fn bind(config: &AppcuesConfig) -> Result<Self, BuildError> {
        let gate = Gate::new(config)?;
        let listener = std::net::TcpListener::bind(config.address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener = listener.map_err(|error| {
            BuildError(format!(
                "cannot listen on {}: {error}; is another process using it?",
                config.address
            ))
        })?;
        Ok(Self {
            config: config.clone(),
            gate,
            listener,
        })
    }

    /// The bound address, with the real port where the configuration said 0.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[async_trait]
impl Source for AppcuesSource {
    async fn run(
        self: Box<Self>,
        out: DeliverySender,
        mut shutdown: Shutdown,
    ) -> Result<(), SourceError> {
        let listener = TcpListener::from_std(self.listener)
            .map_err(|error| SourceError(format!("cannot use the listening socket: {error}")))?;
        if self.config.signature.mode != SignatureMode::Required {
            tracing::warn!(
                mode = ?self.config.signature.mode,
                protections = ?protections(&self.config),
                "requests without a signature are accepted: whoever passes the protections, if any, can write events"
            );
        }
        let endpoint = Endpoint::with_gate(self.gate, &self.config, out);
        let connections = Arc::new(Semaphore::new(
            self.config
                .limits
                .max_connections
                .min(Semaphore::MAX_PERMITS),
        ));
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        let http = Http::new(&self.config.limits, endpoint.clone());

        loop {
            let accepted = async {
                // The permit comes first: beyond the limit, connections wait in the kernel's queue.
                let permit = Arc::clone(&connections).acquire_owned().await;
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                accepted = accepted => accepted,
                () = shutdown.wait() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
            while tasks.try_join_next().is_some() {}
            let (http, stopping) = (http.clone(), graceful.watcher());
            tasks.spawn(async move {
                http.serve(stream, peer, stopping).await;
                drop(permit);
            });
        }

        drop(listener);
        endpoint.drain();
        let mut finished = pin!(graceful.shutdown());
        if timeout(DRAIN_TIME, &mut finished).await.is_err() {
            endpoint.close();
            if timeout(CLOSE_TIME, finished).await.is_err() {
                tracing::warn!(
                    connections = tasks.len(),
                    "some connections did not finish in time and are closed"
                );
            }
        }
        tasks.shutdown().await;
        Ok(())
    }
}
