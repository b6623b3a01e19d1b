use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use landfall_core::{Seldom, log_seldom};

use crate::{disk::Disk, error::is_full};

const CHUNK: usize = 1 << 20;

/// A file of no use but its space, given up so that the small files that progress needs can be written on a full disk.
///
/// Appends are refused while it is missing. So progress comes first, and by landing what is journaled it frees the
/// space in which the reserve is written again.
#[derive(Debug)]
pub(crate) struct Reserve {
    disk: Arc<dyn Disk>,
    len: u64,
    retry: Duration,
    seldom: Seldom,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    held: bool,
    tried: Option<Instant>,
}

impl Reserve {
    pub(crate) const NAME: &str = "reserve";

    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        len: u64,
        retry: Duration,
        found: Option<u64>,
        seldom: Seldom,
    ) -> Self {
        let held = found == Some(len);
        if found.is_some() && !held {
            let _ = disk.remove(Self::NAME);
        }
        let reserve = Self {
            disk,
            len,
            retry,
            seldom,
            state: Mutex::new(State {
                held: held || len == 0,
                tried: None,
            }),
        };
        reserve.ready();
        reserve
    }

    /// Whether the reserve is there; if not, tries to write it, though no more often than each `retry`.
    pub(crate) fn ready(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.held
            && state
                .tried
                .is_none_or(|tried| tried.elapsed() >= self.retry)
        {
            state.held = self.fill().is_ok();
            state.tried = Some(Instant::now());
        }
        state.held
    }

    /// Does `work`; if there is no space for it, gives up the reserve and does it again.
    pub(crate) fn with<T>(&self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match work() {
            Err(error) if is_full(&error) && self.len > 0 => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.held {
                    log_seldom!(
                        &self.seldom,
                        "reserve",
                        warn,
                        "the disk is full: giving up the journal's reserve to go on"
                    );
                    self.disk.remove(Self::NAME)?;
                    state.held = false;
                }
                // The lock is kept: no append can take back the space in between.
                work()
            }
            result => result,
        }
    }

    fn fill(&self) -> io::Result<()> {
        // Random, so that a file system which compresses or finds duplicates sets aside as much as it will need.
        let mut chunk = vec![0; CHUNK.min(self.len as usize).max(8)];
        getrandom::fill(&mut chunk)?;
        // What an attempt left that could not even be removed.
        let _ = self.disk.remove(Self::NAME);
        let file = self.disk.create(Self::NAME)?;
        let filled = (0..self.len).step_by(CHUNK).try_for_each(|offset| {
            let len = (self.len - offset).min(CHUNK as u64) as usize;
            chunk[..8].copy_from_slice(&offset.to_le_bytes());
            file.write_at(&chunk[..len], offset)
        });
        let filled = filled.and_then(|()| file.sync_data());
        if filled.is_err() {
            let _ = self.disk.remove(Self::NAME);
        }
        filled
    }
}
