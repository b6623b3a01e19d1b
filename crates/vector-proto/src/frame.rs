//! The 5 bytes before every message of gRPC: whether it is compressed, and its length.

use std::io::{self, Read, Write as _};

use bytes::{Buf as _, BufMut as _, Bytes};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue};
use prost::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Status};

/// The bytes before a message.
pub const HEAD_LENGTH: usize = 5;

/// The header that names how messages of a request are compressed.
pub const ENCODING: &str = "grpc-encoding";

/// The header that says which compressions are understood.
pub const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// The value of [`ACCEPT_ENCODING`].
pub const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip,zstd,identity");

/// 8 MiB, which RFC 8878 asks every decoder to take, and no common level goes beyond. A message could ask for more memory
/// than it ever fills.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How messages are compressed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// What [`ENCODING`] says.
    ///
    /// # Errors
    /// [`Code::Unimplemented`] for anything else.
    pub fn of(headers: &HeaderMap) -> Result<Self, Status> {
        match headers.get(ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(Self::None),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(b"zstd") => Ok(Self::Zstd),
            Some(_) => Err(Status::new(
                Code::Unimplemented,
                "messages may be compressed with gzip or zstd, or not at all",
            )),
        }
    }

    /// The value of [`ENCODING`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    fn deflate(self, message: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(message.to_vec()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(message)?;
                encoder.finish()
            }
            Self::Zstd => zstd::encode_all(message, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }

    /// At most one byte more than `limit`.
    fn inflate(self, message: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let mut inflated = Vec::new();
        let most = limit as u64 + 1;
        match self {
            Self::None => return Err(io::ErrorKind::InvalidData.into()),
            Self::Gzip => MultiGzDecoder::new(message)
                .take(most)
                .read_to_end(&mut inflated)?,
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(message)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                decoder.take(most).read_to_end(&mut inflated)?
            }
        };
        inflated.shrink_to_fit();
        Ok(inflated)
    }
}

/// The frame of `message`.
///
/// # Errors
/// The compressor's. A message of more than 4 GiB has no frame.
pub fn encode(message: &impl Message, compression: Compression) -> io::Result<Bytes> {
    let mut frame = vec![0; HEAD_LENGTH];
    if compression == Compression::None {
        frame.reserve_exact(message.encoded_len());
        message.encode_raw(&mut frame);
    } else {
        frame.extend(compression.deflate(&message.encode_to_vec())?);
        frame[0] = 1;
    }
    let length = u32::try_from(frame.len() - HEAD_LENGTH);
    let length = length.map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    (&mut frame[1..HEAD_LENGTH]).put_u32(length);
    Ok(frame.into())
}

/// The message in `body`, which must be one frame. Bytes in it are slices of `body`, if it is not compressed.
///
/// # Errors
/// A [`Status`] to answer with. [`Code::ResourceExhausted`] for a message that inflates to more than `limit` bytes: who sent
/// it keeps it, until the limit is raised.
pub fn decode<M: Message + Default>(
    body: Bytes,
    compression: Compression,
    limit: usize,
) -> Result<M, Status> {
    message(unpack(body, compression, limit)?)
}

/// The message whose bytes these are.
///
/// # Errors
/// A [`Status`] to answer with.
pub fn message<M: Message + Default>(bytes: Bytes) -> Result<M, Status> {
    M::decode(bytes).map_err(|_| broken("its message is none of this protocol"))
}

/// The bytes of the message in `body`, for whoever looks at them before they are [made one](message).
///
/// # Errors
/// As [`decode`].
pub fn unpack(mut body: Bytes, compression: Compression, limit: usize) -> Result<Bytes, Status> {
    if body.len() < HEAD_LENGTH {
        return Err(broken("it ends before its message begins"));
    }
    let is_compressed = body.get_u8();
    let length = body.get_u32();
    if body.len() as u64 != u64::from(length) {
        return Err(broken("it must hold one message, whole"));
    }
    let message = match is_compressed {
        0 => body,
        1 => match compression.inflate(&body, limit) {
            Ok(inflated) => inflated.into(),
            Err(_) => return Err(broken("its message cannot be decompressed")),
        },
        _ => return Err(broken("its message has an unknown flag")),
    };
    if message.len() > limit {
        return Err(Status::too_large(limit));
    }
    Ok(message)
}

fn broken(what: &str) -> Status {
    Status::new(Code::Internal, format!("the request is broken: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{EventWrapper, Log, PushEventsRequest, Value};

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    fn request(bodies: &[Vec<u8>]) -> PushEventsRequest {
        let events = bodies.iter().map(|body| {
            let message = Value::bytes(body.clone());
            EventWrapper::log(Log::from_fields([("message", message)]))
        });
        PushEventsRequest {
            events: events.collect(),
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bodies: Vec<Vec<u8>>) {
            let request = request(&bodies);
            for compression in ALL {
                let frame = encode(&request, compression).unwrap();
                let decoded = decode(frame, compression, 1 << 20).unwrap();
                prop_assert_eq!(&request, &decoded);
            }
        }

        #[test]
        fn whatever_comes_is_a_message_or_a_status(body: Vec<u8>, flag in 0..=2_u8) {
            let mut frame = vec![flag];
            frame.put_u32(body.len() as u32);
            frame.extend(&body);
            for compression in ALL {
                drop(decode::<PushEventsRequest>(frame.clone().into(), compression, 1 << 20));
                drop(decode::<PushEventsRequest>(body.clone().into(), compression, 1 << 20));
            }
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_before_it_is_inflated_whole() {
        let request = request(&[vec![0; 1 << 20]]);
        let length = request.encoded_len();
        for compression in ALL {
            let frame = encode(&request, compression).unwrap();
            assert!(decode::<PushEventsRequest>(frame.clone(), compression, length).is_ok());
            let refused = decode::<PushEventsRequest>(frame, compression, length - 1);
            assert_eq!(refused.unwrap_err().code, Code::ResourceExhausted);
        }
    }

    #[test]
    fn a_compressed_message_of_no_named_compression_is_refused() {
        let frame = encode(&request(&[vec![1]]), Compression::Gzip).unwrap();
        let refused = decode::<PushEventsRequest>(frame, Compression::None, 1024);
        assert_eq!(refused.unwrap_err().code, Code::Internal);
    }
}
