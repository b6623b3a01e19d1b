//! What a reader touches of a file to find the events of one user.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::BooleanArray;
use arrow_array::cast::AsArray;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    RowFilter,
};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::Result;

/// Looks up users with few and with many events, and tells what a reader touches that knows filters and page index.
pub(crate) fn lookups(content: &Bytes) -> Result<()> {
    let mut users = BTreeMap::<String, usize>::new();
    let all = ParquetRecordBatchReaderBuilder::try_new(content.clone())?;
    let mask = ProjectionMask::columns(all.parquet_schema(), ["user_id"]);
    for rows in all.with_projection(mask).build()? {
        for user in rows?["user_id"].as_string::<i32>().iter().flatten() {
            *users.entry(user.to_owned()).or_default() += 1;
        }
    }
    let mut users: Vec<_> = users
        .into_iter()
        .map(|(user, events)| (events, user))
        .collect();
    users.sort();
    println!(
        "| user | events | row groups | filters | footer, index, filters | user_id | three columns | all columns | whole row groups |"
    );
    println!("|{}", "---|".repeat(9));
    let picks = [
        ("rarest", 0),
        ("a tenth", users.len() / 10),
        ("median", users.len() / 2),
        ("nine tenths", users.len() * 9 / 10),
        ("99th", users.len() * 99 / 100),
        ("most", users.len() - 1),
    ];
    for (name, place) in picks {
        // One user says little: the mean over 40 of the same kind.
        let from = place.saturating_sub(20);
        let kind = &users[from..(from + 40).min(users.len())];
        let mut sum = [0.0; 8];
        for (events, user) in kind {
            let found = lookup(content, user)?;
            let share = |bytes: u64| 100.0 * bytes as f64 / content.len() as f64;
            let cells = [
                *events as f64,
                found.holding as f64,
                found.passing as f64,
                share(found.metadata),
                share(found.user_id),
                share(found.three),
                share(found.all),
                share(found.groups),
            ];
            for (sum, cell) in sum.iter_mut().zip(cells) {
                *sum += cell / kind.len() as f64;
            }
        }
        let [
            events,
            holding,
            passing,
            metadata,
            user_id,
            three,
            all,
            groups,
        ] = sum;
        println!(
            "| {name} | {events:.1} | {holding:.1} | {passing:.1} | {metadata:.2}% | {user_id:.2}% | {three:.2}% | {all:.2}% | {groups:.1}% |"
        );
    }
    // One user that is not there.
    let found = lookup(content, "anon:00000000-0000-4000-8000-000000000000")?;
    println!(
        "absent: passes {} filters; {} of {} bytes",
        found.passing,
        found.metadata,
        content.len()
    );
    Ok(())
}

struct Lookup {
    /// Row groups that hold the user, and whose filter passes.
    holding: usize,
    passing: usize,
    /// Bytes read: footer, page index and filters; further for the user's rows by their ids, of three columns, of all.
    metadata: u64,
    user_id: u64,
    three: u64,
    all: u64,
    /// All columns of the row groups that pass, for a reader without page index.
    groups: u64,
}

fn lookup(content: &Bytes, user: &str) -> Result<Lookup> {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        content: content.clone(),
        read: Arc::clone(&read),
    };
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&counted, options)?;
    let (passing, filters) = passing(metadata.metadata(), content, user)?;
    let fixed = read.swap(0, Ordering::Relaxed) + filters;
    let groups = passing
        .iter()
        .map(|group| metadata.metadata().row_group(*group).compressed_size() as u64);
    let groups = fixed + groups.sum::<u64>();

    let schema = metadata.metadata().file_metadata().schema_descr_ptr();
    let mut holding = 0;
    let mut query = |columns: Option<&[&str]>| -> Result<u64> {
        let projection = match columns {
            Some(columns) => ProjectionMask::columns(&schema, columns.iter().copied()),
            None => ProjectionMask::all(),
        };
        holding = 0;
        for group in &passing {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
                counted.clone(),
                metadata.clone(),
            );
            let wanted = user.to_owned();
            let predicate =
                ArrowPredicateFn::new(ProjectionMask::columns(&schema, ["user_id"]), move |rows| {
                    let users = rows.column(0).as_string::<i32>().iter();
                    Ok(users
                        .map(|user| Some(user == Some(wanted.as_str())))
                        .collect::<BooleanArray>())
                });
            let filter = RowFilter::new(vec![Box::new(predicate)]);
            let reader = builder
                .with_projection(projection.clone())
                .with_row_groups(vec![*group])
                .with_row_filter(filter)
                .build()?;
            let mut rows = 0;
            for found in reader {
                rows += found?.num_rows();
            }
            holding += usize::from(rows > 0);
        }
        Ok(fixed + read.swap(0, Ordering::Relaxed))
    };
    let user_id = query(Some(&["user_id"]))?;
    let three = query(Some(&["event_type", "occurred_at", "experience_name"]))?;
    let all = query(None)?;
    Ok(Lookup {
        holding,
        passing: passing.len(),
        metadata: fixed,
        user_id,
        three,
        all,
        groups,
    })
}

/// The row groups whose filter passes, and the size of all filters.
fn passing(metadata: &ParquetMetaData, content: &Bytes, user: &str) -> Result<(Vec<usize>, u64)> {
    let (mut passing, mut size) = (Vec::new(), 0);
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let column = group
            .columns()
            .iter()
            .find(|column| column.column_path().string() == "user_id");
        let column = column.ok_or("no column user_id")?;
        size += column.bloom_filter_length().unwrap_or_default() as u64;
        let filter = Sbbf::read_from_column_chunk(column, content)?;
        if filter.is_none_or(|filter| filter.check(&user)) {
            passing.push(number);
        }
    }
    Ok((passing, size))
}

/// A file that counts what is read of it.
#[derive(Clone)]
struct Counted {
    content: Bytes,
    read: Arc<AtomicU64>,
}

struct CountedRead {
    rest: Bytes,
    read: Arc<AtomicU64>,
}

impl std::io::Read for CountedRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Length for Counted {
    fn len(&self) -> u64 {
        self.content.len() as u64
    }
}

impl ChunkReader for Counted {
    type T = CountedRead;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let rest = self.content.slice(start as usize..);
        Ok(CountedRead {
            rest,
            read: Arc::clone(&self.read),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(self.content.slice(start as usize..start as usize + length))
    }
}
