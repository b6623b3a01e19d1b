use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

/// Sockets that outlive the source which listens on them, so that a source can be replaced and no connection is refused
/// meanwhile. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Listeners(Arc<Mutex<HashMap<SocketAddr, TcpListener>>>);

impl Listeners {
    /// A socket that listens on `address`: the one that is kept if it was asked for before, else a new one.
    ///
    /// # Errors
    /// The operating system's error, such as when another process listens there.
    pub fn bind(&self, address: SocketAddr) -> io::Result<TcpListener> {
        // Port 0 is another one each time.
        if address.port() == 0 {
            return TcpListener::bind(address);
        }
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match listeners.entry(address) {
            Entry::Occupied(kept) => kept.get().try_clone(),
            Entry::Vacant(vacant) => vacant.insert(TcpListener::bind(address)?).try_clone(),
        }
    }

    /// Closes all sockets but those for which `used` holds. Those that a source still has are closed with it.
    pub fn retain(&self, used: impl Fn(SocketAddr) -> bool) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|address, _| used(*address));
    }
}

/// What to do about an address on which nothing can listen for this `error` of the system.
pub fn listen_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "give the service CAP_NET_BIND_SERVICE, or choose a port above 1023"
        }
        io::ErrorKind::AddrNotAvailable => {
            "choose an address that this machine has, or 0.0.0.0 for all of them"
        }
        _ => "end what else listens there, or choose another",
    }
}
