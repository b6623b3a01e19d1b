//! Measures how the writer properties of `src/file.rs` encode realistic events, against other properties.
//!
//! ```text
//! cargo run --release -p landfall-sink-parquet --example encoding -- [events=500000] [secs=3600] [users=20000] [seed=1]
//!     [repeat=3] [style=compact|pretty] [only=<part of a variant's name>] [out=<directory for the files>]
//! ```
//!
//! Times are CPU of one thread, the best of `repeat` runs, from Linux' scheduler. Sizes depend on nothing but the seed.

// What is measured as "shipped" is the sink's own writer, not a copy of its settings.
#[path = "../src/file.rs"]
mod file;

mod batch {
    pub(crate) const ROWS_PER_GROUP: usize = 32 * 1024;
}

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use bytes::Bytes;
use landfall_appcues::AppcuesEvent;
use landfall_core::Timestamp;
use landfall_table::EventsBuilder;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    RowFilter,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnPath;
use serde_json::{Value, json};

use batch::ROWS_PER_GROUP;

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

    let groups = stages(&events, &options)?;
    let mut shipped = Bytes::new();
    println!("\nCPU in us, memory of the writer in MiB, bytes an event:\n");
    println!(
        "| {:52} |   write | memory | file | payload | rest | filters | index | footer |",
        "variant"
    );
    println!("|{}", "---|".repeat(9));
    for variant in variants() {
        let measured = variant.name == SHIPPED;
        if !measured && !variant.name.contains(&options.only) {
            continue;
        }
        let rows = match variant.order {
            Order::Occurred if variant.rows == ROWS_PER_GROUP => &groups,
            Order::Occurred => &grouped(&events, variant.rows)?,
            Order::Arrived => &in_order(&groups, |rows, row| value(rows, "received_at", row)),
            Order::User => &in_order(&groups, |rows, row| {
                let user = rows["user_id"].as_string::<i32>().value(row).to_owned();
                (user, value(rows, "occurred_at", row))
            }),
        };
        let mut best = f64::MAX;
        let (mut content, mut memory) = (Bytes::new(), 0);
        for _ in 0..options.repeat {
            let ((written, peak), cpu) = timed(|| variant.write(rows))?;
            best = best.min(cpu);
            assert!(content.is_empty() || content == written, "same events, same bytes");
            (content, memory) = (written, peak);
        }
        let sizes = Sizes::of(&content)?;
        println!(
            "| {:52} | {:>7} | {:>6.1} | {} |",
            variant.name,
            // Rows that are not in the builder's order are written one by one, which takes a time of its own.
            match variant.order {
                Order::Occurred => format!("{:.2}", best * 1e6 / events.len() as f64),
                _ => "-".to_owned(),
            },
            memory as f64 / 1024.0 / 1024.0,
            sizes.row(events.len()),
        );
        if let Some(directory) = &options.out {
            std::fs::create_dir_all(directory)?;
            let name = variant.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            std::fs::write(format!("{directory}/{name}.parquet"), &content)?;
        }
        if measured {
            shipped = content;
        } else if !options.only.is_empty() {
            lookups(&content)?;
        }
    }

    println!("\nColumns of the file as shipped, bytes an event:\n");
    for (column, size) in Sizes::of(&shipped)?.largest(20) {
        println!("{:>8.2}  {column}", per(size, events.len()));
    }

    println!("\nFiles of fewer events, as shipped:\n");
    println!("| events | file | payload | rest | filters | index | footer |");
    println!("|{}", "---|".repeat(7));
    for rows in [1_000, 10_000, 32_768, 100_000] {
        let part = events.get(..rows).unwrap_or(&events);
        let (content, _) = variants().swap_remove(0).write(&grouped(part, ROWS_PER_GROUP)?)?;
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
    pretty: bool,
    only: String,
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
            pretty: false,
            only: String::new(),
            out: None,
        };
        for argument in std::env::args().skip(1) {
            match argument.split_once('=') {
                Some(("events", value)) => options.events = value.parse()?,
                Some(("secs", value)) => options.secs = value.parse()?,
                Some(("users", value)) => options.users = value.parse()?,
                Some(("seed", value)) => options.seed = value.parse()?,
                Some(("repeat", value)) => options.repeat = value.parse()?,
                Some(("style", value)) => options.pretty = value == "pretty",
                Some(("only", value)) => options.only = value.to_owned(),
                Some(("out", value)) => options.out = Some(value.to_owned()),
                _ => return Err(format!("no such option: {argument}").into()),
            }
        }
        Ok(options)
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Traffic

/// A body as Appcues would send it, and when Landfall got it.
struct Arrival {
    received_at: i64,
    body: Vec<u8>,
}

/// Small and the same everywhere: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low) as u64) as i64
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Small numbers far more often than large ones, as with people and pages.
    fn skewed(&mut self, limit: usize) -> usize {
        ((self.fraction().powi(2)) * limit as f64) as usize
    }

    /// A delay in milliseconds with a long tail.
    fn delay(&mut self, least: i64, mean: f64, most: i64) -> i64 {
        (least + (-(1.0 - self.fraction()).ln() * mean) as i64).min(most)
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xFFFF,
            a & 0xFFF,
            b >> 48 & 0x3FFF | 0x8000,
            b & 0xFFFF_FFFF_FFFF,
        )
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn words(&mut self, least: usize, most: usize) -> String {
        let count = least + self.below(most - least + 1);
        let words: Vec<_> = (0..count).map(|_| *self.pick(WORDS)).collect();
        words.join(" ")
    }
}

const WORDS: &[&str] = &[
    "the", "new", "report", "is", "great", "but", "I", "could", "not", "find", "export", "button", "please", "add",
    "dark", "mode", "love", "it", "too", "slow", "when", "loading", "dashboard", "team", "invite", "billing", "works",
    "well", "for", "us", "confusing", "menu", "after", "update", "thanks", "support", "helped", "quickly", "would",
    "like", "more", "integrations", "with", "our", "tools", "search", "never", "finds", "what", "need", "nice", "and",
    "easy", "to", "use", "price", "high", "small", "companies", "calendar", "mobile", "app", "crashes", "sometimes",
];

/// A flow, checklist, pin or mobile flow.
struct Experience {
    id: String,
    name: String,
    versions: Vec<i64>,
    steps: Vec<Step>,
    /// Where it shows.
    url: usize,
}

struct Step {
    id: String,
    child_id: String,
    name: String,
    kind: &'static str,
    button: &'static str,
    destination: String,
    question: String,
    options: Vec<String>,
}

/// When the events begin: 2026-11-23T08:00Z.
const START: i64 = 1_795_420_800_000;

fn experience(random: &mut Random, steps: usize) -> Experience {
    let versions = 1 + random.below(3);
    Experience {
        id: random.uuid(),
        name: random.words(2, 5),
        versions: (0..versions)
            .map(|_| START - random.between(86_400_000, 40_000_000_000))
            .collect(),
        steps: (0..steps)
            .map(|_| Step {
                id: random.uuid(),
                child_id: random.uuid(),
                name: random.words(1, 3),
                kind: random.pick(&["modal", "modal", "tooltip", "slideout", "hotspot"]),
                button: random.pick(&["Next", "Got it", "Start", "Show me", "Skip", "Done", "Learn more"]),
                destination: match random.below(4) {
                    0 => format!("https://app.example.com/{}", random.pick(WORDS)),
                    1 => "end-flow".to_owned(),
                    _ => "next-step".to_owned(),
                },
                question: random.words(4, 9) + "?",
                options: (0..5).map(|_| random.words(1, 3)).collect(),
            })
            .collect(),
        url: random.below(400),
    }
}

/// Sessions of users who begin at any time and do a few things each, cut to the window and put in the order of arrival.
fn traffic(options: &Options) -> Vec<Arrival> {
    let random = &mut Random(options.seed);
    let users: Vec<(String, Option<String>)> = (0..options.users)
        .map(|n| match random.below(20) {
            0 => (format!("user-{}", 10_000 + n), Some(format!("company-{}", n % 300))),
            1 => (format!("{:024x}", random.next()), None),
            2 => (format!("g{:x}", random.next() >> 40), Some(format!("company-{}", n % 300))),
            _ => (format!("anon:{}", random.uuid()), None),
        })
        .collect();
    let pages: Vec<String> = (0..400)
        .map(|_| {
            let depth = 1 + random.below(3);
            let path: Vec<_> = (0..depth).map(|_| *random.pick(WORDS)).collect();
            format!("https://app.example.com/{}/{}", path.join("/"), random.below(1000))
        })
        .collect();
    let mut make = |count: usize, least: usize, more: usize| -> Vec<Experience> {
        let steps: Vec<usize> = (0..count).map(|_| least + random.below(more)).collect();
        steps.into_iter().map(|steps| experience(random, steps)).collect()
    };
    let flows = make(250, 1, 5);
    let checklists = make(40, 4, 5);
    let pins = make(60, 1, 1);
    let mobile = make(30, 2, 4);
    let surveys = make(5, 1, 1);

    let window = options.secs as i64 * 1000;
    let mut events: Vec<(i64, i64, Value)> = Vec::with_capacity(options.events * 11 / 10);
    // A session lasts up to half an hour, so those that began before the window reach into it, as others reach out of it.
    let lead = 30 * 60 * 1000;
    let target = options.events;
    while events.len() < target {
        let (user, group) = &users[random.skewed(users.len())];
        let start = START + random.between(-lead, window);
        let mut now = start;
        let is_mobile = random.percent(4);
        let mut push = |random: &mut Random, now: i64, name: &str, attributes: Value, url: Option<String>| {
            if !(START..START + window).contains(&now) {
                return;
            }
            // One in 200 waited on a device that was offline.
            let held = if random.below(200) == 0 { random.between(0, 600_000) } else { 0 };
            let occurred = now - held;
            let ingested = now + random.delay(90, 250.0, 8_000);
            let received = ingested + random.delay(40, 60.0, 3_000);
            let mut event = json!({
                "account_id": "94742",
                "attributes": attributes,
                "group_id": group,
                "id": random.uuid(),
                "ingested_at": ingested,
                "name": name,
                "timestamp": occurred,
                "user_id": user,
            });
            if let Some(url) = url {
                event["context"] = json!({ "url": url });
                if random.percent(30) {
                    event["source"] = Value::Null;
                }
            }
            events.push((received, occurred, event));
        };
        let query = match random.below(100) {
            0..6 => format!("?id={}", random.below(100_000)),
            6..16 => format!("?tab={}", random.pick(&["all", "open", "settings", "team"])),
            _ => String::new(),
        };
        let page = |url: usize| Some(format!("{}{query}", pages[url]));
        let visits = 1 + random.skewed(4);
        for _ in 0..visits {
            now += random.delay(500, 60_000.0, 600_000);
            if is_mobile {
                let flow = &mobile[random.skewed(mobile.len())];
                let step = &flow.steps[0];
                let attributes = json!({
                    "experienceId": flow.id, "experienceName": flow.name, "experienceType": "mobile",
                    "interactionType": "Button Tapped", "stepId": step.id, "stepType": "modal",
                    "version": flow.versions[0],
                });
                push(random, now, "appcues:v2:step_interaction", attributes, None);
                continue;
            }
            match random.below(100) {
                0..8 => {
                    let pin = &pins[random.skewed(pins.len())];
                    let attributes = json!({
                        "experienceId": pin.id, "experienceName": pin.name, "experienceType": "persistent",
                        "interactionType": "Button Pin Clicked", "stepId": pin.steps[0].id,
                        "stepName": pin.steps[0].name, "stepType": "button",
                    });
                    push(random, now, "appcues:v2:step_interaction", attributes, page(pin.url));
                }
                8..22 => {
                    let checklist = &checklists[random.skewed(checklists.len())];
                    let base = json!({
                        "checklistId": checklist.id, "checklistName": checklist.name, "sessionId": start,
                    });
                    push(random, now, "appcues:checklist_shown", base.clone(), page(random.skewed(400)));
                    let items = random.below(checklist.steps.len() + 1);
                    for (index, item) in checklist.steps.iter().take(items).enumerate() {
                        now += random.delay(1_000, 20_000.0, 300_000);
                        let mut attributes = base.clone();
                        attributes["itemId"] = json!(item.id);
                        attributes["itemIndex"] = json!(index);
                        attributes["itemLabel"] = json!(item.question);
                        push(random, now, "appcues:checklist_item_completed", attributes, page(item.options.len() * 7));
                    }
                    if items == checklist.steps.len() {
                        push(random, now - 1, "appcues:checklist_completed", base, page(35));
                    } else if random.percent(15) {
                        push(random, now + 4_000, "appcues:checklist_skipped", base, page(35));
                    }
                }
                22..26 => {
                    let survey = &surveys[random.skewed(surveys.len())];
                    let base = json!({
                        "flowId": survey.id, "flowName": survey.name, "flowType": "satisfaction-survey",
                        "flowVersion": survey.versions[0], "localeId": "default", "localeName": "default",
                        "sessionId": start,
                    });
                    push(random, now, "appcues:flow_started", base.clone(), page(survey.url));
                    now += random.delay(2_000, 8_000.0, 120_000);
                    if random.percent(60) {
                        let before = random.percent(40).then(|| random.below(11));
                        let mut attributes = base.clone();
                        attributes["score"] = json!(10 - random.skewed(11));
                        attributes["_prev_nps_score"] = json!(before);
                        attributes["_prev_nps_score_time"] = json!(before.map(|_| START - random.between(0, 9_000_000_000)));
                        push(random, now, "appcues:nps_score", attributes, page(survey.url));
                        if random.percent(50) {
                            let mut attributes = base;
                            attributes["feedback"] = json!(random.words(2, 25));
                            push(random, now + 9_000, "appcues:nps_score", attributes, page(survey.url));
                        }
                    }
                }
                _ => {
                    let flow = &flows[random.skewed(flows.len())];
                    // Most see the version that was published last.
                    let version = flow.versions[random.skewed(flow.versions.len())];
                    let base = json!({
                        "flowId": flow.id, "flowName": flow.name, "flowType": "journey", "flowVersion": version,
                        "sessionId": start,
                    });
                    push(random, now, "appcues:flow_started", base.clone(), page(flow.url));
                    for (number, step) in flow.steps.iter().enumerate() {
                        now += random.delay(800, 6_000.0, 200_000);
                        let mut attributes = base.clone();
                        attributes["stepId"] = json!(step.id);
                        attributes["stepNumber"] = json!(number);
                        if random.percent(22) {
                            push(random, now, "appcues:flow_skipped", attributes, page(flow.url));
                            break;
                        }
                        attributes["stepChildId"] = json!(step.child_id);
                        attributes["stepChildNumber"] = json!(0);
                        attributes["stepType"] = json!(step.kind);
                        if number == 1 && flow.url % 5 == 0 {
                            let mut submitted = attributes.clone();
                            submitted["interactionType"] = json!("submit");
                            let fields: Vec<Value> = (0..1 + flow.url % 3)
                                .map(|field| json!({
                                    "fieldId": flow.steps[field % flow.steps.len()].child_id,
                                    "fieldRequired": field == 0,
                                    "fieldType": "null",
                                    "label": flow.steps[field % flow.steps.len()].question,
                                    "value": if field < 2 { random.pick(&step.options).clone() } else { random.words(2, 12) },
                                }))
                                .collect();
                            submitted["interaction"] = json!({ "category": "form", "formId": null, "response": fields });
                            push(random, now - 14, "appcues:form_submitted", submitted, page(flow.url));
                        }
                        attributes["interactionType"] = json!("click");
                        attributes["interaction"] = json!({
                            "category": if step.destination.starts_with("http") { "link" } else { "internal" },
                            "destination": step.destination,
                            "text": step.button,
                        });
                        attributes["context"] = json!({ "url": page(flow.url) });
                        push(random, now, "appcues:step_interacted", attributes, None);
                        if number + 1 == flow.steps.len() {
                            push(random, now + 40, "appcues:flow_completed", base.clone(), page(flow.url));
                        }
                    }
                }
            }
        }
    }
    events.truncate(target);
    events.sort_by_key(|(received_at, ..)| *received_at);
    let arrival = |(received_at, _, event): (i64, i64, Value)| Arrival {
        received_at,
        body: if options.pretty {
            serde_json::to_vec_pretty(&event).unwrap_or_default()
        } else {
            serde_json::to_vec(&event).unwrap_or_default()
        },
    };
    events.into_iter().map(arrival).collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// Stages before the writer

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
    println!("CPU in us an event: parse {parse:.2}, append {append:.2}, sort and finish {finish:.2}");
    println!("a row group in Arrow: {:.1} MiB", memory as f64 / 1024.0 / 1024.0);

    let mut types = BTreeMap::<String, usize>::new();
    for rows in &groups {
        for name in rows["event_type"].as_string::<i32>().iter().flatten() {
            *types.entry(name.to_owned()).or_default() += 1;
        }
    }
    let shares: Vec<_> = types.iter().map(|(name, count)| {
        format!("{name} {:.1}%", per(100 * count, events.len()))
    });
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

/// The rows of each group one by one, in another order.
fn in_order<K: Ord>(groups: &[RecordBatch], key: impl Fn(&RecordBatch, usize) -> K) -> Vec<RecordBatch> {
    let mut slices = Vec::new();
    for rows in groups {
        let mut order: Vec<usize> = (0..rows.num_rows()).collect();
        order.sort_by_cached_key(|row| key(rows, *row));
        slices.extend(order.into_iter().map(|row| rows.slice(row, 1)));
    }
    slices
}

fn value(rows: &RecordBatch, column: &str, row: usize) -> i64 {
    use arrow_array::types::TimestampMillisecondType;
    rows[column].as_primitive::<TimestampMillisecondType>().value(row)
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

// ---------------------------------------------------------------------------------------------------------------------
// Variants

const SHIPPED: &str = "as shipped";

/// How the rows of a row group are ordered.
#[derive(Clone, Copy)]
enum Order {
    Occurred,
    Arrived,
    User,
}

struct Variant {
    name: String,
    rows: usize,
    order: Order,
    /// `None` is the sink's own writer.
    properties: Option<WriterProperties>,
}

impl Variant {
    /// The file, and the most memory that its writer took.
    fn write(&self, groups: &[RecordBatch]) -> Result<(Bytes, usize)> {
        let Some(first) = groups.first() else {
            return Ok((Bytes::new(), 0));
        };
        let Some(properties) = &self.properties else {
            let mut file = file::File::create(first.schema())?;
            for rows in groups {
                file.write_row_group(rows)?;
            }
            return Ok((file.finish(&[])?, 0));
        };
        let mut writer = ArrowWriter::try_new(Vec::new(), first.schema(), Some(properties.clone()))?;
        let mut memory = 0;
        for rows in groups {
            writer.write(rows)?;
            if writer.in_progress_rows() >= self.rows.min(rows.num_rows().max(ROWS_PER_GROUP)) {
                memory = memory.max(writer.memory_size());
                writer.flush()?;
            }
        }
        memory = memory.max(writer.memory_size());
        Ok((writer.into_inner()?.into(), memory))
    }
}

fn variants() -> Vec<Variant> {
    let mut variants = vec![Variant {
        name: SHIPPED.to_owned(),
        rows: ROWS_PER_GROUP,
        order: Order::Occurred,
        properties: None,
    }];
    let path = |name: &str| ColumnPath::from(name);
    let zstd = |level| Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default());
    let mut add = |name: &str, change: &dyn Fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder| {
        variants.push(Variant {
            name: name.to_owned(),
            rows: ROWS_PER_GROUP,
            order: Order::Occurred,
            properties: Some(change(file::properties().into_builder()).build()),
        });
    };
    add("base: the shipped properties", &|p| p);
    for level in [1, 2, 3, 6, 9] {
        add(&format!("zstd {level}"), &|p| {
            p.set_compression(zstd(level)).set_column_compression(path("payload"), zstd(level))
        });
    }
    add("zstd payload 1, rest 3", &|p| p.set_compression(zstd(3)).set_column_compression(path("payload"), zstd(1)));
    add("zstd payload 3, rest 1", &|p| p.set_compression(zstd(1)).set_column_compression(path("payload"), zstd(3)));
    add("zstd payload 6, rest 1", &|p| p.set_compression(zstd(1)).set_column_compression(path("payload"), zstd(6)));
    for column in ["event_id", "user_id", "session_id", "url", "payload"] {
        for on in [true, false] {
            add(&format!("dictionary {column} {on}"), &|p| p.set_column_dictionary_enabled(path(column), on));
        }
    }
    let encodings = [
        ("plain", Encoding::PLAIN),
        ("delta_binary", Encoding::DELTA_BINARY_PACKED),
        ("split", Encoding::BYTE_STREAM_SPLIT),
        ("delta_length", Encoding::DELTA_LENGTH_BYTE_ARRAY),
        ("delta_bytes", Encoding::DELTA_BYTE_ARRAY),
    ];
    for (name, encoding) in encodings {
        let columns: &[&str] = match encoding {
            Encoding::PLAIN => &["occurred_at", "ingested_at", "received_at", "event_id", "payload"],
            Encoding::DELTA_BINARY_PACKED | Encoding::BYTE_STREAM_SPLIT => {
                &["occurred_at", "ingested_at", "received_at", "experience_version", "step_number"]
            }
            _ => &["event_id", "user_id", "session_id", "url", "payload"],
        };
        for column in columns {
            add(&format!("encoding {column} {name}"), &|p| {
                p.set_column_dictionary_enabled(path(column), false).set_column_encoding(path(column), encoding)
            });
        }
    }
    add("encoding timestamps dictionary", &|p| {
        ["occurred_at", "ingested_at", "received_at"]
            .into_iter()
            .fold(p, |p, column| p.set_column_dictionary_enabled(path(column), true))
    });
    for size in [16, 32, 64, 128, 256, 512, 1024, 4096] {
        add(&format!("page {size} KiB"), &|p| {
            p.set_data_page_size_limit(size * 1024).set_column_data_page_size_limit(path("payload"), size * 1024)
        });
    }
    for size in [64, 128, 256, 512, 1024, 4096] {
        add(&format!("page of payload {size} KiB"), &|p| {
            p.set_column_data_page_size_limit(path("payload"), size * 1024)
        });
    }
    for rows in [2_000, 5_000, 10_000, 20_000, 40_000] {
        add(&format!("page {rows} rows"), &|p| p.set_data_page_row_count_limit(rows));
    }
    for level in [EnabledStatistics::None, EnabledStatistics::Chunk, EnabledStatistics::Page] {
        add(&format!("statistics {level:?}"), &|p| p.set_statistics_enabled(level));
    }
    add("statistics in page headers too", &|p| p.set_write_page_header_statistics(true));
    add("index truncated to 16", &|p| {
        p.set_column_index_truncate_length(Some(16)).set_statistics_truncate_length(Some(16))
    });
    add("filter none", &|p| {
        p.set_column_bloom_filter_enabled(path("event_id"), false)
            .set_column_bloom_filter_enabled(path("user_id"), false)
    });
    for column in ["event_id", "user_id"] {
        for fpp in [0.05, 0.01, 0.001] {
            add(&format!("filter {column} {fpp}"), &|p| {
                p.set_column_bloom_filter_fpp(path(column), fpp)
                    .set_column_bloom_filter_ndv(path(column), ROWS_PER_GROUP as u64)
            });
        }
        add(&format!("filter {column} none"), &|p| p.set_column_bloom_filter_enabled(path(column), false));
    }
    add("data page v2", &|p| p.set_writer_version(WriterVersion::PARQUET_2_0));
    for rows in [8, 16, 64, 128, 256] {
        variants.push(Variant {
            name: format!("row groups of {rows}k"),
            rows: rows * 1024,
            order: Order::Occurred,
            properties: Some({
                let properties = file::properties().into_builder();
                ["event_id", "user_id"]
                    .into_iter()
                    .fold(properties, |p, column| p.set_column_bloom_filter_ndv(path(column), rows as u64 * 1024))
                    .build()
            }),
        });
    }
    for (name, order) in [("order of arrival", Order::Arrived), ("order of user_id, occurred_at", Order::User)] {
        variants.push(Variant {
            name: name.to_owned(),
            rows: ROWS_PER_GROUP,
            order,
            properties: Some(file::properties()),
        });
    }
    variants
}

// ---------------------------------------------------------------------------------------------------------------------
// Sizes

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
        let mut sizes = Self { columns: BTreeMap::new(), filters: 0, index: 0, footer: 0, all: content.len() };
        for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
            *sizes.columns.entry(column.column_path().string()).or_default() += column.compressed_size() as usize;
            sizes.filters += column.bloom_filter_length().unwrap_or_default() as usize;
            sizes.index += column.column_index_length().unwrap_or_default() as usize;
            sizes.index += column.offset_index_length().unwrap_or_default() as usize;
        }
        sizes.footer = sizes.all - sizes.columns.values().sum::<usize>() - sizes.filters - sizes.index;
        Ok(sizes)
    }

    fn row(&self, events: usize) -> String {
        let payload = self.columns.get("payload").copied().unwrap_or_default();
        let cells = [self.all, payload, self.all - payload, self.filters, self.index, self.footer];
        cells.map(|bytes| format!("{:.2}", per(bytes, events))).join(" | ")
    }

    fn largest(&self, count: usize) -> Vec<(&str, usize)> {
        let mut columns: Vec<_> = self.columns.iter().map(|(name, size)| (name.as_str(), *size)).collect();
        columns.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        columns.truncate(count);
        columns
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Lookups

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
        Ok(CountedRead { rest, read: Arc::clone(&self.read) })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(self.content.slice(start as usize..start as usize + length))
    }
}

/// Looks up users with few and with many events, and tells what a reader touches that knows filters and page index.
fn lookups(content: &Bytes) -> Result<()> {
    let mut users = BTreeMap::<String, usize>::new();
    let all = ParquetRecordBatchReaderBuilder::try_new(content.clone())?;
    let mask = ProjectionMask::columns(all.parquet_schema(), ["user_id"]);
    for rows in all.with_projection(mask).build()? {
        for user in rows?["user_id"].as_string::<i32>().iter().flatten() {
            *users.entry(user.to_owned()).or_default() += 1;
        }
    }
    let mut users: Vec<_> = users.into_iter().map(|(user, events)| (events, user)).collect();
    users.sort();
    println!("| user | events | row groups | filters | footer, index, filters | user_id | three columns | all columns | whole row groups |");
    println!("|{}", "---|".repeat(9));
    let picks = [("rarest", 0), ("a tenth", users.len() / 10), ("median", users.len() / 2),
        ("nine tenths", users.len() * 9 / 10), ("99th", users.len() * 99 / 100), ("most", users.len() - 1)];
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
        let [events, holding, passing, metadata, user_id, three, all, groups] = sum;
        println!(
            "| {name} | {events:.1} | {holding:.1} | {passing:.1} | {metadata:.2}% | {user_id:.2}% | {three:.2}% | {all:.2}% | {groups:.1}% |"
        );
    }
    // One user that is not there.
    let found = lookup(content, "anon:00000000-0000-4000-8000-000000000000")?;
    println!("absent: passes {} filters; {} of {} bytes", found.passing, found.metadata, content.len());
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
    let counted = Counted { content: content.clone(), read: Arc::clone(&read) };
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&counted, options)?;
    let (passing, filters) = passing(metadata.metadata(), content, user)?;
    let fixed = read.swap(0, Ordering::Relaxed) + filters;
    let groups = passing.iter().map(|group| metadata.metadata().row_group(*group).compressed_size() as u64);
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
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(counted.clone(), metadata.clone());
            let wanted = user.to_owned();
            let predicate = ArrowPredicateFn::new(ProjectionMask::columns(&schema, ["user_id"]), move |rows| {
                let users = rows.column(0).as_string::<i32>().iter();
                Ok(users.map(|user| Some(user == Some(wanted.as_str()))).collect::<BooleanArray>())
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
    Ok(Lookup { holding, passing: passing.len(), metadata: fixed, user_id, three, all, groups })
}

/// The row groups whose filter passes, and the size of all filters.
fn passing(metadata: &ParquetMetaData, content: &Bytes, user: &str) -> Result<(Vec<usize>, u64)> {
    let (mut passing, mut size) = (Vec::new(), 0);
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let column = group.columns().iter().find(|column| column.column_path().string() == "user_id");
        let column = column.ok_or("no column user_id")?;
        size += column.bloom_filter_length().unwrap_or_default() as u64;
        let filter = Sbbf::read_from_column_chunk(column, content)?;
        if filter.is_none_or(|filter| filter.check(&user)) {
            passing.push(number);
        }
    }
    Ok((passing, size))
}
