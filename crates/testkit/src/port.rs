use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// What keeps each address that was given out from all others.
static CLAIMS: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// A loopback address that nobody listens on, and that the system gives to nobody who asks for any free port, or connects, as
/// long as this process lives: also while a server that is to be started there again is down.
///
/// A socket is bound to it, and never listens. A listener that names the address and sets `SO_REUSEADDR`, as std's and tokio's
/// do, gets it all the same.
pub fn free_address() -> SocketAddr {
    let claim = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    );
    let claim = claim.expect("a socket");
    set_socket_reuseaddr(&claim, true).expect("an option of a socket");
    bind(&claim, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("binding a free port");
    let address = getsockname(&claim).expect("a bound socket's address");
    let address = SocketAddr::try_from(address).expect("an address of the internet");
    let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
    claims.push(claim);
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn free_addresses_differ_and_can_be_listened_on() {
        let addresses: HashSet<_> = (0..200).map(|_| free_address()).collect();
        assert_eq!(addresses.len(), 200);
        for address in addresses {
            assert!(TcpStream::connect(address).is_err());
            // Again and again, as a server that is started anew.
            for _ in 0..2 {
                let listener = TcpListener::bind(address).unwrap();
                TcpStream::connect(address).unwrap();
                drop(listener);
            }
        }
    }
}
