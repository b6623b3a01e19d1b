//! Any bytes, and any damage to a real segment, read as a segment of the journal:
//!
//! ```console
//! $ cargo xtask fuzz journal_segment
//! ```
//!
//! Nothing may panic, and no record may come out that was not appended.
#![no_main]

use std::sync::LazyLock;

use landfall_journal::{Journal, Options, read_segment};
use libfuzzer_sys::fuzz_target;

/// Payloads of all small lengths, and one that holds another segment.
static PAYLOADS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut payloads: Vec<_> = (0..40).map(|length| vec![length; length.into()]).collect();
    payloads.push(segment(&payloads));
    payloads
});

static SEGMENT: LazyLock<Vec<u8>> = LazyLock::new(|| segment(&PAYLOADS));

fn segment(payloads: &[Vec<u8>]) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let journal = Journal::open(dir.path(), Options::default()).await;
        let journal = journal.expect("a new journal");
        for payload in payloads {
            journal.append(&[payload]).await.expect("an append");
        }
    });
    let mut files = std::fs::read_dir(dir.path()).expect("the journal's folder");
    let path = files.find_map(|file| {
        let path = file.ok()?.path();
        path.extension()
            .is_some_and(|extension| extension == "seg")
            .then_some(path)
    });
    std::fs::read(path.expect("one segment")).expect("its bytes")
}

fuzz_target!(|input: &[u8]| {
    read_segment(input);

    // As damage: the length to cut the segment to, then pairs of a place and the bits to flip there.
    let Some((cut, flips)) = input.split_first_chunk::<2>() else {
        return;
    };
    let mut damaged = SEGMENT.clone();
    for flip in flips.as_chunks::<3>().0 {
        let at = usize::from(u16::from_le_bytes([flip[0], flip[1]])) % damaged.len();
        damaged[at] ^= flip[2];
    }
    let cut = usize::from(u16::from_le_bytes(*cut)) % (damaged.len() + 1);
    damaged.truncate(damaged.len() - cut);
    for record in read_segment(&damaged) {
        assert!(PAYLOADS.iter().any(|payload| *payload == record.payload));
    }
});
