use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::{
    Activity, BuildError, DeliverySender, Labels, Shutdown, Source, SourceConfig, SourceContext,
    SourceError, log,
};
use landfall_listen::{Acceptor, Handshake, bind};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connection::Http;
use crate::gate::Gate;
use crate::{AppcuesConfig, Endpoint, SignatureMode};

/// How long requests may wait for their acknowledgement once the service stops, and then their answers to be sent.
const DRAIN_TIME: Duration = Duration::from_secs(4);
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// The HTTP source: a bound socket that is ready to run.
#[derive(Debug)]
pub struct AppcuesSource {
    config: AppcuesConfig,
    gate: Gate,
    tls: Option<Handshake>,
    listener: std::net::TcpListener,
    labels: Labels,
    activity: Activity,
}

impl AppcuesSource {
    /// Binds the address of `config`. Connections queue from here on and are served once the source runs.
    ///
    /// # Errors
    /// [`BuildError`] when the address cannot be bound, or a file of the configuration cannot be used.
    pub fn bind(config: &AppcuesConfig) -> Result<Self, BuildError> {
        Self::listen(config, &SourceContext::new("appcues", "appcues"))
    }

    /// As [`bind`](Self::bind), on the socket that a predecessor has left if there is one.
    pub(crate) fn listen(
        config: &AppcuesConfig,
        context: &SourceContext,
    ) -> Result<Self, BuildError> {
        let labels = context.labels();
        let (gate, tls) = open_files(config, &labels)?;
        Ok(Self {
            config: config.clone(),
            gate,
            tls,
            listener: bind(&context.listeners, config.address)?,
            labels,
            activity: context.activity.clone(),
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

/// Makes what rests on files.
///
/// # Errors
/// [`BuildError`] with everything that cannot be used.
pub(crate) fn open_files(
    config: &AppcuesConfig,
    labels: &Labels,
) -> Result<(Gate, Option<Handshake>), BuildError> {
    let limit = Duration::from_secs(config.limits.read_timeout_secs);
    let tls = Handshake::new(
        config.tls.as_ref(),
        limit,
        &["h2", "http/1.1"],
        labels.clone(),
    );
    match (Gate::new(config, labels), tls) {
        (Ok(gate), Ok(tls)) => Ok((gate, tls)),
        (gate, tls) => {
            let problems = [gate.err(), tls.err()].into_iter().flatten();
            let problems: Vec<_> = problems.map(|error| error.to_string()).collect();
            Err(BuildError::new(problems.join("; ")))
        }
    }
}

#[async_trait]
impl SourceConfig for AppcuesConfig {
    async fn build(&self, context: SourceContext) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(AppcuesSource::listen(self, &context)?))
    }

    async fn healthcheck(&self) -> Result<(), BuildError> {
        // Nothing is counted by what is dropped at once.
        open_files(self, &SourceContext::new("", "appcues").labels())?;
        Ok(())
    }
}

#[async_trait]
impl Source for AppcuesSource {
    async fn run(
        self: Box<Self>,
        out: DeliverySender,
        mut shutdown: Shutdown,
    ) -> Result<(), SourceError> {
        let address = self.local_addr().unwrap_or(self.config.address);
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        log!(
            &self.labels,
            info,
            "webhooks are received on {scheme}://{address}{}",
            self.config.path
        );
        if self.config.signature.mode != SignatureMode::Required {
            log!(
                &self.labels,
                warn,
                mode = ?self.config.signature.mode,
                protections = ?self.config.protections(),
                "requests without a signature are accepted: whoever passes the protections, if any, can write events"
            );
        }
        let endpoint = Endpoint::with_gate(
            self.gate,
            &self.config,
            out,
            self.labels.clone(),
            self.activity,
        );
        let max_connections = self.config.limits.max_connections;
        let acceptor = Acceptor::new(self.listener, max_connections, &self.labels)?;
        let http = Arc::new(Http::new(&self.config.limits, endpoint.clone()));
        let mut tasks = JoinSet::new();

        loop {
            let (stream, peer, slot) = tokio::select! {
                // Whoever comes after that is for a successor, if there is one.
                biased;
                () = shutdown.wait() => break,
                accepted = acceptor.accept(endpoint.refusals()) => accepted,
            };
            while tasks.try_join_next().is_some() {}
            let (http, endpoint) = (Arc::clone(&http), endpoint.clone());
            let (tls, mut stopping) = (self.tls.clone(), shutdown.clone());
            tasks.spawn(async move {
                let Some(tls) = tls else {
                    return http.serve(stream, peer, slot, stopping).await;
                };
                let stream = tokio::select! {
                    stream = tls.accept(stream) => stream,
                    () = slot.evicted() => return,
                    () = stopping.wait_without_successor() => return,
                };
                match stream {
                    Ok(stream) => http.serve(stream, peer, slot, stopping).await,
                    Err(error) => endpoint.refusals().note_handshake(&error, peer),
                }
            });
        }

        drop(acceptor);
        if !shutdown.has_successor() {
            endpoint.drain();
        }
        if timeout(DRAIN_TIME, all(&mut tasks)).await.is_err() {
            endpoint.close();
            if timeout(CLOSE_TIME, all(&mut tasks)).await.is_err() {
                log!(
                    &self.labels,
                    warn,
                    connections = tasks.len(),
                    "some connections did not finish in time and are closed"
                );
            }
        }
        tasks.shutdown().await;
        Ok(())
    }
}

async fn all(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}
