use std::net::SocketAddr;
use std::time::Duration;

use landfall_core::{BuildError, Labels, Listeners, SourceError, listen_advice, log};
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::{Refusals, Slot, Slots};

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// After an error of `accept` that is not about one connection (no file descriptors left), wait for some to close.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The file descriptors that are kept free of connections, above all for the journal.
pub const FILES_FOR_ALL_ELSE: u64 = 512;

/// A socket for tokio that listens on `address`: the one that a predecessor has left in `listeners`, if there is one.
///
/// # Errors
/// [`BuildError`] when the address cannot be listened on.
pub fn bind(
    listeners: &Listeners,
    address: SocketAddr,
) -> Result<std::net::TcpListener, BuildError> {
    let listener = listeners.bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        // The 128 of the standard library are soon full when many come at once, and then good ones are kept out too.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        let advice = listen_advice(&error);
        let problem = format!("cannot listen on {address}: {error}; {advice}");
        BuildError::new(problem).with_source(error)
    })
}

/// Accepts connections, as many at a time as there are slots.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    connections: Slots,
}

impl Acceptor {
    /// Accepts from a socket that [`bind`] has given; for the component with these `labels`, which tell of its connections.
    ///
    /// # Errors
    /// tokio cannot use the socket.
    pub fn new(
        listener: std::net::TcpListener,
        max_connections: usize,
        labels: &Labels,
    ) -> Result<Self, SourceError> {
        let listener = TcpListener::from_std(listener).map_err(|error| {
            let problem = format!("cannot use the listening socket: {error}");
            SourceError::new(problem).with_source(error)
        })?;
        let connections = max_connections.min(most_connections());
        if connections < max_connections {
            log!(
                labels,
                warn,
                connections,
                "fewer connections than `limits.max_connections`: the system's limit of open files leaves no more"
            );
        }
        let open = metrics::gauge!("open_connections", labels);
        Ok(Self {
            listener,
            connections: Slots::new(connections, open),
        })
    }

    /// The next connection, and the slot that it is served in. Errors are told to `refusals`, and outlasted.
    pub async fn accept(&self, refusals: &Refusals) -> (TcpStream, SocketAddr, Slot) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Without it all is only slower.
                    let _ = stream.set_nodelay(true);
                    // Only now, since it may cost another its slot. While all are at work, the others queue in the kernel.
                    return (stream, peer, self.connections.take().await);
                }
                Err(error) => {
                    refusals.note_accept(&error);
                    // Most likely somebody else has used up the file descriptors.
                    self.connections.evict();
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }
}

/// How many connections leave file descriptors for everything else.
fn most_connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = files - FILES_FOR_ALL_ELSE.min(files / 2);
    usize::try_from(most).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::*;

    #[test]
    fn an_address_in_use_is_known_by_the_cause_of_the_error() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = bind(&Listeners::default(), other.local_addr().unwrap()).unwrap_err();
        let cause = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&cause.to_string()), "{error}");
    }
}
