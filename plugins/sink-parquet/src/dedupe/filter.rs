/// Keys that share a block: 16 bits each. One of a thousand identities that are not in the set then looks as if it were.
const KEYS_A_BLOCK: usize = 16;

/// Bits that lie together, so that a look-up misses the processor's cache once at most.
type Block = [u32; 8];

/// A Bloom filter over identities, which as parts of a SHA-256 need no hashing: their upper bits choose a block, their lower ones
/// a bit in each of its words.
///
/// It is not that of the `parquet` crate, which hashes anew for each filter that is asked: a look-up in 21 of them took twice as
/// long.
#[derive(Debug)]
pub(super) struct Filter(Box<[Block]>);

impl Filter {
    pub(super) fn new(identities: impl ExactSizeIterator<Item = u64>) -> Self {
        let blocks = identities.len().div_ceil(KEYS_A_BLOCK).max(1);
        let mut filter = Self(vec![[0; 8]; blocks].into_boxed_slice());
        for identity in identities {
            let place = filter.place(identity);
            for (word, bit) in filter.0[place].iter_mut().zip(bits(identity)) {
                *word |= bit;
            }
        }
        filter
    }

    /// Whether `identity` may be in the set; if it is, always.
    #[inline]
    pub(super) fn may_hold(&self, identity: u64) -> bool {
        let block = &self.0[self.place(identity)];
        // Without a branch for each word, which no processor could foretell.
        let missing = block.iter().zip(bits(identity));
        missing.fold(0, |missing, (word, bit)| missing | (bit & !word)) == 0
    }

    #[inline]
    fn place(&self, identity: u64) -> usize {
        ((u128::from(identity) * self.0.len() as u128) >> 64) as usize
    }
}

#[inline]
fn bits(identity: u64) -> Block {
    std::array::from_fn(|word| 1 << ((identity >> (5 * word)) & 31))
}
