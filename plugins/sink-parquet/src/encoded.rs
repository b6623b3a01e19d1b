use std::fs::File;
use std::io;
use std::mem;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use object_store::{PutPayload, PutPayloadMut};

use crate::scratch::Scratch;

/// What is moved to a scratch file, and read back from there, in one go.
pub(crate) const PIECE_BYTES: usize = 1024 * 1024;

/// The last block has room that is never used, and a batch may have thousands of files.
const BLOCK_BYTES: usize = 16 * 1024;

/// The bytes of a file that is encoded: pieces of [`PIECE_BYTES`], the last with what is left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoded {
    pieces: Arc<[Piece]>,
    length: usize,
}

#[derive(Debug)]
enum Piece {
    Memory(PutPayload),
    /// In a scratch file, as far from its beginning as in the whole.
    Scratch {
        file: Arc<File>,
        crc32c: u32,
    },
}

/// Takes what is encoded, and moves each piece that is complete to a scratch file if there can be one.
#[derive(Debug)]
pub(crate) struct EncodedWriter {
    scratch: Scratch,
    file: Option<Arc<File>>,
    complete: Vec<Piece>,
    /// In blocks that stay where they are: one buffer would be moved as it grows, with room for twice as much.
    last: PutPayloadMut,
}

impl Encoded {
    /// In bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// How many pieces it has.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Those of `pieces` that there are, joined. It blocks for as long as a disk takes.
    ///
    /// # Errors
    /// A scratch file cannot be read, or holds something else than was written.
    pub(crate) fn read(&self, pieces: Range<usize>) -> io::Result<PutPayload> {
        let mut joined = PutPayloadMut::new();
        for number in pieces.start..pieces.end.min(self.pieces.len()) {
            let blocks = self.pieces[number].read(number)?;
            blocks.into_iter().for_each(|block| joined.push(block));
        }
        Ok(joined.freeze())
    }
}

impl Piece {
    fn read(&self, number: usize) -> io::Result<PutPayload> {
        match self {
            Self::Memory(bytes) => Ok(bytes.clone()),
            Self::Scratch { file, crc32c } => {
                let mut bytes = vec![0; PIECE_BYTES];
                file.read_exact_at(&mut bytes, offset(number))?;
                // Nobody waited for the disk to take it: what could not be written comes back as something else.
                if crc32c::crc32c(&bytes) == *crc32c {
                    Ok(bytes.into())
                } else {
                    Err(io::Error::other(
                        "data_dir does not give back what was written there; see to its disk and start again, nothing is lost",
                    ))
                }
            }
        }
    }
}

fn offset(piece: usize) -> u64 {
    (piece * PIECE_BYTES) as u64
}

fn empty_piece() -> PutPayloadMut {
    PutPayloadMut::new().with_block_size(BLOCK_BYTES)
}

impl EncodedWriter {
    pub(crate) fn new(scratch: Scratch) -> Self {
        Self {
            scratch,
            file: None,
            complete: Vec::new(),
            last: empty_piece(),
        }
    }

    pub(crate) fn finish(mut self) -> Encoded {
        let length = self.complete.len() * PIECE_BYTES + self.last.content_length();
        if !self.last.is_empty() {
            self.complete.push(Piece::Memory(self.last.freeze()));
        }
        Encoded {
            pieces: self.complete.into(),
            length,
        }
    }

    fn complete_last(&mut self) {
        let piece = mem::replace(&mut self.last, empty_piece()).freeze();
        let piece = self.moved(&piece).unwrap_or(Piece::Memory(piece));
        self.complete.push(piece);
    }

    /// `piece`, moved to the scratch file; `None` if it must stay.
    fn moved(&mut self, piece: &PutPayload) -> Option<Piece> {
        if self.file.is_none() {
            self.file = self.scratch.file().map(Arc::new);
        }
        let file = self.file.clone()?;
        let (mut at, mut crc32c) = (offset(self.complete.len()), 0);
        for block in piece {
            if let Err(error) = file.write_all_at(block, at) {
                self.scratch.failed(&error);
                return None;
            }
            at += block.len() as u64;
            crc32c = crc32c::crc32c_append(crc32c, block);
        }
        Some(Piece::Scratch { file, crc32c })
    }
}

impl io::Write for EncodedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.last.content_length();
        let taken = room.min(bytes.len());
        self.last.extend_from_slice(&bytes[..taken]);
        if taken == room {
            self.complete_last();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<&[u8]> for Encoded {
    fn from(bytes: &[u8]) -> Self {
        let mut writer = EncodedWriter::new(Scratch::default());
        // Memory takes everything.
        let _ = io::Write::write_all(&mut writer, bytes);
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::Bytes;

    use super::*;
    use crate::sink::tests::Kept;

    const LENGTHS: [usize; 6] = [
        0,
        1,
        PIECE_BYTES - 1,
        PIECE_BYTES,
        PIECE_BYTES + 1,
        3 * PIECE_BYTES + 5,
    ];

    fn bytes(length: usize) -> Bytes {
        (0..length).map(|at| (at / 1000) as u8).collect()
    }

    fn in_file() -> EncodedWriter {
        EncodedWriter::new(Kept::default().into_scratch())
    }

    fn in_memory() -> EncodedWriter {
        EncodedWriter::new(Scratch::default())
    }

    /// Its scratch file takes nothing.
    fn in_vain() -> EncodedWriter {
        let file = File::open("/dev/null").unwrap();
        EncodedWriter {
            file: Some(Arc::new(file)),
            ..in_memory()
        }
    }

    #[test]
    fn what_was_written_is_read_back_wherever_it_is_kept() {
        for length in LENGTHS {
            let bytes = bytes(length);
            for mut writer in [in_file(), in_memory(), in_vain()] {
                for some in bytes.chunks(PIECE_BYTES / 3) {
                    writer.write_all(some).unwrap();
                }
                let encoded = writer.finish();
                assert_eq!(encoded.len(), length);
                let pieces = encoded.pieces();
                assert_eq!(pieces, length.div_ceil(PIECE_BYTES));
                assert_eq!(Bytes::from(encoded.read(0..pieces).unwrap()), bytes);
                for (first, rest) in (0..).zip(bytes.chunks(PIECE_BYTES)) {
                    let read = encoded.read(first..first + 2).unwrap();
                    let both = length.min((first + 2) * PIECE_BYTES) - first * PIECE_BYTES;
                    assert_eq!(read.content_length(), both);
                    assert!(Bytes::from(read).starts_with(rest));
                }
            }
        }
    }

    #[test]
    fn whole_pieces_are_in_the_file_and_what_it_does_not_take_is_in_memory() {
        let kept = |mut writer: EncodedWriter| {
            writer.write_all(&bytes(2 * PIECE_BYTES + 1)).unwrap();
            let encoded = writer.finish();
            let in_memory = |piece: &Piece| matches!(piece, Piece::Memory(_));
            encoded.pieces.iter().map(in_memory).collect::<Vec<_>>()
        };
        assert_eq!(kept(in_file()), [false, false, true]);
        assert_eq!(kept(in_memory()), [true; 3]);
        assert_eq!(kept(in_vain()), [true; 3]);
    }

    #[test]
    fn a_file_that_gives_back_something_else_is_never_believed() {
        let damages: [fn(&File) -> io::Result<()>; 3] = [
            |file| file.set_len(PIECE_BYTES as u64 - 1),
            |file| file.write_all_at(&[7], 5000),
            |file| file.write_all_at(&[0; 4096], 4096),
        ];
        for damage in damages {
            let mut writer = in_file();
            writer.write_all(&bytes(PIECE_BYTES)).unwrap();
            damage(writer.file.as_ref().unwrap()).unwrap();
            assert!(writer.finish().read(0..1).is_err());
        }
    }
}
