use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use landfall_journal::Journal;
use tokio::sync::{mpsc, oneshot};

/// A store under measurement. Handles are cheap to clone.
pub trait Store: Clone + Send + Sync + 'static {
    const NAME: &'static str;
    /// Returns when the record is durable.
    fn append(&self, body: Vec<u8>) -> impl Future<Output = ()> + Send;
    /// Reads everything in order: records and bytes.
    fn read(&self) -> impl Future<Output = (usize, usize)>;
    fn fsyncs(&self) -> u64;
}

impl Store for Journal {
    const NAME: &'static str = "journal";

    async fn append(&self, body: Vec<u8>) {
        Journal::append(self, &[&body]).await.unwrap();
    }

    async fn read(&self) -> (usize, usize) {
        let mut reader = self.reader("compare").await.unwrap();
        let (mut records, mut bytes) = (0, 0);
        loop {
            let batch = reader.try_next(10_000, 8 << 20).await.unwrap();
            if batch.is_empty() {
                return (records, bytes);
            }
            records += batch.len();
            bytes += batch
                .iter()
                .map(|record| record.payload.len())
                .sum::<usize>();
        }
    }

    fn fsyncs(&self) -> u64 {
        self.stats().fsyncs
    }
}

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// What a group commit over another store takes: one thread that drains a bounded queue into one durable batch.
#[derive(Clone)]
struct Groups {
    queue: mpsc::Sender<Waiting>,
    fsyncs: Arc<AtomicU64>,
}

impl Groups {
    fn new(mut write: impl FnMut(u64, &[Waiting]) + Send + 'static) -> Self {
        let (queue, mut receiver) = mpsc::channel(4096);
        let fsyncs = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&fsyncs);
        thread::spawn(move || {
            let (mut key, mut group) = (0, Vec::new());
            while receiver.blocking_recv_many(&mut group, 4096) > 0 {
                write(key, &group);
                key += group.len() as u64;
                counter.fetch_add(1, Relaxed);
                for (_, done) in group.drain(..) {
                    let _ = done.send(());
                }
            }
        });
        Self { queue, fsyncs }
    }

    async fn append(&self, body: Vec<u8>) {
        let (done, durable) = oneshot::channel();
        self.queue.send((body, done)).await.unwrap();
        durable.await.unwrap();
    }
}

#[derive(Clone)]
pub struct Fjall {
    groups: Groups,
    keyspace: fjall::Keyspace,
}

impl Fjall {
    pub fn open(dir: &Path) -> Self {
        let database = fjall::Database::builder(dir).open().unwrap();
        let keyspace = database
            .keyspace("log", fjall::KeyspaceCreateOptions::default)
            .unwrap();
        let log = keyspace.clone();
        let groups = Groups::new(move |first, group| {
            let mut batch = database
                .batch()
                .durability(Some(fjall::PersistMode::SyncData));
            for (key, (body, _)) in (first..).zip(group) {
                batch.insert(&log, key.to_be_bytes(), body.as_slice());
            }
            batch.commit().unwrap();
        });
        Self { groups, keyspace }
    }
}

impl Store for Fjall {
    const NAME: &'static str = "fjall";

    async fn append(&self, body: Vec<u8>) {
        self.groups.append(body).await;
    }

    async fn read(&self) -> (usize, usize) {
        let lens = self
            .keyspace
            .iter()
            .map(|entry| entry.value().unwrap().len());
        lens.fold((0, 0), |(records, bytes), len| (records + 1, bytes + len))
    }

    fn fsyncs(&self) -> u64 {
        self.groups.fsyncs.load(Relaxed)
    }
}

const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("log");

#[derive(Clone)]
pub struct Redb {
    groups: Groups,
    database: Arc<redb::Database>,
}

impl Redb {
    pub fn open(dir: &Path) -> Self {
        let database = Arc::new(redb::Database::create(dir.join("log.redb")).unwrap());
        let log = Arc::clone(&database);
        let groups = Groups::new(move |first, group| {
            let transaction = log.begin_write().unwrap();
            {
                let mut table = transaction.open_table(TABLE).unwrap();
                for (key, (body, _)) in (first..).zip(group) {
                    table.insert(key, body.as_slice()).unwrap();
                }
            }
            transaction.commit().unwrap();
        });
        Self { groups, database }
    }
}

impl Store for Redb {
    const NAME: &'static str = "redb";

    async fn append(&self, body: Vec<u8>) {
        self.groups.append(body).await;
    }

    async fn read(&self) -> (usize, usize) {
        use redb::{ReadableDatabase, ReadableTable};
        let transaction = self.database.begin_read().unwrap();
        let table = transaction.open_table(TABLE).unwrap();
        let lens = table
            .iter()
            .unwrap()
            .map(|entry| entry.unwrap().1.value().len());
        lens.fold((0, 0), |(records, bytes), len| (records + 1, bytes + len))
    }

    fn fsyncs(&self) -> u64 {
        self.groups.fsyncs.load(Relaxed)
    }
}
