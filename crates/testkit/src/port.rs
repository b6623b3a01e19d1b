use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// A loopback address that nobody listens on, and that the system will give to nobody who asks for any free port in
/// the next minute.
///
/// Binding port 0 and letting it go again would leave a race with every other test that does the same. One connection
/// that the server's side closes first leaves the port in TIME_WAIT: it is not handed out, but a listener that names it
/// and sets `SO_REUSEADDR`, as std's and tokio's do, gets it.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binding a free port");
    let address = listener.local_addr().expect("a bound listener's address");
    let client = TcpStream::connect(address).expect("connecting to the own listener");
    let (accepted, _) = listener.accept().expect("accepting the own connection");
    drop(accepted);
    drop(client);
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn free_addresses_differ_and_can_be_listened_on() {
        let addresses: HashSet<_> = (0..200).map(|_| free_address()).collect();
        assert_eq!(addresses.len(), 200);
        for address in addresses {
            TcpListener::bind(address).unwrap();
        }
    }
}
