//! The journal on a failing disk against a model that only knows what was acknowledged. Everything runs in one thread, so that
//! a failure replays exactly.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;

use crate::{
    AppendError, Journal, Options, Position, Record,
    committer::Committer,
    group::Ticket,
    journal::Shared,
    open::open,
    read_segment,
    sim::{Faults, SimDisk},
    walk::Walk,
};

#[derive(Clone, Debug)]
enum Op {
    Append(usize),
    Commit,
    Read(usize),
    CommitCursor,
    PutState(usize),
    /// Leaves this much space.
    Fill(u64),
    Empty,
    Kill,
    PowerLoss,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        12 => (0usize..700).prop_map(Op::Append),
        8 => Just(Op::Commit),
        4 => (1usize..20).prop_map(Op::Read),
        2 => Just(Op::CommitCursor),
        1 => (0usize..600).prop_map(Op::PutState),
        1 => (0u64..3000).prop_map(Op::Fill),
        1 => Just(Op::Empty),
        1 => Just(Op::Kill),
        1 => Just(Op::PowerLoss),
    ];
    prop::collection::vec(op, 0..120)
}

fn faults() -> impl Strategy<Value = Faults> {
    let rate = || prop_oneof![2 => Just(0u32), 1 => 0u32..1500];
    (rate(), rate(), rate(), rate()).prop_map(
        |(short_write, failed_write, failed_sync, failed_read)| Faults {
            short_write,
            failed_write,
            failed_sync,
            failed_read,
            lying_sync: 0,
        },
    )
}

fn options() -> Options {
    Options {
        segment_bytes: 2048,
        max_bytes: u64::MAX,
        reserve_bytes: 3000,
        reserve_retry: Duration::ZERO,
        ..Options::default()
    }
}

/// A payload that can be recognised, and told from every other.
fn payload(id: u32, len: usize) -> Vec<u8> {
    let filler = (0..len).map(|i| (id as usize * 31 + i * 7) as u8);
    id.to_le_bytes().into_iter().chain(filler).collect()
}

struct Sim {
    disk: SimDisk,
    faults: Faults,
    shared: Arc<Shared>,
    committer: Committer,
    reader: Walk,
    waiting: Vec<(u32, Ticket)>,
    /// Lengths of all payloads that were ever offered, by id.
    offered: Vec<usize>,
    acknowledged: BTreeMap<Position, u32>,
    /// Read from the log, in this life.
    read: Vec<Position>,
    /// Ends of the log that this life found at its start.
    inherited: Position,
    committed: u64,
    attempted: u64,
    state: (Option<Vec<u8>>, Vec<Vec<u8>>),
    trace: Vec<String>,
    /// Whether the disk may forget what it said was durable, so that its place is given away again.
    lies: bool,
}

impl Sim {
    fn new(seed: u64, faults: Faults) -> Self {
        let disk = SimDisk::new(seed);
        let (shared, committer) = open(Arc::new(disk.clone()), options()).unwrap();
        let reader = reader(&shared);
        // Holds everything, so that the end can be compared with all that was acknowledged.
        shared
            .cursors
            .get_or_create(&*shared.disk, "all", 0)
            .unwrap();
        disk.set_faults(faults);
        Self {
            disk,
            faults,
            shared,
            committer,
            reader,
            waiting: Vec::new(),
            offered: Vec::new(),
            acknowledged: BTreeMap::new(),
            read: Vec::new(),
            inherited: Position::default(),
            committed: 0,
            attempted: 0,
            state: (None, vec![]),
            trace: Vec::new(),
            lies: faults.lying_sync > 0,
        }
    }

    fn run(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Append(len) => drop(self.append(*len)),
                Op::Commit => self.commit(),
                Op::Read(records) => self.read(*records),
                Op::CommitCursor => self.commit_cursor(),
                Op::PutState(len) => self.put_state(*len),
                Op::Fill(free) => {
                    let files =
                        ["", "state"].map(|dir| crate::Disk::list(&self.disk, dir).unwrap());
                    let used: u64 = files.iter().flatten().map(|(_, len)| len).sum();
                    self.disk.set_capacity(used + free);
                }
                Op::Empty => self.disk.set_capacity(u64::MAX),
                Op::Kill => self.reopen(self.disk.clone()),
                Op::PowerLoss => self.reopen(self.disk.crash()),
            }
        }
    }

    fn append(&mut self, len: usize) -> Result<(), AppendError> {
        let id = self.offered.len() as u32;
        self.offered.push(len);
        let body = payload(id, len);
        let parts = [&body[..2], &body[2..]];
        let future = pin!(self.shared.join(&parts, false));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ticket) => self.waiting.push((id, ticket?)),
            Poll::Pending => panic!("nothing is pending that could make this wait"),
        }
        Ok(())
    }

    fn commit(&mut self) {
        if let Some(group) = self.shared.pending.take() {
            self.committer.commit(group);
        }
        for (id, ticket) in std::mem::take(&mut self.waiting) {
            let outcome = ticket.now().expect("the whole group was resolved");
            self.trace.push(format!("{outcome:?}"));
            if let Ok(position) = outcome {
                let twin = self.acknowledged.insert(position, id);
                assert!(twin.is_none() || self.lies, "two records at {position}");
            }
        }
    }

    fn read(&mut self, records: usize) {
        let mut walk = self.reader.clone();
        let read = self.shared.read(&mut walk, records, usize::MAX);
        self.trace
            .push(format!("{:?}", read.as_ref().map(Vec::len)));
        let Ok(records) = read else { return };
        self.reader = walk;
        for record in records {
            self.check(&record);
            let acknowledged = self.acknowledged.contains_key(&record.position);
            assert!(
                acknowledged || record.position < self.inherited,
                "read before its acknowledgement"
            );
            self.read.push(record.position);
        }
    }

    /// Whatever is read must be what was appended, at the place that was acknowledged.
    fn check(&self, record: &Record) {
        let id = u32::from_le_bytes(record.payload[..4].try_into().unwrap());
        assert_eq!(record.payload, payload(id, self.offered[id as usize]));
        if let Some(acknowledged) = self.acknowledged.get(&record.position) {
            assert!(*acknowledged == id || self.lies);
        }
    }

    fn commit_cursor(&mut self) {
        self.attempted = self.attempted.max(self.reader.position());
        let done = self
            .shared
            .commit("sink", Position::new(self.reader.position()));
        self.trace
            .push(format!("{:?}", done.as_ref().map_err(std::io::Error::kind)));
        if done.is_ok() {
            self.committed = self.committed.max(self.reader.position());
        }
    }

    fn put_state(&mut self, len: usize) {
        let contents = payload(self.trace.len() as u32, len);
        self.state.1.push(contents.clone());
        let put = || {
            self.shared
                .states
                .put(&*self.shared.disk, "plan", &contents)
        };
        if self.shared.reserve.with(put).is_ok() {
            self.state = (Some(contents), vec![]);
        }
    }

    fn reopen(&mut self, disk: SimDisk) {
        self.waiting.clear();
        let placeholder = SimDisk::new(0);
        let (shared, committer) = open(Arc::new(placeholder), options()).unwrap();
        (self.shared, self.committer) = (shared, committer);
        self.reader = reader(&self.shared);
        self.disk = disk;
        let opened = (0..3).find_map(|_| open(Arc::new(self.disk.clone()), options()).ok());
        let opened = opened.unwrap_or_else(|| {
            self.disk.set_faults(Faults::default());
            open(Arc::new(self.disk.clone()), options()).expect("an honest disk opens")
        });
        (self.shared, self.committer) = opened;
        self.disk.set_faults(Faults::default());
        self.reader = reader(&self.shared);
        self.read.clear();
        self.inherited = Position::new(self.shared.end());
        // What an opened journal shows must not change with the next loss of power.
        self.committed = self.committed.max(self.reader.position());
        self.state = (crate::disk::read_all(&self.disk, "state/plan").ok(), vec![]);
        self.disk.set_faults(self.faults);
    }

    /// Heals the disk and returns all records in the log, after checking that the service has resumed.
    fn finish(&mut self) -> Vec<Record> {
        self.faults = Faults::default();
        self.disk.set_faults(self.faults);
        self.disk.set_capacity(u64::MAX);
        self.commit();
        self.append(5).unwrap();
        self.commit();
        let last = self.offered.len() as u32 - 1;
        assert!(self.acknowledged.values().any(|id| *id == last));
        self.reopen(self.disk.crash());
        let mut all = walk(&self.shared, 0);
        let records = self.shared.read(&mut all, usize::MAX, usize::MAX).unwrap();
        assert!(records.is_sorted_by(|a, b| a.end <= b.position));
        for record in &records {
            self.check(record);
        }
        let ids: BTreeSet<_> = records
            .iter()
            .map(|record| record.payload.slice(..4))
            .collect();
        assert_eq!(ids.len(), records.len(), "a record is there twice");
        records
    }

    fn lost(&self, records: &[Record]) -> usize {
        let there: BTreeSet<_> = records.iter().map(|record| record.position).collect();
        self.acknowledged
            .keys()
            .filter(|position| !there.contains(position))
            .count()
    }
}

fn walk(shared: &Arc<Shared>, position: u64) -> Walk {
    let (disk, segments) = (Arc::clone(&shared.disk), Arc::clone(&shared.segments));
    Walk::new(disk, shared.identity, segments, position)
}

fn reader(shared: &Arc<Shared>) -> Walk {
    let position = shared
        .cursors
        .positions()
        .get("sink")
        .map(|position| position.get());
    let position = position.unwrap_or_else(|| {
        let create = || shared.cursors.get_or_create(&*shared.disk, "sink", 0);
        shared.reserve.with(create).unwrap()
    });
    walk(shared, position)
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn every_acknowledged_record_is_read_exactly_once_in_order(seed: u64, faults in faults(), ops in ops()) {
        let mut sim = Sim::new(seed, faults);
        sim.run(&ops);
        let (inherited, attempts) = sim.state.clone();
        let records = sim.finish();
        assert_eq!(sim.lost(&records), 0);
        // Where the sink goes on, it gets all that it has not committed.
        let resumed = sim.reader.position();
        assert!(sim.committed <= resumed && resumed <= sim.attempted, "{} {resumed} {}", sim.committed, sim.attempted);
        let rest: Vec<_> = sim.shared.read(&mut sim.reader, usize::MAX, usize::MAX).unwrap();
        let expected: Vec<_> = records.into_iter().filter(|record| record.position.get() >= resumed).collect();
        assert_eq!(rest, expected);
        // A state file has its last contents, or those of an attempt after it.
        let state = crate::disk::read_all(&sim.disk, "state/plan").ok();
        assert!(state == inherited || state.is_some_and(|state| attempts.contains(&state)));
    }

    #[test]
    fn segments_are_deleted_only_behind_the_cursor(seed: u64, faults in faults(), ops in ops()) {
        let mut sim = Sim::new(seed, faults);
        sim.shared.cursors.remove(&sim.disk, "all").ok();
        sim.run(&ops);
        let committed = sim.committed;
        let records = sim.finish();
        let there: BTreeSet<_> = records.iter().map(|record| record.position).collect();
        let needed = sim.acknowledged.range(Position::new(committed.max(sim.attempted))..);
        for (position, _) in needed {
            assert!(there.contains(position));
        }
    }

    #[test]
    fn flipped_bits_cost_no_more_than_the_records_they_hit(
        seed: u64, faults in faults(), first in ops(), flips in 1usize..5, then in ops(),
    ) {
        let mut sim = Sim::new(seed, faults);
        sim.run(&first);
        for _ in 0..flips {
            sim.disk.flip_bit(".seg");
        }
        sim.run(&then);
        let records = sim.finish();
        prop_assert!(sim.lost(&records) <= flips);
    }

    #[test]
    fn a_disk_that_lies_about_syncs_never_makes_a_record_up(seed: u64, lying_sync in 1u32..10_000, ops in ops()) {
        let mut sim = Sim::new(seed, Faults { lying_sync, ..Faults::default() });
        sim.run(&ops);
        sim.faults = Faults::default();
        sim.disk.set_faults(sim.faults);
        sim.reopen(sim.disk.crash());
        sim.finish();
        // And what comes after the lie is not hidden behind a cursor that was told the truth.
        let rest = sim.shared.read(&mut sim.reader, usize::MAX, usize::MAX).unwrap();
        let last = sim.offered.len() as u32 - 1;
        prop_assert!(rest.last().is_some_and(|record| record.payload[..4] == last.to_le_bytes()));
    }

    #[test]
    fn the_same_seed_gives_the_same_run(seed: u64, faults in faults(), ops in ops()) {
        let traces = [(); 2].map(|()| {
            let mut sim = Sim::new(seed, faults);
            sim.run(&ops);
            sim.trace
        });
        prop_assert_eq!(&traces[0], &traces[1]);
    }

    #[test]
    fn any_bytes_can_be_read_as_a_segment(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(read_segment(&bytes).is_empty());
    }

    #[test]
    fn a_mutated_segment_yields_only_records_that_were_appended(
        seed: u64, lens in prop::collection::vec(0usize..300, 0..20),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut sim = Sim::new(seed, Faults::default());
        for len in lens {
            sim.append(len).unwrap();
        }
        sim.commit();
        let mut bytes = crate::disk::read_all(&sim.disk, "00000000000000000000.seg").unwrap_or_default();
        if !bytes.is_empty() {
            for (at, value) in mutations {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        for record in read_segment(&bytes) {
            sim.check(&record);
            prop_assert!(sim.acknowledged.contains_key(&record.position));
        }
    }
}

#[test]
fn a_failed_fsync_is_never_acknowledged_and_its_segment_never_written_again() {
    let mut sim = Sim::new(1, Faults::default());
    sim.append(10).unwrap();
    sim.commit();
    let end = sim.shared.end();
    sim.disk.set_faults(Faults {
        failed_sync: 10_000,
        ..Faults::default()
    });
    sim.append(10).unwrap();
    sim.commit();
    assert_eq!(sim.acknowledged.len(), 1);
    assert_eq!(sim.shared.end(), end);
    sim.disk.set_faults(Faults::default());
    sim.append(10).unwrap();
    sim.commit();
    assert_eq!(sim.acknowledged.len(), 2);
    let second = *sim.acknowledged.keys().next_back().unwrap();
    assert!(
        second.get() > end + 64,
        "{second} is in the segment that failed"
    );
    sim.read(9);
    assert_eq!(sim.read.len(), 2);
    assert_eq!(
        sim.shared
            .counters
            .damages
            .load(std::sync::atomic::Ordering::Relaxed),
        0
    );
}

#[test]
fn what_a_killed_process_left_in_memory_is_made_durable_before_it_is_read() {
    let mut sim = Sim::new(1, Faults::default());
    sim.disk.set_faults(Faults {
        lying_sync: 10_000,
        ..Faults::default()
    });
    sim.append(2000).unwrap();
    sim.commit();
    sim.disk.set_faults(Faults::default());
    sim.reopen(sim.disk.clone());
    sim.reopen(sim.disk.crash());
    sim.read(9);
    assert_eq!(sim.read.len(), 1);
}

#[test]
fn a_full_disk_refuses_records_but_not_progress_and_resumes_by_itself() {
    let mut sim = Sim::new(1, Faults::default());
    for _ in 0..10 {
        sim.append(500).unwrap();
        sim.commit();
    }
    sim.run(&[Op::Read(99), Op::Fill(10)]);
    let acknowledged = sim.acknowledged.len();
    sim.append(500).unwrap();
    sim.commit();
    assert_eq!(sim.trace.last().unwrap(), "Err(DiskFull)");
    sim.put_state(600);
    assert!(sim.state.0.is_some(), "the reserve makes room");
    // Even a record that would fit is refused now, as it would take the space that progress needs.
    sim.append(1).unwrap();
    sim.commit();
    assert_eq!(sim.acknowledged.len(), acknowledged);
    sim.commit_cursor();
    assert_eq!(sim.committed, sim.reader.position());
    sim.disk.set_capacity(u64::MAX);
    sim.append(1).unwrap();
    sim.commit();
    assert_eq!(sim.acknowledged.len(), acknowledged + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_on_a_failing_disk_lose_nothing_and_wait_for_ever_for_nothing() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let journal = Journal::open_on(Arc::new(disk.clone()), options())
            .await
            .unwrap();
        disk.set_faults(Faults {
            short_write: 500,
            failed_write: 500,
            failed_sync: 1000,
            failed_read: 500,
            lying_sync: 0,
        });
        let writers: Vec<_> = (0..16u32)
            .map(|writer| {
                let journal = journal.clone();
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    for i in 0..50 {
                        let body = payload(writer * 1000 + i, 50);
                        if let Ok(position) = journal.append(&[&body]).await {
                            acknowledged.push((position, body));
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        acknowledged.sort();
        assert!(!acknowledged.is_empty());
        disk.set_faults(Faults::default());
        let mut reader = journal.reader("sink").await.unwrap();
        let mut read = Vec::new();
        while read.len() < acknowledged.len() {
            let batch = reader.next(100, 100_000).await.unwrap();
            read.extend(
                batch
                    .into_iter()
                    .map(|record| (record.position, record.payload.to_vec())),
            );
        }
        assert_eq!(read, acknowledged);
        journal.close().await;
    }
}
