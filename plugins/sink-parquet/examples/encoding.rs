//! Measures how the writer properties of `src/file.rs` encode realistic events, against other properties.
//!
//! ```text
//! cargo run --release -p landfall-sink-parquet --example encoding -- [events=500000] [secs=3600] [users=20000] [seed=1]
//!     [repeat=3] [traffic=samples|varied] [style=compact|pretty] [only=<part of a variant's name>] [lookups=each] [out=<directory for the files>]
//! ```
//!
//! Times are CPU of one thread, the best of `repeat` runs, from Linux' scheduler. Sizes depend on nothing but the seed.

// What is measured as "shipped" is the sink's own writer, not a copy of its settings.
#[path = "../src/file.rs"]
#[expect(dead_code, reason = "the sink needs more of it")]
mod file;
#[path = "encoding/lookup.rs"]
mod lookup;
#[path = "encoding/traffic.rs"]
mod traffic;

mod batch {
    pub(crate) const ROWS_PER_GROUP: usize = 32 * 1024;
}

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufWriter, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use bytes::Bytes;
use landfall_appcues::AppcuesEvent;
use landfall_core::Timestamp;
use landfall_table::{EventsBuilder, schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;

use batch::ROWS_PER_GROUP;
use lookup::lookups;
use traffic::{Arrival, traffic};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let options = Options::from_args()?;
    let events = traffic(&options);
    let bytes: usize = events.iter().map(|event| event.body.len()).sum();
    println!(
        "{} events over {} s from {} users, {:.0} bytes a body ({})",
        events.len(),
        options.secs,
        options.users,
        per(bytes, events.len()),
        if options.pretty { "pretty" } else { "compact" },
    );
    println!(
        "as JSON lines, gzip takes {:.1} bytes an event",
        per(gzipped(&events)?, events.len())
    );

    let groups = stages(&events, &options)?;
    println!("\nCPU in us, memory of the writer in MiB, bytes an event:\n");
    println!("| variant | write | memory | file | payload | rest | filters | index | footer |");
    println!("|{}", "---|".repeat(9));
    let chosen = |variant: &Variant| variant.name.contains(&options.only);
    for variant in variants().into_iter().filter(chosen) {
        let rows = match variant.order {
            Order::Occurred if variant.rows == ROWS_PER_GROUP => &groups,
            Order::Occurred => &grouped(&events, variant.rows)?,
            Order::Arrived => &ordered(&groups, |row| row.time("received_at"))?,
            Order::User => &ordered(&groups, |row| {
                (row.text("user_id"), row.time("occurred_at"))
            })?,
            Order::Experience => &ordered(&groups, |row| {
                let experience = row.text("experience_id");
                (row.text("event_type"), experience, row.time("occurred_at"))
            })?,
        };
        let mut best = f64::MAX;
        let (mut content, mut memory) = (Bytes::new(), 0);
        for _ in 0..options.repeat {
            let (written, cpu) = timed(|| variant.write(rows))?;
            best = best.min(cpu);
            let same = content.is_empty() || content == written.0;
            assert!(same, "the same events gave other bytes");
            (content, memory) = written;
        }
        println!(
            "| {} | {:.2} | {:.1} | {} |",
            variant.name,
            best * 1e6 / events.len() as f64,
            memory as f64 / 1024.0 / 1024.0,
            Sizes::of(&content)?.row(events.len()),
        );
        if let Some(directory) = &options.out {
            std::fs::create_dir_all(directory)?;
            let name = variant
                .name
                .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            std::fs::write(format!("{directory}/{name}.parquet"), &content)?;
        }
        if options.lookups {
            lookups(&content)?;
        }
    }

    if !options.only.is_empty() {
        return Ok(());
    }
    let shipped = as_the_sink(&groups)?;
    println!("\nColumns of the file as shipped, bytes an event:\n");
    for (column, size) in Sizes::of(&shipped)?.largest(20) {
        println!("{:>8.2}  {column}", per(size, events.len()));
    }

    println!("\nFiles of fewer events, as shipped:\n");
    println!("| events | file | payload | rest | filters | index | footer |");
    println!("|{}", "---|".repeat(7));
    for rows in [1_000, 10_000, 32_768, 100_000] {
        let part = events.get(..rows).unwrap_or(&events);
        let content = as_the_sink(&grouped(part, ROWS_PER_GROUP)?)?;
        println!("| {rows} | {} |", Sizes::of(&content)?.row(part.len()));
    }

    println!("\nLookups of one user in the file as shipped:\n");
    lookups(&shipped)?;
    Ok(())
}

struct Options {
    events: usize,
    secs: u64,
    users: usize,
    seed: u64,
    repeat: usize,
    varied: bool,
    pretty: bool,
    only: String,
    lookups: bool,
    out: Option<String>,
}

impl Options {
    fn from_args() -> Result<Self> {
        let mut options = Self {
            events: 500_000,
            secs: 3600,
            users: 20_000,
            seed: 1,
            repeat: 3,
            varied: false,
            pretty: false,
            only: String::new(),
            lookups: false,
            out: None,
        };
        for argument in std::env::args().skip(1) {
            match argument.split_once('=') {
                Some(("events", value)) => options.events = value.parse()?,
                Some(("secs", value)) => options.secs = value.parse()?,
                Some(("users", value)) => options.users = value.parse()?,
                Some(("seed", value)) => options.seed = value.parse()?,
                Some(("repeat", value)) => options.repeat = value.parse()?,
                Some(("traffic", value)) => options.varied = value == "varied",
                Some(("style", value)) => options.pretty = value == "pretty",
                Some(("only", value)) => options.only = value.to_owned(),
                Some(("lookups", value)) => options.lookups = value == "each",
                Some(("out", value)) => options.out = Some(value.to_owned()),
                _ => return Err(format!("no such option: {argument}").into()),
            }
        }
        Ok(options)
    }
}

/// Times each stage by itself, and gives the sorted row groups.
fn stages(events: &[Arrival], options: &Options) -> Result<Vec<RecordBatch>> {
    let mut best = [f64::MAX; 3];
    let mut groups = Vec::new();
    let mut memory = 0;
    for _ in 0..options.repeat {
        groups.clear();
        let mut total = [0.0; 3];
        for group in events.chunks(ROWS_PER_GROUP) {
            let (parsed, parse) = timed(|| {
                let events = group.iter().map(|event| AppcuesEvent::parse(&event.body));
                Ok(events.collect::<Result<Vec<_>, _>>()?)
            })?;
            let (mut builder, append) = timed(|| {
                let mut builder = EventsBuilder::new();
                for (event, arrival) in parsed.iter().zip(group) {
                    builder.append(event, Timestamp::from_millis(arrival.received_at));
                }
                Ok(builder)
            })?;
            let (rows, finish) = timed(|| Ok(builder.finish()))?;
            memory = memory.max(rows.get_array_memory_size());
            groups.push(rows);
            for (sum, cpu) in total.iter_mut().zip([parse, append, finish]) {
                *sum += cpu;
            }
        }
        for (best, total) in best.iter_mut().zip(total) {
            *best = best.min(total);
        }
    }
    let [parse, append, finish] = best.map(|seconds| seconds * 1e6 / events.len() as f64);
    println!(
        "CPU in us an event: parse {parse:.2}, append {append:.2}, sort and finish {finish:.2}"
    );
    println!(
        "a row group in Arrow: {:.1} MiB",
        memory as f64 / 1024.0 / 1024.0
    );

    let mut types = BTreeMap::<String, usize>::new();
    for rows in &groups {
        for name in rows["event_type"].as_string::<i32>().iter().flatten() {
            *types.entry(name.to_owned()).or_default() += 1;
        }
    }
    let shares = types
        .iter()
        .map(|(name, count)| format!("{name} {:.1}%", per(100 * count, events.len())));
    let shares: Vec<_> = shares.collect();
    println!("{}", shares.join(", "));
    Ok(groups)
}

fn grouped(events: &[Arrival], rows: usize) -> Result<Vec<RecordBatch>> {
    let group = |group: &[Arrival]| -> Result<RecordBatch> {
        let mut builder = EventsBuilder::new();
        for event in group {
            let parsed = AppcuesEvent::parse(&event.body)?;
            builder.append(&parsed, Timestamp::from_millis(event.received_at));
        }
        Ok(builder.finish())
    };
    events.chunks(rows).map(group).collect()
}

/// A row of a group, to be compared.
struct Row<'a> {
    rows: &'a RecordBatch,
    number: usize,
}

impl Row<'_> {
    fn time(&self, column: &str) -> i64 {
        let times = self.rows[column].as_primitive::<TimestampMillisecondType>();
        times.value(self.number)
    }

    fn text(&self, column: &str) -> String {
        let texts = self.rows[column].as_string::<i32>();
        texts.value(self.number).to_owned()
    }
}

/// The same groups, the rows of each by `key`. They go by a file, row by row, as nothing else here can take rows.
fn ordered<K: Ord>(groups: &[RecordBatch], key: impl Fn(Row<'_>) -> K) -> Result<Vec<RecordBatch>> {
    let order = |rows: &RecordBatch| -> Result<RecordBatch> {
        let mut order: Vec<usize> = (0..rows.num_rows()).collect();
        order.sort_by_cached_key(|&number| key(Row { rows, number }));
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None)?;
        for number in order {
            writer.write(&rows.slice(number, 1))?;
        }
        let content = Bytes::from(writer.into_inner()?);
        let reader = ParquetRecordBatchReaderBuilder::try_new(content)?;
        let mut reader = reader.with_batch_size(rows.num_rows()).build()?;
        Ok(reader.next().ok_or("no rows")??)
    };
    groups.iter().map(order).collect()
}

/// What `gzip` makes of the bodies as lines.
fn gzipped(events: &[Arrival]) -> Result<usize> {
    let mut gzip = Command::new("gzip")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = BufWriter::new(gzip.stdin.take().ok_or("no way into gzip")?);
    let output = std::thread::spawn(move || gzip.wait_with_output());
    for event in events {
        input.write_all(&event.body)?;
        input.write_all(b"\n")?;
    }
    drop(input);
    let output = output.join().map_err(|_| "gzip's reader has failed")??;
    Ok(output.stdout.len())
}

/// CPU seconds of this thread for `work`.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let now = || -> Result<u64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
        Ok(text.split(' ').next().unwrap_or_default().parse()?)
    };
    let start = now()?;
    let done = work()?;
    Ok((done, (now()? - start) as f64 / 1e9))
}

fn per(bytes: usize, events: usize) -> f64 {
    bytes as f64 / events.max(1) as f64
}

/// How the rows of a row group are ordered.
#[derive(Clone, Copy)]
enum Order {
    Occurred,
    Arrived,
    User,
    Experience,
}

struct Variant {
    name: String,
    rows: usize,
    order: Order,
    properties: WriterProperties,
}

impl Variant {
    /// The file, and the most memory that its writer took.
    fn write(&self, groups: &[RecordBatch]) -> Result<(Bytes, usize)> {
        let properties = Some(self.properties.clone());
        let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(schema()), properties)?;
        let mut memory = 0;
        for rows in groups {
            writer.write(rows)?;
            memory = memory.max(writer.memory_size());
            writer.flush()?;
        }
        Ok((writer.into_inner()?.into(), memory))
    }
}

fn as_the_sink(groups: &[RecordBatch]) -> Result<Bytes> {
    let mut file = file::File::create(Arc::clone(schema()), Vec::new())?;
    for rows in groups {
        file.write_row_group(rows.clone())?;
    }
    Ok(file.finish(&[])?.into())
}

/// One change each from what the sink does, and a few together.
fn variants() -> Vec<Variant> {
    type Change<'a> = &'a dyn Fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder;
    const TIMES: [&str; 3] = ["occurred_at", "ingested_at", "received_at"];
    const MIB: usize = 1024 * 1024;

    let mut variants = Vec::new();
    let mut add = |name: &str, order: Order, rows: usize, change: Change<'_>| {
        variants.push(Variant {
            name: name.to_owned(),
            rows,
            order,
            properties: change(file::properties().into_builder()).build(),
        });
    };
    let zstd = |level| Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default());
    let levels = |p: WriterPropertiesBuilder, rest, payload| {
        p.set_compression(zstd(rest))
            .set_column_compression(path("payload"), zstd(payload))
    };
    let pages =
        |p: WriterPropertiesBuilder, size| p.set_column_data_page_size_limit(path("payload"), size);
    let encoding = |p: WriterPropertiesBuilder, column, encoding| {
        p.set_column_dictionary_enabled(path(column), false)
            .set_column_encoding(path(column), encoding)
    };

    add("as shipped", Order::Occurred, ROWS_PER_GROUP, &|p| p);
    for (name, order) in [
        ("order of arrival", Order::Arrived),
        ("order of user_id, occurred_at", Order::User),
        (
            "order of event_type, experience_id, occurred_at",
            Order::Experience,
        ),
    ] {
        add(name, order, ROWS_PER_GROUP, &|p| p);
        let name = format!("{name}; payload zstd 1, 1 MiB");
        add(&name, order, ROWS_PER_GROUP, &|p| {
            pages(levels(p, 1, 1), MIB)
        });
    }

    let mut add = |name: &str, change: Change<'_>| {
        add(name, Order::Occurred, ROWS_PER_GROUP, change);
    };
    for (rest, payload) in [(1, 1), (1, 2), (1, 6), (1, 9), (3, 3), (6, 6)] {
        add(&format!("zstd {rest}, payload {payload}"), &|p| {
            levels(p, rest, payload)
        });
    }
    for level in [1, 2, 3, 4, 5, 6] {
        for mib in [1, 2, 4, 8, 64] {
            let name = format!("payload zstd {level}, page {mib} MiB");
            add(&name, &|p| pages(levels(p, 1, level), mib * MIB));
        }
    }
    add("payload page 64 KiB", &|p| {
        pages(p.set_write_batch_size(64), 64 * 1024)
    });
    for column in ["event_id", "user_id", "session_id", "url", "payload"] {
        for on in [true, false] {
            let name = format!("dictionary {column} {on}");
            add(&name, &|p| {
                p.set_column_dictionary_enabled(path(column), on)
            });
        }
    }
    for column in ["experience_version", "step_number"] {
        let kind = Encoding::DELTA_BINARY_PACKED;
        add(&format!("{column} {kind}"), &|p| encoding(p, column, kind));
    }
    for column in TIMES {
        for kind in [Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT] {
            add(&format!("{column} {kind}"), &|p| encoding(p, column, kind));
        }
    }
    for column in ["event_id", "user_id", "session_id", "url", "payload"] {
        for kind in [
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
            Encoding::DELTA_BYTE_ARRAY,
        ] {
            add(&format!("{column} {kind}"), &|p| encoding(p, column, kind));
        }
    }
    add("times plain", &|p| {
        TIMES
            .iter()
            .fold(p, |p, column| encoding(p, column, Encoding::PLAIN))
    });
    for kib in [64, 256, 1024] {
        add(&format!("pages of the rest {kib} KiB"), &|p| {
            p.set_data_page_size_limit(kib * 1024)
        });
    }
    for rows in [2_000, 5_000, 10_000, 40_000] {
        add(&format!("pages of {rows} rows"), &|p| {
            p.set_data_page_row_count_limit(rows)
        });
    }
    for level in [EnabledStatistics::None, EnabledStatistics::Chunk] {
        add(&format!("statistics {level:?}"), &|p| {
            p.set_statistics_enabled(level)
        });
    }
    add("statistics also in page headers", &|p| {
        p.set_write_page_header_statistics(true)
    });
    for column in ["event_id", "user_id"] {
        for fpp in [0.05, 0.01, 0.001] {
            add(&format!("filter of {column} {fpp}"), &|p| {
                p.set_column_bloom_filter_fpp(path(column), fpp)
                    .set_column_bloom_filter_ndv(path(column), ROWS_PER_GROUP as u64)
            });
        }
        add(&format!("no filter of {column}"), &|p| {
            p.set_column_bloom_filter_enabled(path(column), false)
        });
    }
    add("data page v2", &|p| {
        p.set_writer_version(WriterVersion::PARQUET_2_0)
    });
    for rows in [8, 16, 64, 128, 256].map(|thousands| thousands * 1024) {
        variants.push(Variant {
            name: format!("row groups of {rows}"),
            rows,
            order: Order::Occurred,
            properties: file::properties()
                .into_builder()
                .set_column_bloom_filter_ndv(path("event_id"), rows as u64)
                .set_column_bloom_filter_ndv(path("user_id"), rows as u64)
                .build(),
        });
    }
    variants
}

fn path(column: &str) -> ColumnPath {
    ColumnPath::from(column)
}

/// What the bytes of a file are for.
struct Sizes {
    columns: BTreeMap<String, usize>,
    filters: usize,
    index: usize,
    footer: usize,
    all: usize,
}

impl Sizes {
    fn of(content: &Bytes) -> Result<Self> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(content)?;
        let mut sizes = Self {
            columns: BTreeMap::new(),
            filters: 0,
            index: 0,
            footer: 0,
            all: content.len(),
        };
        for column in metadata
            .row_groups()
            .iter()
            .flat_map(RowGroupMetaData::columns)
        {
            *sizes
                .columns
                .entry(column.column_path().string())
                .or_default() += column.compressed_size() as usize;
            sizes.filters += column.bloom_filter_length().unwrap_or_default() as usize;
            sizes.index += column.column_index_length().unwrap_or_default() as usize;
            sizes.index += column.offset_index_length().unwrap_or_default() as usize;
        }
        sizes.footer =
            sizes.all - sizes.columns.values().sum::<usize>() - sizes.filters - sizes.index;
        Ok(sizes)
    }

    fn row(&self, events: usize) -> String {
        let payload = self.columns.get("payload").copied().unwrap_or_default();
        let cells = [
            self.all,
            payload,
            self.all - payload,
            self.filters,
            self.index,
            self.footer,
        ];
        cells
            .map(|bytes| format!("{:.2}", per(bytes, events)))
            .join(" | ")
    }

    fn largest(&self, count: usize) -> Vec<(&str, usize)> {
        let mut columns: Vec<_> = self
            .columns
            .iter()
            .map(|(name, size)| (name.as_str(), *size))
            .collect();
        columns.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        columns.truncate(count);
        columns
    }
}
