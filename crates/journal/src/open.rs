//! What happens when a journal is opened. Nothing here reads more of a backlog than the directory and the last segment.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
};

use landfall_core::{Seldom, log};
use tokio::sync::{Notify, watch};

use crate::{
    DamageKind, Disk, OpenError, Options,
    committer::Committer,
    cursor::Cursors,
    disk::{self, CURSOR, LOCK, STATE, TMP, path, segment_base, segment_name},
    group::Pending,
    identity::Identity,
    journal::{Shared, Tip},
    reserve::Reserve,
    segment::{HEADER, Header},
    segments::Segments,
    walk::{Step, Walk},
};

pub(crate) fn open(
    disk: Arc<dyn Disk>,
    options: Options,
) -> Result<(Arc<Shared>, Committer), OpenError> {
    let options = options.balanced();
    disk.create_dir("")?;
    let lock = disk.lock(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked,
        _ => error.into(),
    })?;
    // What a newer release has left half way is not ours to clear away.
    if let Err(unreadable) = Identity::load(&*disk)? {
        unreadable.refuse_newer()?;
    }
    disk.create_dir(STATE)?;
    for dir in ["", STATE] {
        for (name, _) in disk.list(dir)? {
            if name.ends_with(TMP) {
                disk.remove(&path(dir, &name))?;
            }
        }
    }

    // What is there may be in memory only, left by an operation whose last sync failed.
    disk.sync_dir(STATE)?;
    disk.sync_dir("")?;

    let files = disk.list("")?;
    let segments = files
        .iter()
        .filter_map(|(name, len)| Some((segment_base(name)?, *len)));
    let segments = Arc::new(Segments::new(segments));
    let identity = identify(&*disk, &files, &options.seldom)?;
    let names = files
        .iter()
        .filter_map(|(name, _)| name.strip_suffix(CURSOR));
    let cursors = Cursors::open(&*disk, names, &options.seldom)?;
    let reserve = files
        .iter()
        .find(|(name, _)| name == Reserve::NAME)
        .map(|(_, len)| *len);

    let shared = Arc::new(Shared {
        cursors,
        identity,
        segments,
        reserve: Reserve::new(
            Arc::clone(&disk),
            options.reserve_bytes,
            options.reserve_retry,
            reserve,
            options.seldom.clone(),
        ),
        pending: Pending::new(options.max_pending_bytes),
        max_bytes: AtomicU64::new(options.max_bytes),
        options,
        disk,
        states: Default::default(),
        counters: Default::default(),
        tip: watch::Sender::new(Tip {
            end: 0,
            closed: false,
        }),
        room: Notify::new(),
        damaged: Default::default(),
        _lock: lock,
    });
    let next_base = recover(&shared)?;
    shared.delete_behind();
    Ok((Arc::clone(&shared), Committer::new(shared, next_base)))
}

/// The identity of a journal: its own file, any segment's header, or, for a new journal, a new one.
fn identify(
    disk: &dyn Disk,
    files: &[(String, u64)],
    seldom: &Seldom,
) -> Result<Identity, OpenError> {
    let known = Identity::load(disk)?;
    if let Err(unreadable) = &known {
        unreadable.refuse_newer()?;
    }
    let mut bases: Vec<_> = files
        .iter()
        .filter_map(|(name, _)| segment_base(name))
        .collect();
    bases.sort_unstable();
    for base in bases.iter().rev() {
        match (Header::load(disk, *base)?, &known) {
            (Ok(header), Ok(identity)) if header.identity == *identity => {
                return Ok(header.identity);
            }
            (Ok(_), Ok(_)) => {
                return Err(OpenError::Identity(
                    "the segments belong to another journal",
                ));
            }
            (Ok(header), Err(_)) => {
                log!(
                    seldom.labels(),
                    warn,
                    "the journal's identity was damaged and is restored from a segment"
                );
                header.identity.store(disk)?;
                return Ok(header.identity);
            }
            (Err(unreadable), _) => unreadable.refuse_newer()?,
        }
    }
    match known {
        Ok(identity) => Ok(identity),
        Err(_) if bases.is_empty() => {
            let identity = Identity::generate()?;
            identity.store(disk)?;
            Ok(identity)
        }
        Err(_) => Err(OpenError::Identity(
            "the identity and the headers of all segments are damaged",
        )),
    }
}

/// Where the last life of the process began: the position, and its checksum.
const LIFE: &str = "life";

/// How far apart the lives of the process begin. Positions that were once given away are not given again, also when the disk
/// has lost the records, or whole segments: whoever keeps positions elsewhere would take new records for old ones.
const LIFE_DISTANCE: u64 = 1 << 32;

/// Where this life begins, given where the log that was found ends. Notes it for the next.
fn begin_life(shared: &Shared, end: u64) -> u64 {
    let disk = &*shared.disk;
    let last = disk::read_all(disk, LIFE).ok();
    let last = last.and_then(|bytes| {
        let position = u64::from_le_bytes(*bytes.first_chunk()?);
        (bytes == life(position)).then_some(position)
    });
    let base = match last {
        Some(last) => end.max(last) + LIFE_DISTANCE,
        None if end > 0 => end + LIFE_DISTANCE,
        None => 0,
    };
    let base = base.next_multiple_of(64);
    let noted = shared
        .reserve
        .with(|| disk::replace(disk, "", LIFE, &life(base)));
    if let Err(error) = noted {
        // It only matters if the disk then also loses the segments of this life.
        let labels = shared.options.seldom.labels();
        log!(labels, warn, %error, "cannot note where the journal goes on");
    }
    base
}

fn life(position: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&position.to_le_bytes());
    crate::identity::seal(&mut bytes);
    bytes
}

/// Finds where the log ends, cuts what follows, and returns where a new segment may begin.
fn recover(shared: &Arc<Shared>) -> io::Result<u64> {
    let committed = shared
        .cursors
        .positions()
        .values()
        .map(|position| position.get())
        .max();
    let committed = committed.unwrap_or(0);
    let Some((base, len)) = shared.segments.newest() else {
        shared.tip.send_modify(|tip| tip.end = committed);
        return Ok(begin_life(shared, committed));
    };

    let mut walk = Walk::new(
        Arc::clone(&shared.disk),
        shared.identity,
        Arc::clone(&shared.segments),
        base,
    );
    let mut end = base;
    while let Some(step) = walk.step(base + len)? {
        match step {
            Step::Record(record) => end = record.end.get(),
            // Zeros at the end of the log: space that never got its record.
            Step::Damage(damage) if damage.kind == DamageKind::Missing => {}
            Step::Damage(damage) => shared.note(&walk, &damage),
        }
    }
    // What the last process wrote without fsync is in memory still, and would be read as if it were durable.
    let file = shared.disk.open_write(&segment_name(base))?;
    if end > base && end < base + len {
        // Saves the next opening the work; that the log ends here is also stated by the next segment's header.
        let _ = file.truncate(end - base);
    }
    file.sync_data()?;
    shared.tip.send_modify(|tip| tip.end = end);
    Ok(begin_life(
        shared,
        committed.max(base + len.max(HEADER as u64)),
    ))
}
