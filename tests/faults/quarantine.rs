//! A body that Appcues signed and that is no event does not take its neighbours with it.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray as _;
use landfall_testkit::files_below;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{LATE, accept_all, assert_landed_once, ids, lake_of, prepare, signed, stop_in_order};

#[test]
fn a_body_that_is_no_event_is_quarantined_and_its_neighbours_land() {
    let deep = "[".repeat(100_000);
    let odd: [(&[u8], &str); 8] = [
        (b"", "not_json"),
        (b"{\"id\": \"broken", "not_json"),
        (b"\xff\xfe{}", "not_utf8"),
        (b"[1, 2]", "not_an_object"),
        (b"{}", "no_id"),
        (br#"{"id": "1", "timestamp": 1700000000000}"#, "no_name"),
        (
            br#"{"id": "1", "name": "x", "timestamp": "soon"}"#,
            "no_timestamp",
        ),
        (deep.as_bytes(), "not_json"),
    ];
    let (landfall, config) = prepare(LATE);
    let instance = landfall.start(&config);
    let mut accepted = ids("before", 10);
    accept_all(&instance, &accepted);
    for (number, (body, _)) in odd.iter().enumerate() {
        let answer = signed(body).send(instance.source());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let after = ids(&format!("after {number}"), 2);
        accept_all(&instance, &after);
        accepted.extend(after);
    }
    let landfall = stop_in_order(instance);
    assert_landed_once(&landfall, &accepted);

    let kept = quarantined(&lake_of(landfall.dir()));
    assert_eq!(kept.len(), odd.len(), "{kept:?}");
    for (body, reason) in odd {
        let found = kept.iter().find(|(kept, _)| kept == body);
        let (_, said) = found.expect("the body as it was sent");
        assert_eq!(said, reason);
    }
}

/// Body and reason of everything in the quarantine of `lake`.
fn quarantined(lake: &Path) -> Vec<(Vec<u8>, String)> {
    let mut rows = Vec::new();
    for file in files_below(&lake.join("quarantine"), ".parquet") {
        let file = File::open(file).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let payloads = batch["payload"].as_binary::<i32>();
            let reasons = batch["reason"].as_string::<i32>();
            let payloads = payloads.iter().map(|payload| payload.unwrap().to_vec());
            let reasons = reasons.iter().map(|reason| reason.unwrap().to_owned());
            rows.extend(payloads.zip(reasons));
        }
    }
    rows
}
