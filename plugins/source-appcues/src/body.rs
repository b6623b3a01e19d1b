use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::Body;
use http_body_util::BodyExt;
use landfall_listen::Slots;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::answer::Rejection;

/// Once a request is refused, this much more of it is read and thrown away, so that a sender who writes the whole body
/// before reading gets to see the answer instead of a reset.
pub(crate) const DISCARD_BYTES: usize = 8 * 1024 * 1024;
pub(crate) const DISCARD_TIME: Duration = Duration::from_secs(2);

/// How long one who loses its memory to others may take to give it back, before one more must.
const EVICTION_TIME: Duration = Duration::from_millis(20);

/// The memory that all bodies together may take up. When it is used up, requests that wait for the rest of theirs give
/// way.
pub(crate) struct Memory {
    bytes: Arc<Semaphore>,
    requests: Slots,
}

/// A part of [`Memory`], given back when dropped.
pub(crate) type Reserved = OwnedSemaphorePermit;

impl Memory {
    pub(crate) fn new(bytes: usize, requests: Slots) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
            requests,
        }
    }

    /// `bytes` of it.
    pub(crate) async fn reserve(&self, bytes: usize) -> Result<Reserved, Rejection> {
        let bytes = u32::try_from(bytes).map_err(|_| Rejection::Overloaded)?;
        let memory = || Arc::clone(&self.bytes);
        if let Ok(reserved) = memory().try_acquire_many_owned(bytes) {
            return Ok(reserved);
        }
        while self.requests.evict() {
            let reserved = timeout(EVICTION_TIME, memory().acquire_many_owned(bytes)).await;
            if let Ok(Ok(reserved)) = reserved {
                return Ok(reserved);
            }
        }
        Err(Rejection::Overloaded)
    }

    /// Reads `body` to its end. Memory is reserved for what has come, not for what was announced: announcing is cheap.
    pub(crate) async fn read<B>(
        &self,
        body: &mut B,
        limit: usize,
        reserved: &mut Reserved,
    ) -> Result<Bytes, Rejection>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        // Most bodies come in one piece, which then need not be copied.
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Rejection::BodyBroken)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = first.len() + whole.len() + data.len();
            if length > limit {
                return Err(Rejection::TooLarge { limit });
            }
            reserved.merge(self.reserve(data.len()).await?);
            if length == data.len() {
                first = data;
                continue;
            }
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
        if first.is_empty() {
            first = whole.freeze();
        }
        Ok(first)
    }

    /// Inflates `body` to at most `limit` bytes, and gives back what was `reserved` beyond them. One that is not what `encoding` says is left as it is: a genuine
    /// sender's mistake is kept in the quarantine, like all others.
    pub(crate) async fn inflate(
        &self,
        encoding: Encoding,
        body: Bytes,
        limit: usize,
        mut reserved: Reserved,
    ) -> Result<(Bytes, Reserved), Rejection> {
        if encoding == Encoding::Identity {
            return Ok((body, reserved));
        }
        reserved.merge(self.reserve(limit).await?);
        // What is reserved stays so until the thread is done, also if nobody waits for it any more.
        let inflated = spawn_blocking(move || {
            let inflated = match encoding.inflate(&body, limit) {
                Ok(inflated) if inflated.len() > limit => {
                    return Err(Rejection::TooLarge { limit });
                }
                Ok(inflated) => Bytes::from(inflated),
                Err(_) => body,
            };
            let used = reserved.split(inflated.len());
            Ok((inflated, used.unwrap_or(reserved)))
        });
        // It is lost only when the runtime goes down.
        inflated.await.unwrap_or(Err(Rejection::Draining))
    }
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    /// What `Content-Encoding` says. Several encodings one over the other are not taken.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Rejection> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = encodings.next();
        if encodings.next().is_some() {
            return Err(Rejection::EncodingNotAllowed);
        }
        let Some(encoding) = encoding else {
            return Ok(Self::Identity);
        };
        match &*encoding.as_bytes().trim_ascii().to_ascii_lowercase() {
            b"identity" => Ok(Self::Identity),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            _ => Err(Rejection::EncodingNotAllowed),
        }
    }

    /// At most one byte more than `limit`, in no more memory than that takes.
    fn inflate(self, body: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let mut inflated = Vec::new();
        match self {
            Self::Identity => inflated.extend_from_slice(body),
            Self::Gzip => {
                let most = limit as u64 + 1;
                MultiGzDecoder::new(body)
                    .take(most)
                    .read_to_end(&mut inflated)?;
            }
            Self::Deflate => {
                // The reader of flate2 would take a body that is cut off for a whole one.
                inflated.reserve_exact(limit + 1);
                let mut inflate = Decompress::new(true);
                let status =
                    inflate.decompress_vec(body, &mut inflated, FlushDecompress::Finish)?;
                let is_whole =
                    status == Status::StreamEnd && inflate.total_in() == body.len() as u64;
                if !is_whole && inflated.len() <= limit {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        inflated.shrink_to_fit();
        Ok(inflated)
    }
}

/// Reads and forgets what is left of a refused body.
pub(crate) async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = DISCARD_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    const BODY: &[u8] = b"one two one two one two one two one two";

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn whole_bodies_are_inflated() {
        let twice = [gzip(BODY), gzip(BODY)].concat();
        let inflate = |encoding: Encoding, body: &[u8]| encoding.inflate(body, 100).unwrap();
        assert_eq!(inflate(Encoding::Gzip, &gzip(BODY)), BODY);
        assert_eq!(inflate(Encoding::Gzip, &twice), BODY.repeat(2));
        assert_eq!(inflate(Encoding::Deflate, &deflate(BODY)), BODY);
        assert_eq!(inflate(Encoding::Deflate, &deflate(b"")), b"");
    }

    #[test]
    fn bodies_that_are_cut_off_or_followed_by_anything_are_not_inflated() {
        for (encoding, whole) in [
            (Encoding::Gzip, gzip(BODY)),
            (Encoding::Deflate, deflate(BODY)),
        ] {
            for end in 0..whole.len() {
                assert!(
                    encoding.inflate(&whole[..end], 100).is_err(),
                    "{encoding:?} {end}"
                );
            }
            let more = [&*whole, b"more"].concat();
            assert!(encoding.inflate(&more, 100).is_err(), "{encoding:?}");
        }
    }

    #[test]
    fn inflation_ends_one_byte_beyond_the_limit() {
        let body = vec![b' '; 10_000_000];
        for (encoding, small) in [
            (Encoding::Gzip, gzip(&body)),
            (Encoding::Deflate, deflate(&body)),
        ] {
            assert_eq!(encoding.inflate(&small, 1000).unwrap().len(), 1001);
            let exact = match encoding {
                Encoding::Gzip => gzip(&body[..1000]),
                _ => deflate(&body[..1000]),
            };
            assert_eq!(encoding.inflate(&exact, 1000).unwrap().len(), 1000);
        }
    }

    #[test]
    fn an_inflated_body_takes_no_more_memory_than_is_reserved_for_it() {
        for (encoding, small) in [
            (Encoding::Gzip, gzip(BODY)),
            (Encoding::Deflate, deflate(BODY)),
        ] {
            let inflated = encoding.inflate(&small, 1_000_000).unwrap();
            assert!(inflated.capacity() < 2 * BODY.len(), "{encoding:?}");
        }
    }

    #[tokio::test]
    async fn memory_is_taken_by_what_came_and_given_back_after_it() {
        let memory = Memory::new(10, Slots::new(1, metrics::Gauge::noop()));
        let mut reserved = memory.reserve(0).await.unwrap();
        let frames = ["12", "345", "6"].map(|part| Ok(Frame::data(Bytes::from(part))));
        let frames: [Result<_, std::convert::Infallible>; 3] = frames;
        let mut body = StreamBody::new(futures::stream::iter(frames));
        let read = memory.read(&mut body, 6, &mut reserved).await.unwrap();
        assert_eq!(read, "123456");
        assert_eq!(memory.bytes.available_permits(), 4);

        let mut more = memory.reserve(0).await.unwrap();
        let mut body = Full::new(Bytes::from("12345"));
        let refused = memory.read(&mut body, 6, &mut more).await;
        assert!(matches!(refused, Err(Rejection::Overloaded)));
        drop(reserved);
        let mut body = Full::new(Bytes::from("1234567"));
        let refused = memory.read(&mut body, 6, &mut more).await;
        assert!(matches!(refused, Err(Rejection::TooLarge { limit: 6 })));
        drop(more);
        assert_eq!(memory.bytes.available_permits(), 10);
    }
}
