use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::pace::Pace;

/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The stream under a connection: tells HTTP/1.1 from HTTP/2, notes when bytes come, and keeps from the client what
/// hyper would say of requests that it cannot read, so that we can say it as we say everything else.
pub(crate) struct Wire<S> {
    stream: S,
    /// Read to tell the protocol, and still to be given to it.
    prefix: BytesMut,
    is_http1: bool,
    pace: Arc<Pace>,
}

/// What a client speaks.
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S, pace: Arc<Pace>) -> Self {
        Self {
            stream,
            prefix: BytesMut::new(),
            is_http1: true,
            pace,
        }
    }

    /// Reads until it is clear what the client speaks. To be called once, before anything is read.
    ///
    /// # Errors
    /// Those of the stream; `UnexpectedEof` if it ends before that.
    pub(crate) async fn protocol(&mut self) -> io::Result<Protocol> {
        while PREFACE.starts_with(&self.prefix) {
            if self.prefix.len() == PREFACE.len() {
                self.is_http1 = false;
                self.pace.opened();
                return Ok(Protocol::Http2);
            }
            // No more than the preface, or else what follows it would be held here for as long as the connection lasts.
            let left = PREFACE.len() - self.prefix.len();
            let mut limited = (&mut self.prefix).limit(left);
            if self.stream.read_buf(&mut limited).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.pace.heard();
        }
        Ok(Protocol::Http1)
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.has_remaining() {
            let length = self.prefix.len().min(buf.remaining());
            buf.put_slice(&self.prefix.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        // Over HTTP/2 all kinds of frames come, which begin no request.
        if self.is_http1 && buf.filled().len() > before {
            self.pace.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_http1 && is_of_hyper(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Leaves the stream open: there may be something left to say.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Whether `answer` is what hyper answers by itself to a head that it cannot read. All our own answers have a body.
fn is_of_hyper(answer: &[u8]) -> bool {
    const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";
    answer.starts_with(b"HTTP/1.")
        && answer.get(9) == Some(&b'4')
        && answer.windows(EMPTY.len()).any(|part| part == EMPTY)
}
