use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::Response;
use crate::request::{LIMIT, connect};

/// A connection on which a test writes what it likes, piece by piece, and reads one answer after the other.
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// A connection to `address`.
    ///
    /// # Panics
    /// If there is none within half a minute.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).expect("connecting")
    }

    /// A connection to `address`.
    ///
    /// # Errors
    /// The system's, such as that nobody listens.
    pub fn try_open(address: SocketAddr) -> io::Result<Self> {
        connect(address).map(|stream| Self(BufReader::new(stream)))
    }

    /// Makes this a client that never reads: little fits between the two sides, and a write that finds no more room
    /// within a second fails.
    ///
    /// # Panics
    /// If the system refuses that.
    pub fn never_read(&self) {
        let stream = self.0.get_ref();
        set_socket_recv_buffer_size(stream, 4096).expect("a small buffer");
        let patience = stream.set_write_timeout(Some(Duration::from_secs(1)));
        patience.expect("a short time-out");
    }

    /// Writes `bytes`.
    ///
    /// # Errors
    /// Those of the socket, such as that the other side has closed it.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Ends the writing side.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn finish(&mut self) -> io::Result<()> {
        self.0.get_mut().shutdown(Shutdown::Write)
    }

    /// Reads the next answer.
    ///
    /// # Panics
    /// If no whole answer comes within half a minute.
    #[track_caller]
    pub fn answer(&mut self) -> Response {
        match self.try_answer() {
            Ok(response) => response,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Reads the next answer.
    ///
    /// # Errors
    /// What kept a whole answer from coming.
    pub fn try_answer(&mut self) -> io::Result<Response> {
        Response::read(&mut self.0)
    }

    /// Waits until the other side closes the connection; what it sent before that.
    ///
    /// # Panics
    /// If it does not close it within half a minute.
    #[track_caller]
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            let reset = error.kind() == io::ErrorKind::ConnectionReset;
            assert!(reset, "still open after {LIMIT:?}: {error}");
        }
        rest
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}
