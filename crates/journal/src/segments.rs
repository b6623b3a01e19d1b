use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Which segments there are and how many bytes they take: all that open has to know of a backlog.
#[derive(Debug, Default)]
pub(crate) struct Segments(Mutex<Index>);

#[derive(Debug, Default)]
struct Index {
    /// Length in bytes by base.
    len: BTreeMap<u64, u64>,
    /// Bytes of all segments and of the records on their way into one.
    used: u64,
}

impl Segments {
    pub(crate) fn new(list: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let len: BTreeMap<_, _> = list.into_iter().collect();
        let used = len.values().sum();
        Self(Mutex::new(Index { len, used }))
    }

    /// Reserves room for `bytes` more, if that stays within `max`.
    ///
    /// The newest segment is never deleted, whatever its size. So that it alone cannot fill a journal for good, as after
    /// `max` was lowered, a journal without any other takes a record regardless.
    pub(crate) fn claim(&self, bytes: u64, max: u64) -> bool {
        let mut index = self.lock();
        let newest = index.len.last_key_value().map_or(0, |(_, len)| *len);
        let fits = index.used + bytes <= max || index.used == newest;
        index.used += bytes * u64::from(fits);
        fits
    }

    /// Gives back the room of records that were not written.
    pub(crate) fn release(&self, bytes: u64) {
        self.lock().used -= bytes;
    }

    /// Notes that the segment at `base` grew to `len` bytes, of which `claimed` had been reserved.
    pub(crate) fn grow(&self, base: u64, len: u64, claimed: u64) {
        let mut index = self.lock();
        let before = index.len.insert(base, len).unwrap_or(0);
        index.used = index.used - claimed + (len - before);
    }

    pub(crate) fn remove(&self, base: u64) {
        let mut index = self.lock();
        index.used -= index.len.remove(&base).unwrap_or(0);
    }

    /// The segment that `position` lies in (the oldest for a position before it), and the one after that.
    pub(crate) fn around(&self, position: u64) -> Option<(u64, Option<u64>)> {
        let index = self.lock();
        let bases = || index.len.keys().copied();
        let base = match index.len.range(..=position).next_back() {
            Some((base, _)) => *base,
            None => bases().next()?,
        };
        let next = index.len.range((Excluded(base), Unbounded)).next();
        Some((base, next.map(|(base, _)| *base)))
    }

    /// Segments that end at or before `position`, without the newest: it keeps the place where the log goes on.
    pub(crate) fn behind(&self, position: u64) -> Vec<u64> {
        let index = self.lock();
        let newest = index.len.keys().next_back().copied();
        let behind = index
            .len
            .iter()
            .take_while(|(base, len)| *base + *len <= position);
        behind
            .map(|(base, _)| *base)
            .filter(|base| Some(*base) != newest)
            .collect()
    }

    /// Bytes of all segments from `position` on.
    pub(crate) fn bytes_from(&self, position: u64) -> u64 {
        let index = self.lock();
        let rest = index.len.iter();
        rest.map(|(base, len)| len.saturating_sub(position.saturating_sub(*base)))
            .sum()
    }

    pub(crate) fn oldest(&self) -> Option<u64> {
        self.lock().len.keys().next().copied()
    }

    pub(crate) fn newest(&self) -> Option<(u64, u64)> {
        let index = self.lock();
        index.len.last_key_value().map(|(base, len)| (*base, *len))
    }

    /// Number of segments and the bytes they take.
    pub(crate) fn totals(&self) -> (usize, u64) {
        let index = self.lock();
        (index.len.len(), index.len.values().sum())
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
