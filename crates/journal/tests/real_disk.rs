//! Behaviour on the operating system's own file system.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{path::Path, sync::Arc, time::Duration};

use landfall_journal::{
    AppendError, DamageKind, Journal, OpenError, Options, Position, export, inspect,
};
use tokio::time::timeout;

fn small() -> Options {
    Options {
        segment_bytes: 4096,
        reserve_bytes: 0,
        ..Options::default()
    }
}

async fn open(dir: &Path) -> Journal {
    Journal::open(dir, small()).await.unwrap()
}

async fn append_numbers(journal: &Journal, numbers: std::ops::Range<u32>) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in numbers {
        positions.push(
            journal
                .append(&[b"record ", number.to_string().as_bytes()])
                .await
                .unwrap(),
        );
    }
    positions
}

fn exported(dir: &Path) -> Vec<String> {
    let text = |record: std::io::Result<landfall_journal::Record>| {
        String::from_utf8(record.unwrap().payload.to_vec()).unwrap()
    };
    export(dir).unwrap().map(text).collect()
}

fn expected(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("record {number}")).collect()
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

fn damaged_files(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".damaged"))
        .count()
}

#[tokio::test]
async fn records_are_read_in_order_over_segments_and_openings() {
    let dir = tempfile::tempdir().unwrap();
    for life in 0..3 {
        let journal = open(dir.path()).await;
        append_numbers(&journal, life * 200..(life + 1) * 200).await;
        journal.close().await;
    }
    let journal = open(dir.path()).await;
    assert!(journal.stats().segments > 3);
    let mut reader = journal.reader("sink").await.unwrap();
    let mut texts = Vec::new();
    while texts.len() < 600 {
        for record in reader.next(7, 1000).await.unwrap() {
            texts.push(String::from_utf8(record.payload.to_vec()).unwrap());
        }
    }
    assert_eq!(texts, expected(0..600));
    assert!(reader.try_next(1, 1).await.unwrap().is_empty());
    assert_eq!(exported(dir.path()), expected(0..600));
}

#[tokio::test]
async fn a_batch_keeps_to_its_limits_but_never_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    let mut reader = journal.reader("sink").await.unwrap();
    for len in [10, 10, 10, 500] {
        journal.append(&[&vec![1; len]]).await.unwrap();
    }
    let lens = async |reader: &mut landfall_journal::Reader, records, bytes| {
        let batch = reader.next(records, bytes).await.unwrap();
        batch
            .iter()
            .map(|record| record.payload.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(lens(&mut reader, 0, 0).await, [10]);
    assert_eq!(lens(&mut reader, 10, 25).await, [10, 10]);
    assert_eq!(lens(&mut reader, 10, 25).await, [500]);
}

#[tokio::test]
async fn many_writers_share_fsyncs_and_every_position_is_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    let tasks: Vec<_> = (0..64)
        .map(|writer: u32| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut written = Vec::new();
                for i in 0..20 {
                    let payload = format!("{writer} {i}");
                    written.push((
                        journal.append(&[payload.as_bytes()]).await.unwrap(),
                        payload,
                    ));
                }
                written
            })
        })
        .collect();
    let mut written = Vec::new();
    for task in tasks {
        written.extend(task.await.unwrap());
    }
    written.sort();
    assert!(journal.stats().fsyncs < 640, "{:?}", journal.stats());
    assert_eq!(journal.stats().appended_records, 1280);
    let read: Vec<_> = export(dir.path())
        .unwrap()
        .map(|record| record.unwrap())
        .map(|record| {
            (
                record.position,
                String::from_utf8(record.payload.to_vec()).unwrap(),
            )
        })
        .collect();
    assert_eq!(read, written);
}

#[tokio::test]
async fn a_reader_waits_and_a_dropped_wait_skips_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    let mut reader = journal.reader("sink").await.unwrap();
    assert!(
        timeout(Duration::from_millis(20), reader.next(1, 1))
            .await
            .is_err()
    );
    let (batch, position) = tokio::join!(reader.next(9, 999), journal.append(&[b"x"]));
    assert_eq!(batch.unwrap()[0].position, position.unwrap());
}

#[tokio::test]
async fn a_closed_journal_refuses_appends_and_ends_its_readers() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    append_numbers(&journal, 0..2).await;
    let mut reader = journal.reader("sink").await.unwrap();
    let other = journal.clone();
    journal.close().await;
    assert!(matches!(
        other.append(&[b"x"]).await,
        Err(AppendError::Closed)
    ));
    assert_eq!(reader.next(9, 999).await.unwrap().len(), 2);
    assert!(reader.next(9, 999).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_second_opener_is_told_that_the_journal_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    let second = Journal::open(dir.path(), small()).await;
    assert!(matches!(second, Err(OpenError::Locked)));
    journal.close().await;
    open(dir.path()).await;
}

#[tokio::test]
async fn a_commit_survives_and_deletes_what_no_cursor_needs() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    let positions = append_numbers(&journal, 0..600).await;
    let slow = journal.reader("slow").await.unwrap();
    let fast = journal.reader("fast").await.unwrap();
    let before = journal.stats().segments;
    fast.commit(positions[599]).await.unwrap();
    assert_eq!(
        journal.stats().segments,
        before,
        "the slow cursor holds all"
    );
    slow.commit(positions[300]).await.unwrap();
    assert!(journal.stats().segments < before);
    drop((slow, fast));
    journal.close().await;

    let journal = open(dir.path()).await;
    let mut slow = journal.reader("slow").await.unwrap();
    assert_eq!(slow.next(1, 1).await.unwrap()[0].position, positions[300]);
    let mut fast = journal.reader("fast").await.unwrap();
    assert_eq!(fast.next(1, 1).await.unwrap()[0].position, positions[599]);
    fast.seek(Position::new(0));
    let oldest = fast.next(1, 1).await.unwrap()[0].position;
    assert!(oldest > positions[0] && oldest <= positions[300]);
    journal.remove_cursor("slow").await.unwrap();
    assert_eq!(journal.stats().segments, 1);
    let beyond = Position::new(journal.end().get() + 1);
    assert_eq!(
        fast.commit(beyond).await.unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn positions_are_never_used_again_though_everything_was_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = Position::default();
    for _ in 0..5 {
        let journal = open(dir.path()).await;
        let reader = journal.reader("sink").await.unwrap();
        for position in append_numbers(&journal, 0..200).await {
            assert!(position > last);
            last = position;
        }
        reader.commit(journal.end()).await.unwrap();
        journal.remove_cursor("sink").await.unwrap();
        drop(reader);
        journal.close().await;
    }
}

#[tokio::test]
async fn what_is_written_to_a_file_that_somebody_has_removed_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    append_numbers(&journal, 0..1).await;
    std::fs::remove_file(segments(dir.path()).pop().unwrap()).unwrap();
    let refused = journal.append(&[b"lost"]).await.unwrap_err();
    assert!(refused.to_string().contains("removed"), "{refused}");
    append_numbers(&journal, 1..2).await;
    assert_eq!(exported(dir.path()), expected(1..2));
    std::fs::remove_dir_all(dir.path()).unwrap();
    for _ in 0..3 {
        journal.append(&[b"lost"]).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    append_numbers(&journal, 0..20).await;
    journal.close().await;
    let last = segments(dir.path()).pop().unwrap();
    let len = std::fs::metadata(&last).unwrap().len();
    std::fs::File::options()
        .write(true)
        .open(&last)
        .unwrap()
        .set_len(len - 5)
        .unwrap();

    let journal = open(dir.path()).await;
    let stats = journal.stats();
    assert_eq!((stats.damages, stats.torn_tails), (1, 1));
    assert_eq!(stats.damaged_bytes, 0, "nothing of it was acknowledged");
    assert_eq!(damaged_files(dir.path()), 1);
    append_numbers(&journal, 20..25).await;
    let mut texts = expected(0..19);
    texts.extend(expected(20..25));
    assert_eq!(exported(dir.path()), texts);
}

#[tokio::test]
async fn zeros_after_the_last_record_are_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    append_numbers(&journal, 0..20).await;
    journal.close().await;
    let last = segments(dir.path()).pop().unwrap();
    let len = std::fs::metadata(&last).unwrap().len();
    std::fs::File::options()
        .write(true)
        .open(&last)
        .unwrap()
        .set_len(len + 600)
        .unwrap();
    let journal = open(dir.path()).await;
    assert_eq!(journal.stats().damages, 0);
    assert_eq!(std::fs::metadata(&last).unwrap().len(), len);
}

#[tokio::test]
async fn damage_in_the_middle_is_skipped_once_and_takes_no_neighbour_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    let positions = append_numbers(&journal, 0..300).await;
    journal.close().await;
    let first = segments(dir.path()).remove(0);
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[positions[10].get() as usize + 14] ^= 4;
    bytes[positions[11].get() as usize + 1] ^= 1;
    bytes[positions[20].get() as usize + 4] ^= 0x80;
    bytes[70] = b'!';
    std::fs::write(&first, bytes).unwrap();

    let journal = open(dir.path()).await;
    for name in ["first", "second"] {
        let mut reader = journal.reader(name).await.unwrap();
        let mut texts = Vec::new();
        while texts.len() < 296 {
            for record in reader.next(1000, 100_000).await.unwrap() {
                texts.push(String::from_utf8(record.payload.to_vec()).unwrap());
            }
        }
        let whole = expected(0..300).into_iter().enumerate();
        let whole: Vec<_> = whole
            .filter(|(i, _)| ![0, 10, 11, 20].contains(i))
            .map(|(_, text)| text)
            .collect();
        assert_eq!(texts, whole);
        assert_eq!(journal.stats().damages, 3);
        assert_eq!(damaged_files(dir.path()), 3);
    }
    let inspection = inspect(dir.path()).unwrap();
    assert_eq!(inspection.segments[0].damages.len(), 3);
    assert!(
        inspection.segments[0]
            .damages
            .iter()
            .all(|damage| damage.kind == DamageKind::Middle)
    );
}

#[tokio::test]
async fn a_damaged_end_of_a_segment_that_another_follows_is_no_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    append_numbers(&journal, 0..600).await;
    journal.close().await;
    let first = segments(dir.path()).remove(0);
    let mut bytes = std::fs::read(&first).unwrap();
    bytes.iter_mut().rev().take(8).for_each(|byte| *byte ^= 1);
    std::fs::write(&first, bytes).unwrap();
    let inspection = inspect(dir.path()).unwrap();
    let [damage] = inspection.segments[0].damages[..] else {
        panic!("{inspection:?}");
    };
    assert_eq!(damage.kind, DamageKind::Middle);
    let journal = open(dir.path()).await;
    let mut reader = journal.reader("sink").await.unwrap();
    while reader.position() < journal.end() {
        reader.next(1000, 100_000).await.unwrap();
    }
    let stats = journal.stats();
    assert_eq!((stats.damages, stats.torn_tails), (1, 0));
    assert_eq!(stats.damaged_bytes, damage.len);
}

#[tokio::test]
async fn a_missing_segment_is_counted_and_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    append_numbers(&journal, 0..600).await;
    journal.close().await;
    let files = segments(dir.path());
    let missing = std::fs::metadata(&files[1]).unwrap().len();
    std::fs::remove_file(&files[1]).unwrap();
    let journal = open(dir.path()).await;
    let mut reader = journal.reader("sink").await.unwrap();
    let mut last = Vec::new();
    while reader.position() < journal.end() {
        last = reader.next(1000, 100_000).await.unwrap();
    }
    assert_eq!(last.last().unwrap().payload, "record 599");
    assert_eq!(journal.stats().damages, 1);
    assert_eq!(journal.stats().damaged_bytes, missing);
}

#[tokio::test]
async fn identity_and_headers_restore_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    append_numbers(&journal, 0..300).await;
    let id = journal.id();
    journal.close().await;
    let identity = dir.path().join("identity");
    let intact = std::fs::read(&identity).unwrap();
    std::fs::write(&identity, b"nonsense").unwrap();
    assert_eq!(exported(dir.path()), expected(0..300));
    let inspection = inspect(dir.path()).unwrap();
    assert!(!inspection.identity_intact);
    assert_eq!(inspection.id, id);
    let journal = open(dir.path()).await;
    assert_eq!(journal.id(), id);
    journal.close().await;
    assert_eq!(std::fs::read(&identity).unwrap(), intact);

    for file in segments(dir.path()) {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[30] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    let journal = open(dir.path()).await;
    assert_eq!(exported(dir.path()), expected(0..300));
    journal.close().await;

    std::fs::remove_file(&identity).unwrap();
    let lost = Journal::open(dir.path(), small()).await;
    assert!(matches!(lost, Err(OpenError::Identity(_))));
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).await.close().await;
    let path = dir.path().join("identity");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..48]);
    bytes[48..].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let newer = Journal::open(dir.path(), small()).await;
    assert!(matches!(
        newer,
        Err(OpenError::Version { found: 2, known: 1 })
    ));
    assert!(matches!(
        inspect(dir.path()),
        Err(OpenError::Version { .. })
    ));
}

#[tokio::test]
async fn a_payload_that_holds_journal_bytes_is_never_taken_for_records() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    append_numbers(&journal, 0..10).await;
    let stolen = std::fs::read(&segments(dir.path())[0]).unwrap();
    let hostile = journal.append(&[&stolen[64..]]).await.unwrap();
    append_numbers(&journal, 10..12).await;
    journal.close().await;
    let first = segments(dir.path()).remove(0);
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[hostile.get() as usize + 8] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    assert_eq!(exported(dir.path()), expected(0..12));
}

#[tokio::test]
async fn a_full_journal_rejects_or_waits_until_readers_commit() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: 64 << 10,
        ..small()
    };
    let journal = Journal::open(dir.path(), options).await.unwrap();
    let mut reader = journal.reader("sink").await.unwrap();
    let body = [7; 1000];
    let too_large = journal.append(&[&[0; 17 << 10]]).await;
    assert!(matches!(too_large, Err(AppendError::TooLarge { .. })));
    let mut appended = 0;
    while journal.append(&[&body]).await.is_ok() {
        appended += 1;
    }
    assert!((50..=64).contains(&appended));
    assert!(matches!(
        journal.append(&[&body]).await,
        Err(AppendError::Full)
    ));
    assert!(journal.stats().bytes <= 64 << 10);

    let parts: [&[u8]; 1] = [&body];
    let waiting = journal.append_waiting(&parts);
    tokio::pin!(waiting);
    assert!(
        timeout(Duration::from_millis(20), &mut waiting)
            .await
            .is_err()
    );
    let batch = reader.next(1000, 1 << 20).await.unwrap();
    assert_eq!(batch.len(), appended);
    reader.commit(batch.last().unwrap().end).await.unwrap();
    timeout(Duration::from_secs(5), waiting)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn the_largest_record_always_fits_once_everything_is_read() {
    let dir = tempfile::tempdir().unwrap();
    for max_bytes in [64 << 10, 8 << 10] {
        let options = Options {
            max_bytes,
            ..small()
        };
        let largest = max_bytes as usize / 4 - 64 - 12;
        let journal = Journal::open(dir.path(), options).await.unwrap();
        let mut reader = journal.reader("sink").await.unwrap();
        for len in [1, largest, 5, largest, largest, 9, largest] {
            journal.append(&[&vec![1; len]]).await.unwrap();
            let batch = reader.next(1, 1).await.unwrap();
            reader.commit(batch[0].end).await.unwrap();
        }
        drop(reader);
        journal.close().await;
    }
}

#[tokio::test]
async fn state_files_are_kept_listed_renamed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    let state = journal.state();
    state.put("plan-2", "two").await.unwrap();
    state.put("plan-1", "old").await.unwrap();
    state.put("plan-1", "one").await.unwrap();
    assert!(state.put("../escape", "x").await.is_err());
    assert!(state.put("x.tmp", "x").await.is_err());
    assert_eq!(state.list().await.unwrap(), ["plan-1", "plan-2"]);
    assert_eq!(state.get("plan-1").await.unwrap().unwrap(), b"one");
    state.rename("plan-1", "plan-3").await.unwrap();
    state.remove("plan-2").await.unwrap();
    state.remove("plan-2").await.unwrap();
    drop(state);
    journal.close().await;
    std::fs::write(dir.path().join("state/left.tmp"), "x").unwrap();
    let state = open(dir.path()).await.state();
    assert_eq!(state.list().await.unwrap(), ["plan-3"]);
    assert_eq!(state.get("plan-1").await.unwrap(), None);
    assert!(!dir.path().join("state/left.tmp").exists());
    assert_eq!(inspect(dir.path()).unwrap().states, ["plan-3"]);
}

#[tokio::test]
async fn inspection_and_export_work_while_the_journal_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).await;
    let positions = append_numbers(&journal, 0..100).await;
    journal
        .reader("sink")
        .await
        .unwrap()
        .commit(positions[50])
        .await
        .unwrap();
    let inspection = inspect(dir.path()).unwrap();
    assert_eq!(inspection.version, 1);
    assert_eq!(
        inspection
            .segments
            .iter()
            .map(|segment| segment.records)
            .sum::<u64>(),
        100
    );
    assert_eq!(inspection.cursors["sink"], Some(positions[50]));
    assert_eq!(exported(dir.path()), expected(0..100));
    assert!(inspect(dir.path().join("nowhere")).is_err());
}

#[tokio::test]
async fn records_of_any_size_and_in_any_parts_come_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(open(dir.path()).await);
    let mut reader = journal.reader("sink").await.unwrap();
    for len in [0, 1, 2, 3, 4, 5, 511, 4096, 300_000, 5 << 20] {
        let body: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let (head, tail) = body.split_at(len / 3);
        journal.append(&[head, b"", tail]).await.unwrap();
        assert_eq!(reader.next(1, 1).await.unwrap()[0].payload, body);
    }
}
