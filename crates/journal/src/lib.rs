//! A durable log on the local disk: what [`append`](Journal::append) acknowledged is neither lost nor doubled.
//!
//! Appends that wait at the same time share one fsync. Readers follow the log by named cursors, whose commits are durable and
//! free the segments behind them. Damage, a full disk and failing I/O are part of the design: whatever happens, an append is
//! acknowledged only if it is safe, valid records are never taken along by broken ones, and the journal goes on by itself when
//! the disk does. It knows bytes and positions, and nothing of what they mean.
//!
//! ```
//! use landfall_journal::{Journal, Options};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let journal = Journal::open(dir.path(), Options::default()).await?;
//! let position = journal.append(&[b"a few header bytes, ", b"then the body"]).await?;
//!
//! let mut reader = journal.reader("lake").await?;
//! for record in reader.next(1000, 8 << 20).await? {
//!     assert_eq!(record.position, position);
//!     assert_eq!(record.payload, "a few header bytes, then the body");
//!     reader.commit(record.end).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//!  append ─┐                                     ┌────────────┐
//!  append ─┼─> pending group ─> committer thread ─> segments   ├─> reader "lake" ──> commit ─> lake.cursor
//!  append ─┘   (while the one   one write,       │ 0000…0.seg │
//!     ^         before it is    one fdatasync    │ 0000…x.seg ├─> reader "dedupe" ─> commit ─> dedupe.cursor
//!     └──────── written) <─────── position ──────└────────────┘     behind the slowest cursor: deleted
//! ```
//!
//! # Guarantees
//!
//! - **Acknowledged means durable.** An append resolves after `fdatasync` of the segment, and after fsync of the directory if
//!   the segment is new. If either fails, so does every append of the group.
//! - **A failed write or sync ends its segment.** It is not written or synced again. The next group starts a new segment, whose
//!   position lies beyond everything that may have reached the old one and whose header states where the acknowledged part of
//!   the old one ends. Readers stop there, whatever the file holds. A record whose append failed is therefore not read, unless
//!   the process ends before the next segment begins: then it may be found valid at the end of the log, and is read like
//!   others. The same holds for an append whose future was dropped.
//! - **Every record is read exactly once, in order**, by a reader that resumes where it committed. No position is ever given to
//!   two acknowledged records, unless the disk forgot the first of them.
//! - **A payload cannot imitate a record.** Record headers depend on the position and on a salt that never leaves the directory.
//! - **Damage is skipped, not obeyed.** A reader looks for the next valid record, counts and logs what it passed, and sets it
//!   aside in `<position>.damaged`, once. Those files are the operator's to examine and delete. An I/O error while reading is
//!   not damage: it is returned, and the same records are tried again.
//! - **A full disk stops appends only.** Cursors are overwritten in place. State files find their space in the reserve, and as long
//!   as that is missing appends are refused.
//! - **One process at a time.** A second one gets [`OpenError::Locked`]. The lock and these guarantees need a local file system.
//!
//! They rest on a disk that does what it says was synced. If it lies, acknowledged records can be missing after a loss of power;
//! nothing that was not appended appears.
//!
//! # What costs what
//!
//! - *Append*: one fsync, shared. While many come at a time, a group waits for more of them for up to a millisecond;
//!   else nobody waits for a timer. Per record a checksum and one copy, under a lock that is never held
//!   during I/O. Memory: twice [`max_pending_bytes`](Options::max_pending_bytes).
//! - *Read*: one `pread` per 256 KiB; payloads are slices of that block and keep it alive. Runs on the blocking pool.
//! - *Commit of a cursor*: one fsync of two pages in place. *State file*: two fsyncs.
//! - *Open*: a directory listing, five fsyncs and one per cursor, and one read of the last segment, at most
//!   [`segment_bytes`](Options::segment_bytes) or one group. The rest of the backlog is not opened, as a position is its file's
//!   name plus an offset: 10 GB open as fast as 1 GB.
//! - *Disk*: 12 bytes and up to 3 of padding per record, 64 per segment.
//!
//! # Format, version 1
//!
//! All integers are little-endian; CRC is CRC-32C. The directory holds:
//!
//! | name | contents |
//! |---|---|
//! | `lock` | nothing; locked while the journal is open |
//! | `identity` | what makes this journal this one |
//! | `life` | where the last life of the process began to write: the position in 8 bytes, and their CRC in 4 |
//! | `<base>.seg` | a segment; `base`, in 20 digits, is the position of its first byte |
//! | `<name>.cursor` | the committed position of a reader |
//! | `<position>.damaged` | unreadable bytes, copied from there |
//! | `reserve` | random bytes that hold space |
//! | `state/<name>` | a state file, whole |
//! | `*.tmp` | a file being written; removed by the next opening |
//!
//! A **position** counts the bytes of the log: the base of a segment plus an offset in its file, header included. Bases are
//! multiples of 4. There may be gaps between the end of one segment and the base of the next.
//!
//! `identity`, written once and restored from a segment header if it is damaged:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | `LFJOURID` |
//! | 8 | 4 | format version: 1. Releases refuse what is newer than they are |
//! | 12 | 4 | 0 |
//! | 16 | 16 | id: random, public |
//! | 32 | 16 | salt: random, secret |
//! | 48 | 4 | CRC of bytes 0 to 47 |
//!
//! A segment begins with a header:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | `LFJOURSG` |
//! | 8 | 4 | format version: 1 |
//! | 12 | 8 | base |
//! | 20 | 8 | previous end: up to which position earlier segments hold acknowledged records. What they hold beyond was never acknowledged; what they lack before it was lost |
//! | 28 | 16 | id |
//! | 44 | 16 | salt |
//! | 60 | 4 | CRC of bytes 0 to 59 |
//!
//! Records follow without gaps, each at a multiple of 4:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 4 | marker: CRC of (salt, base as 8 bytes), but 1 if that is 0 |
//! | 4 | 4 | n, length of the payload |
//! | 8 | 4 | CRC of (payload, n as 4 bytes, position of this record as 8 bytes, salt) |
//! | 12 | n | payload |
//! | 12 + n | 0 to 3 | zeros |
//!
//! A cursor file has two slots, at 0 and at 4096. A commit writes the slot at 4096 × (sequence mod 2); the valid slot with the
//! higher sequence counts. If none is valid the reader starts again at the oldest record.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | sequence |
//! | 8 | 8 | position |
//! | 16 | 4 | CRC of bytes 0 to 15 |
//!
//! Where no valid record is found, the next one is looked for at each multiple of 4, by its marker first. If a segment's header
//! is damaged, its records are read with the salt of `identity` and the base in its name.
//!
//! # Testing
//!
//! All file operations go through [`Disk`]. The feature `sim` adds a `sim::SimDisk` that fails as disks do, from one seed.
//! [`read_segment`] takes any bytes and is what a fuzz target calls.

mod error;
mod journal;
mod options;

mod committer;
mod cursor;
mod gathering;
mod group;
mod reader;
mod segment;
mod segments;
mod walk;

mod identity;
mod inspect;
mod open;
mod reserve;
mod state;
mod stats;

mod disk;
mod os;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

#[cfg(test)]
mod full_disk_tests;
#[cfg(test)]
mod model_tests;

pub use landfall_core::Position;

pub use self::{
    disk::{Disk, DiskFile},
    error::{AppendError, OpenError},
    group::Ticket,
    inspect::{Export, InspectedSegment, Inspection, export, inspect, read_segment},
    journal::Journal,
    options::{OnSync, Options},
    reader::Reader,
    segment::Record,
    state::State,
    stats::{Damage, DamageKind, Stats},
};
