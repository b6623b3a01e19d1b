//! The files of the journal are damaged on disk: what was damaged is lost, and told; nothing else is.

use std::fs;
use std::path::{Path, PathBuf};

use landfall_testkit::{Ended, Instance, Landfall, Outage, files_below};
use serde_json::Value;

use crate::{
    accept, accept_all, assert_landed_once, event, ids, journal_of, lake_of, prepare, signed,
    stop_in_order, wait_until_landed,
};

const EVENTS: usize = 30;

/// The bytes of a record before the body: its own header, and that of an event.
const BEFORE_BODY: usize = 12 + 9;

/// The end of a write that did not end.
const TORN: &str = "a torn tail";

/// Whether a landing had been planned when the process ended. It is to be landed as planned, damage or not.
const PLANNED: [bool; 2] = [false, true];

#[test]
fn a_record_damaged_in_the_middle_is_set_aside_and_all_others_land() {
    for planned in PLANNED {
        let backlog = Backlog::leave(planned);
        let (mut bytes, start, end) = backlog.record("event-12");
        let middle = usize::midpoint(start, end);
        for byte in &mut bytes[middle..middle + 8] {
            *byte ^= 0x55;
        }
        let damage = Damage {
            offset: start,
            bytes: bytes[start..end].to_vec(),
            kind: "between records",
            lost: Some("event-12"),
        };
        backlog.survives(&bytes, &damage);
    }
}

#[test]
fn the_last_record_torn_in_the_middle_is_set_aside_and_all_others_land() {
    tear_the_last_record(false);
}

#[test]
fn a_planned_batch_lands_though_its_last_record_is_torn() {
    tear_the_last_record(true);
}

fn tear_the_last_record(planned: bool) {
    let backlog = Backlog::leave(planned);
    let (mut bytes, start, end) = backlog.record("event-29");
    assert_eq!(bytes.len(), end, "the last event is the last record");
    bytes.truncate(usize::midpoint(start, end));
    let damage = Damage {
        offset: start,
        bytes: bytes[start..].to_vec(),
        kind: TORN,
        lost: Some("event-29"),
    };
    backlog.survives(&bytes, &damage);
}

#[test]
fn garbage_behind_the_last_record_is_set_aside_and_everything_lands() {
    for planned in PLANNED {
        let backlog = Backlog::leave(planned);
        let (mut bytes, _, end) = backlog.record("event-29");
        assert_eq!(bytes.len(), end, "the last event is the last record");
        // No multiple of four, as a torn write would leave it.
        let garbage: Vec<u8> = (0..1_001_u32).map(|n| (n * 37 + 11) as u8).collect();
        bytes.extend_from_slice(&garbage);
        let damage = Damage {
            offset: end,
            bytes: garbage,
            kind: TORN,
            lost: None,
        };
        backlog.survives(&bytes, &damage);
    }
}

#[test]
fn what_is_accepted_after_the_journal_lost_landed_records_lands_too() {
    let (landfall, config) = prepare("batch = { max_events = 30, timeout_secs = 300 }");
    let mut landed = ids("event", EVENTS);
    let instance = landfall.env("LANDFALL_KILL_AT", "landed").start(&config);
    accept_all(&instance, &landed[..EVENTS - 1]);
    // Its answer may be lost with the process, which dies before the journal's cursor has moved.
    drop(signed(event(&landed[EVENTS - 1]).as_bytes()).try_send(instance.source()));
    let landfall = instance.end().1.env("LANDFALL_KILL_AT", "");
    let segments = files_below(&journal_of(landfall.dir()), ".seg");
    let bytes = fs::read(&segments[0]).unwrap();
    fs::write(&segments[0], &bytes[..bytes.len() / 2]).unwrap();

    let instance = landfall.start(&config);
    let later = ids("later", 5);
    accept_all(&instance, &later);
    landed.extend(later);
    assert_landed_once(&stop_in_order(instance), &landed);
}

/// What was done to the segment.
struct Damage {
    offset: usize,
    bytes: Vec<u8>,
    /// As `journal inspect` calls it.
    kind: &'static str,
    lost: Option<&'static str>,
}

/// A service that was killed before any of its events had landed.
struct Backlog {
    landfall: Landfall,
    config: PathBuf,
    planned: bool,
    segment: PathBuf,
    /// The position of the segment's first byte.
    base: usize,
}

impl Backlog {
    fn leave(planned: bool) -> Self {
        // The batch is closed by the last event, or not at all.
        let max_events = if planned { EVENTS } else { EVENTS + 1 };
        let (landfall, config) = prepare(&format!(
            "batch = {{ max_events = {max_events}, timeout_secs = 300 }}"
        ));
        let mut instance = landfall.start(&config);
        let outage = Outage::of(&lake_of(instance.dir()));
        accept_all(&instance, &ids("event", EVENTS));
        if planned {
            instance.wait_until("the landing fails", |instance| {
                instance.stderr().contains("cannot upload a batch")
            });
        }
        let landfall = instance.kill();
        outage.end();

        let segments = files_below(&journal_of(landfall.dir()), ".seg");
        let [segment] = segments.as_slice() else {
            panic!("not one segment: {segments:?}");
        };
        let base = segment.file_stem().unwrap().to_str().unwrap();
        Self {
            base: base.parse().unwrap(),
            segment: segment.clone(),
            planned,
            landfall,
            config,
        }
    }

    /// The segment, and where in it the record of event `id` begins and ends.
    fn record(&self, id: &str) -> (Vec<u8>, usize, usize) {
        let bytes = fs::read(&self.segment).unwrap();
        let body = event(id);
        let at = bytes.windows(body.len()).position(|w| w == body.as_bytes());
        let at = at.expect("the body stands in the segment as it was sent");
        let end = (at + body.len()).next_multiple_of(4);
        // Records begin at multiples of four, so the padding is before the end.
        let start = at - BEFORE_BODY;
        let length = (end - start).next_multiple_of(4);
        (bytes, start, start + length)
    }

    /// Puts `bytes` in the place of the segment, and looks at everything that must still work.
    fn survives(self, bytes: &[u8], damage: &Damage) {
        fs::write(&self.segment, bytes).unwrap();
        let position = self.base + damage.offset;
        let mut expected = ids("event", EVENTS);
        expected.retain(|id| Some(id.as_str()) != damage.lost);
        let journal = journal_of(self.landfall.dir());

        let inspected = self.tool("inspect", &journal);
        let line = format!(
            "{} bytes at {position}: {}",
            damage.bytes.len(),
            damage.kind
        );
        assert!(inspected.stdout.contains(&line), "no {line:?}\n{inspected}");
        let exported = self.tool("export", &journal);
        assert_eq!(exported_ids(&exported), expected);

        let Self {
            landfall,
            config,
            planned,
            ..
        } = self;
        let mut instance = landfall.start(&config);
        land_all(&mut instance, planned, &expected);
        let stderr = instance.stderr();
        let is_torn = damage.kind == TORN;
        let message = match is_torn {
            true => "the last write to the journal was cut off; nothing of it had been answered",
            false => "the journal is damaged",
        };
        let names = |line: &str| names_damage(line, position, message);
        assert!(
            stderr.lines().any(names),
            "does not name {position}\n{stderr}"
        );
        // What raises the alarm.
        let confirmed = if is_torn {
            0
        } else {
            damage.bytes.len() as u64
        };
        let counted = instance.metric("landfall_journal_damaged_bytes");
        assert_eq!(counted, confirmed);
        let kept = journal.join(format!("{position:020}.damaged"));
        assert_eq!(fs::read(&kept).unwrap(), damage.bytes);
        assert_eq!(files_below(&journal, ".damaged"), [kept]);

        let landfall = stop_in_order(instance);
        assert_landed_once(&landfall, &expected);
    }

    fn tool(&self, command: &str, journal: &Path) -> Ended {
        let ended = self
            .landfall
            .run([Path::new("journal"), Path::new(command), journal]);
        assert_eq!(ended.code, Some(0), "{ended}");
        ended
    }
}

/// A batch that had been planned lands without any further event; another is closed by the next.
fn land_all(instance: &mut Instance, planned: bool, expected: &[String]) {
    if !planned {
        // As many as are missing for `max_events`.
        for number in 0..=EVENTS - expected.len() {
            accept(instance, &event(&format!("closes the batch {number}")));
        }
    }
    wait_until_landed(instance, expected.len());
}

fn names_damage(line: &str, position: usize, message: &str) -> bool {
    let line: Value = serde_json::from_str(line).expect("logs are JSON lines");
    let named = line["position"].as_str().and_then(|text| text.parse().ok());
    let is_of_sink = line["component_id"] == "lake" && line["component_kind"] == "sink";
    line["message"] == message && is_of_sink && named == Some(position)
}

fn exported_ids(exported: &Ended) -> Vec<String> {
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("a line of JSON");
        event["id"].as_str().expect("an id").to_owned()
    };
    exported.stdout.lines().map(id).collect()
}
