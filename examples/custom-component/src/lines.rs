//! Takes events over TCP, one a line, and answers each line once its event is durable.

use std::net::{SocketAddr, TcpListener as BoundListener};
use std::sync::Arc;

use async_trait::async_trait;
use landfall_core::{
    Ack, BuildError, Component, Delivery, DeliverySender, Event, Outcome, Resource, Seldom,
    Shutdown, Source, SourceConfig, SourceContext, SourceError, Timestamp, lenient, log_seldom,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Takes events over TCP, one a line, from whoever can connect. Each line is answered `ok` once its event is durable, and
/// `again` if it could not be made so.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinesConfig {
    /// Where to listen: `127.0.0.1:9000`. Nothing proves who sends: keep strangers out.
    address: SocketAddr,
    /// The longest line that is taken, in bytes; a longer one ends its connection.
    #[serde(default = "one_mebibyte", deserialize_with = "lenient")]
    max_line_bytes: u64,
    /// Connections at the same time; more of them wait.
    #[serde(default = "one_hundred", deserialize_with = "lenient")]
    max_connections: usize,
}

fn one_mebibyte() -> u64 {
    1024 * 1024
}

fn one_hundred() -> usize {
    100
}

impl Component for LinesConfig {
    fn resources(&self) -> Vec<Resource> {
        vec![Resource::Port(self.address)]
    }

    fn validate(&self) -> Vec<String> {
        let zero = [
            ("max_line_bytes", self.max_line_bytes == 0),
            ("max_connections", self.max_connections == 0),
        ];
        let zero = zero.iter().filter(|(_, is_zero)| *is_zero);
        zero.map(|(setting, _)| format!("{setting}: must be at least 1"))
            .collect()
    }
}

#[async_trait]
impl SourceConfig for LinesConfig {
    async fn build(&self, context: SourceContext) -> Result<Box<dyn Source>, BuildError> {
        // From the context, so that the socket outlives this source when its settings change.
        let listener = context.listeners.bind(self.address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener = listener.map_err(|error| {
            let problem = format!("address: cannot listen on {}: {error}", self.address);
            BuildError::new(problem).with_source(error)
        })?;
        Ok(Box::new(Lines {
            listener,
            config: self.clone(),
            seldom: Seldom::new(context.labels()),
        }))
    }
}

struct Lines {
    listener: BoundListener,
    config: LinesConfig,
    seldom: Seldom,
}

#[async_trait]
impl Source for Lines {
    async fn run(
        self: Box<Self>,
        out: DeliverySender,
        mut shutdown: Shutdown,
    ) -> Result<(), SourceError> {
        let listener = TcpListener::from_std(self.listener).map_err(|error| {
            let problem = format!("cannot use the listening socket: {error}");
            SourceError::new(problem).with_source(error)
        })?;
        let room = Arc::new(Semaphore::new(self.config.max_connections));
        let mut connections = JoinSet::new();
        loop {
            let accepted = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accepted => accepted,
                () = shutdown.wait() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = Connection {
                        stream: BufReader::new(stream),
                        out: out.clone(),
                        shutdown: shutdown.clone(),
                        max_line_bytes: self.config.max_line_bytes,
                    };
                    connections.spawn(async move {
                        // How it ends is the client's affair.
                        let _ = connection.serve().await;
                        drop(permit);
                    });
                }
                // Of one connection, or there are no file descriptors left: then those that end free some.
                Err(error) => {
                    log_seldom!(&self.seldom, "accept", warn, %error, "cannot accept a connection");
                    connections.join_next().await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        // No line is taken any more; those that have been are still answered.
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    out: DeliverySender,
    shutdown: Shutdown,
    max_line_bytes: u64,
}

impl Connection {
    async fn serve(mut self) -> io::Result<()> {
        loop {
            let mut line = Vec::new();
            // Of the end of the line too.
            let mut limited = (&mut self.stream).take(self.max_line_bytes + 1);
            tokio::select! {
                read = limited.read_until(b'\n', &mut line) => read?,
                () = self.shutdown.wait() => return Ok(()),
            };
            // A line that was cut off, by its length or by its sender, is no event.
            if line.pop() != Some(b'\n') {
                return Ok(());
            }
            let (ack, answer) = Ack::channel();
            let event = Event::new(Timestamp::now(), line);
            self.out.send(Delivery::new(vec![event], ack)).await;
            let answer: &[u8] = match answer.await {
                Outcome::Durable => b"ok\n",
                Outcome::Refused(_) => b"again\n",
            };
            self.stream.write_all(answer).await?;
        }
    }
}
