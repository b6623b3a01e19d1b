use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::{Signature, epoch_secs};

/// Longer than any answer that a test waits for, such as that of a batch which closes by age.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// One HTTP/1.1 request, written to the socket as it stands here: also when no well-behaved client would send it.
#[derive(Clone, Debug)]
pub struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    /// A request of `method` for `target`, such as `/webhooks/appcues?x=1`.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            head: format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n"),
            body: Vec::new(),
        }
    }

    /// A POST to `target`.
    pub fn post(target: &str) -> Self {
        Self::new("POST", target)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        write!(self.head, "{name}: {value}\r\n").expect("writing to a string");
        self
    }

    /// Adds the two headers that Appcues signs `body` with, of now.
    pub fn signed(self, secret: &str, body: &[u8]) -> Self {
        let timestamp = epoch_secs().to_string();
        let signature = Signature::new(secret, &timestamp, body).hex();
        self.signature_headers(&signature, &timestamp)
    }

    /// Adds the two headers of a signature as given.
    pub fn signature_headers(self, signature: &str, timestamp: &str) -> Self {
        self.header("X-Apc-Signature", signature)
            .header("X-Apc-Timestamp", timestamp)
    }

    /// Adds `body` with its `Content-Length`.
    pub fn body(self, body: &[u8]) -> Self {
        let mut request = self.header("Content-Length", &body.len().to_string());
        request.body = body.to_vec();
        request
    }

    /// Adds `body` in chunks of 1000 bytes, so that its length is not known before its end.
    pub fn chunked(self, body: &[u8]) -> Self {
        let mut request = self.header("Transfer-Encoding", "chunked");
        for chunk in body.chunks(1000) {
            request
                .body
                .extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            request.body.extend_from_slice(chunk);
            request.body.extend_from_slice(b"\r\n");
        }
        request.body.extend_from_slice(b"0\r\n\r\n");
        request
    }

    /// Adds `bytes` as they are after the head, whatever the headers say of them.
    pub fn raw_body(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        self
    }

    /// The request's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Sends the request to `address` and waits for its answer.
    ///
    /// # Panics
    /// If no whole answer comes within half a minute.
    #[track_caller]
    pub fn send(&self, address: SocketAddr) -> Response {
        match self.try_send(address) {
            Ok(response) => response,
            Err(error) => panic!("no answer to\n{}{error}", self.head),
        }
    }

    /// Sends the request to `address` and waits for its answer.
    ///
    /// # Errors
    /// What kept a whole answer from coming, such as the end of the server.
    pub fn try_send(&self, address: SocketAddr) -> io::Result<Response> {
        exchange(address, &self.to_bytes())
    }
}

/// The answer to a GET of `target`.
///
/// # Errors
/// What kept a whole answer from coming, such as a refused connection.
pub fn get(address: SocketAddr, target: &str) -> io::Result<Response> {
    exchange(address, &Request::new("GET", target).to_bytes())
}

/// A connection that does not wait without a limit.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// The answer to `request`, whatever bytes it may be.
///
/// # Errors
/// What kept a whole answer from coming, such as a connection that is closed without one.
pub fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<Response> {
    let mut stream = connect(address)?;
    // All of it before the first look at an answer, as most clients do. A server that answers early and closes makes
    // this fail; whether its answer arrived all the same is then the question.
    let written = stream.write_all(request);
    Response::read(&mut BufReader::new(stream)).map_err(|error| written.err().unwrap_or(error))
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn read(stream: &mut impl BufRead) -> io::Result<Self> {
        let mut response = Self::read_head(stream)?;
        while response.status == 100 {
            response = Self::read_head(stream)?;
        }
        match response.header("Content-Length") {
            Some(length) => {
                let length = length.parse().map_err(|_| broken(length))?;
                response.body.resize(length, 0);
                stream.read_exact(&mut response.body)?;
            }
            None => {
                stream.read_to_end(&mut response.body)?;
            }
        }
        Ok(response)
    }

    fn read_head(stream: &mut impl BufRead) -> io::Result<Self> {
        let start = read_line(stream)?;
        let status = start.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| broken(&start))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self {
            status,
            headers,
            body: Vec::new(),
        })
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn broken(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not HTTP as expected: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Response> {
        Response::read(&mut io::Cursor::new(bytes))
    }

    #[test]
    fn a_response_ends_at_its_content_length() {
        let response =
            read(b"HTTP/1.1 405 Method Not Allowed\r\nallow: POST\r\ncontent-length: 2\r\n\r\n{}x")
                .unwrap();
        assert_eq!(response.status, 405);
        assert_eq!(response.header("Allow"), Some("POST"));
        assert_eq!(response.text(), "{}");
    }

    #[test]
    fn an_interim_response_is_skipped() {
        let response = read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nyes").unwrap();
        assert_eq!((response.status, &*response.text()), (200, "yes"));
    }

    #[test]
    fn half_a_response_is_an_error() {
        assert!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab").is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\n").is_err());
        assert!(read(b"").is_err());
    }

    #[test]
    fn a_chunked_body_ends_with_the_empty_chunk() {
        let bytes = Request::post("/").chunked(b"hello").to_bytes();
        assert!(bytes.ends_with(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    }
}
