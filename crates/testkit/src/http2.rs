use std::collections::HashMap;
use std::io::{self, Read};
use std::net::SocketAddr;

use crate::Connection;

/// An HTTP/2 connection on which a test writes the frames that it likes (RFC 9113), in the plain and without upgrade.
#[derive(Debug)]
pub struct Http2 {
    connection: Connection,
    answers: HashMap<u32, Answer>,
}

/// What has come of an answer.
#[derive(Debug, Default)]
struct Answer {
    body: Vec<u8>,
    has_ended: bool,
    is_reset: bool,
}

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// The stream that it belongs to; 0 for those of the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Http2 {
    /// The type of a DATA frame.
    pub const DATA: u8 = 0;
    /// The type of a HEADERS frame.
    pub const HEADERS: u8 = 1;
    /// The type of a RST_STREAM frame.
    pub const RST_STREAM: u8 = 3;
    /// The type of a SETTINGS frame.
    pub const SETTINGS: u8 = 4;
    /// The type of a PING frame.
    pub const PING: u8 = 6;
    /// The type of a GOAWAY frame.
    pub const GOAWAY: u8 = 7;
    /// The type of a CONTINUATION frame.
    pub const CONTINUATION: u8 = 9;
    /// Of DATA and HEADERS: nothing more comes on this stream.
    pub const END_STREAM: u8 = 1;
    /// Of HEADERS and CONTINUATION: the headers are complete.
    pub const END_HEADERS: u8 = 4;
    /// Of PING and SETTINGS: the answer to one.
    pub const ACK: u8 = 1;

    /// Connects to `address` and says that it speaks HTTP/2.
    ///
    /// # Panics
    /// If there is no connection within half a minute.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let mut this = Self {
            connection: Connection::open(address),
            answers: HashMap::new(),
        };
        let opening = this.connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let opening = opening.and_then(|()| this.send(Self::SETTINGS, 0, 0, &[]));
        opening.expect("writing the preface");
        this
    }

    /// As [`Connection::never_read`].
    ///
    /// # Panics
    /// If the system refuses that.
    pub fn never_read(&self) {
        self.connection.never_read();
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// Those of the socket, such as that the other side has closed it.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.write(&Self::bytes(kind, flags, stream, payload))
    }

    /// The bytes of one frame.
    pub fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a frame of less than 4 GiB");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }

    /// Writes `bytes` as they are.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.send(bytes)
    }

    /// Writes the headers of a POST to `path`, complete in one frame, and behind them its `body`.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn post(
        &mut self,
        stream: u32,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let block = Self::post_block(path, headers);
        self.send(Self::HEADERS, Self::END_HEADERS, stream, &block)?;
        self.send(Self::DATA, Self::END_STREAM, stream, body)
    }

    /// The headers of a POST to `path` as HPACK literals that are not indexed (RFC 7541, section 6.2.2).
    pub fn post_block(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let pseudo = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", path),
        ];
        let mut block = Vec::new();
        for (name, value) in pseudo.iter().chain(headers) {
            block.push(0);
            for text in [name, value] {
                push_length(&mut block, text.len());
                block.extend_from_slice(text.as_bytes());
            }
        }
        block
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection is closed; a time-out after half a minute.
    pub fn frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.connection.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.connection.read_exact(&mut payload)?;
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]),
            payload,
        };
        let answer = self.answers.entry(frame.stream).or_default();
        match frame.kind {
            Self::DATA => answer.body.extend_from_slice(&frame.payload),
            Self::RST_STREAM => answer.is_reset = true,
            _ => {}
        }
        let ends = matches!(frame.kind, Self::DATA | Self::HEADERS);
        answer.has_ended |= ends && frame.flags & Self::END_STREAM != 0;
        Ok(frame)
    }

    /// Reads until the answer on `stream` has ended; its body.
    ///
    /// # Errors
    /// As [`frame`](Self::frame); `ConnectionReset` if the stream is reset.
    pub fn answer(&mut self, stream: u32) -> io::Result<String> {
        loop {
            let answer = self.answers.entry(stream).or_default();
            if answer.has_ended {
                return Ok(String::from_utf8_lossy(&answer.body).into_owned());
            }
            if answer.is_reset {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            self.frame()?;
        }
    }

    /// Reads until the other side says GOAWAY; its error code.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn until_goaway(&mut self) -> io::Result<u32> {
        loop {
            let frame = self.frame()?;
            if frame.kind == Self::GOAWAY {
                let code = frame
                    .payload
                    .get(4..8)
                    .and_then(|code| code.try_into().ok());
                return code
                    .map(u32::from_be_bytes)
                    .ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
        }
    }
}

/// A length of HPACK: seven bits, the rest behind them (RFC 7541, section 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return block.push(u8::try_from(length).expect("less than 127"));
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128 + 128).expect("less than 256"));
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("less than 128"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_rfc_7541() {
        let of = |length| {
            let mut block = Vec::new();
            push_length(&mut block, length);
            block
        };
        assert_eq!(of(10), [10]);
        assert_eq!(of(127), [127, 0]);
        // The example of appendix C.1.2 with seven bits in place of five.
        assert_eq!(of(1337), [127, 0b1011_1010, 0b0000_1001]);
    }
}
