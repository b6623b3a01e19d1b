use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;

use super::filter::Filter;
use super::{Key, Seen};

/// Keys that are read together: a page of 4 KiB.
const KEYS_A_BLOCK: usize = 256;

/// Keys to which none is added any more, sorted, in memory or in a file.
///
/// Memory: 2 bytes a key, and 16 more where they are not in a file. A look-up of a key whose identity is unknown reads the file
/// once in a thousand times, any other one block of it.
#[derive(Debug)]
pub(super) struct Sealed {
    /// Of their identities.
    filter: Filter,
    /// The first key of each block.
    firsts: Vec<Key>,
    len: usize,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Memory(Vec<Key>),
    File(File),
}

impl Sealed {
    /// Keys in memory.
    pub(super) fn new(mut keys: Vec<Key>) -> Self {
        keys.sort_unstable();
        Self {
            filter: Filter::new(keys.iter().map(|key| key.identity)),
            firsts: keys.iter().copied().step_by(KEYS_A_BLOCK).collect(),
            len: keys.len(),
            keys: Keys::Memory(keys),
        }
    }

    /// Moves them from memory into an empty file. After an error they are where they were.
    pub(super) fn move_to(&mut self, file: File) -> io::Result<()> {
        if let Keys::Memory(keys) = &self.keys {
            let mut writer = BufWriter::new(file);
            for key in keys {
                writer.write_all(&key.to_bytes())?;
            }
            self.keys = Keys::File(writer.into_inner()?);
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// # Errors
    /// The file cannot be read, or holds something else than was written.
    // Inlined, so that what is asked of every filter is computed once.
    #[inline]
    pub(super) fn look_up(&self, key: Key) -> io::Result<Seen> {
        if self.filter.may_hold(key.identity) {
            self.search(key)
        } else {
            Ok(Seen::Never)
        }
    }

    fn search(&self, key: Key) -> io::Result<Seen> {
        // The key itself can only be in the block before this one. If any other has its identity, a neighbour in the order has:
        // in that block too, or as the first of this one.
        let next = self.firsts.partition_point(|first| *first <= key);
        let block = match next.checked_sub(1) {
            Some(block) => self.block(block)?,
            None => Cow::Borrowed(&[][..]),
        };
        let same_id = |known: &Key| known.identity == key.identity;
        Ok(if block.binary_search(&key).is_ok() {
            Seen::Duplicate
        } else if block.iter().chain(self.firsts.get(next)).any(same_id) {
            Seen::SameId
        } else {
            Seen::Never
        })
    }

    /// All keys.
    ///
    /// # Errors
    /// As for [`look_up`](Self::look_up).
    pub(super) fn keys(&self) -> io::Result<Vec<Key>> {
        let mut keys = Vec::with_capacity(self.len);
        for block in 0..self.firsts.len() {
            keys.extend_from_slice(&self.block(block)?);
        }
        Ok(keys)
    }

    fn block(&self, block: usize) -> io::Result<Cow<'_, [Key]>> {
        let begin = block * KEYS_A_BLOCK;
        let end = self.len.min(begin + KEYS_A_BLOCK);
        let file = match &self.keys {
            Keys::Memory(keys) => return Ok(Cow::Borrowed(&keys[begin..end])),
            Keys::File(file) => file,
        };
        let mut bytes = vec![0; (end - begin) * Key::LENGTH];
        file.read_exact_at(&mut bytes, (begin * Key::LENGTH) as u64)?;
        let (keys, _) = bytes.as_chunks();
        let keys: Vec<_> = keys.iter().copied().map(Key::from_bytes).collect();
        // Nobody waited for the disk to take the file: what it could not write it gives back as something else, page by page.
        if keys.first() != self.firsts.get(block) {
            return Err(io::Error::other("not what was written"));
        }
        Ok(Cow::Owned(keys))
    }
}
