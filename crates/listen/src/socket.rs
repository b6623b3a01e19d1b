use std::net::{SocketAddr, TcpListener};

use landfall_core::{BuildError, Listeners};
use rustix::process::{Resource, getrlimit};

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// A socket for tokio that listens on `address`: the one that a predecessor has left in `listeners`, if there is one.
///
/// # Errors
/// [`BuildError`] when the address cannot be listened on.
pub fn bind(listeners: &Listeners, address: SocketAddr) -> Result<TcpListener, BuildError> {
    let listener = listeners.bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        // The 128 of the standard library are soon full when many come at once, and then good ones are kept out too.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        BuildError(format!(
            "cannot listen on {address}: {error}; is another process using it?"
        ))
    })
}

/// How many connections leave file descriptors for everything else, above all for the journal.
pub fn most_connections() -> usize {
    const FOR_ALL_ELSE: u64 = 512;
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = files - FOR_ALL_ELSE.min(files / 2);
    usize::try_from(most).unwrap_or(usize::MAX).max(1)
}
