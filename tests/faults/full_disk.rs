//! The disk of `data_dir` is full; the lake is elsewhere.
//!
//! Where no small disk can be mounted, a small `buffer.max_size` stands for it.

use std::path::PathBuf;

use landfall_testkit::{Instance, Landfall, Outage, SIGNED, SmallDisk, config};

use crate::{
    SOON, accept, assert_landed_once, assert_refused, event, lake_of, padded_event, post,
    prepare_with, stop_in_order, unready, wait_until_landed,
};

/// The journal sets 16 of them aside.
const MEBIBYTES: usize = 40;

/// What a refusal is called here: the disk's, or that of the buffer which stands for it.
type Code = &'static str;

fn prepare(disk: Option<&SmallDisk>) -> (Landfall, PathBuf, Code) {
    match disk {
        Some(disk) => {
            let data = format!(r#"data_dir = "{}""#, disk.path().display());
            let config = config(SIGNED, SOON).replace(r#"data_dir = "{dir}/data""#, &data);
            let (landfall, config) = prepare_with(&config);
            (landfall, config, "not_durable")
        }
        None => {
            let max_size = (MEBIBYTES - 16) * 1024 * 1024;
            let config = config(SIGNED, &format!("{SOON}\nbuffer.max_size = {max_size}"));
            let (landfall, config) = prepare_with(&config);
            (landfall, config, "buffer_full")
        }
    }
}

#[test]
fn events_that_fill_the_disk_land_and_make_room_for_more() {
    let name = "full_disk::events_that_fill_the_disk_land_and_make_room_for_more";
    SmallDisk::with(MEBIBYTES, name, |disk| {
        fill_and_recover(disk, &[120_000, 3_000]);
    });
}

#[test]
fn small_events_that_fill_the_disk_to_its_last_page_land_and_make_room_for_more() {
    let name =
        "full_disk::small_events_that_fill_the_disk_to_its_last_page_land_and_make_room_for_more";
    // So much that an event alone, with all that a new segment needs, does not fit into what the last one left.
    SmallDisk::with(MEBIBYTES, name, |disk| fill_and_recover(disk, &[3_000]));
}

/// Fills the disk with events of one size after the other, each until it is refused.
fn fill_and_recover(disk: Option<&SmallDisk>, sizes: &[usize]) {
    let (landfall, config, code) = prepare(disk);
    let mut instance = landfall.start(&config);
    let outage = Outage::of(&lake_of(instance.dir()));
    let mut accepted = Vec::new();
    for size in sizes {
        fill(&instance, *size, code, &mut accepted);
    }
    let reasons = unready(&instance);
    assert!(reasons.concat().contains("full"), "{reasons:?}");
    outage.end();

    // Nobody touches it from here on.
    let filled = accepted.len();
    wait_until_accepted(&mut instance, code, &mut accepted);
    wait_until_landed(&mut instance, filled + 1);
    instance.wait_until("it is ready again", |instance| unready(instance).is_empty());
    assert_landed_once(&stop_in_order(instance), &accepted);
}

#[test]
fn a_disk_that_somebody_else_fills_refuses_events_until_there_is_room_again() {
    let name =
        "full_disk::a_disk_that_somebody_else_fills_refuses_events_until_there_is_room_again";
    SmallDisk::with(MEBIBYTES, name, |disk| {
        let (landfall, config, code) = prepare(disk);
        let Some(disk) = disk else {
            // A buffer's limit is nobody else's to use up.
            return;
        };
        let mut instance = landfall.start(&config);
        let mut accepted = vec!["before".to_owned()];
        accept(&instance, &event("before"));
        for round in 0..2 {
            let ballast = disk.fill();
            fill(&instance, 10_000, code, &mut accepted);
            let reasons = unready(&instance);
            assert!(reasons.concat().contains("full"), "{reasons:?}");
            // What was accepted lands, though there is no space for anything.
            wait_until_landed(&mut instance, accepted.len());
            drop(ballast);
            wait_until_accepted(&mut instance, code, &mut accepted);
            instance.wait_until("it is ready again", |instance| unready(instance).is_empty());
            println!("round {round}: {} events", accepted.len());
        }
        assert_landed_once(&stop_in_order(instance), &accepted);
    });
}

#[test]
fn a_process_that_is_killed_on_a_full_disk_starts_and_lands_everything() {
    let name = "full_disk::a_process_that_is_killed_on_a_full_disk_starts_and_lands_everything";
    SmallDisk::with(MEBIBYTES, name, |disk| {
        let (landfall, config, code) = prepare(disk);
        let instance = landfall.start(&config);
        let outage = Outage::of(&lake_of(instance.dir()));
        let mut accepted = Vec::new();
        fill(&instance, 120_000, code, &mut accepted);
        let ballast = disk.map(SmallDisk::fill);
        let landfall = instance.kill();
        outage.end();

        let mut instance = landfall.start(&config);
        wait_until_landed(&mut instance, accepted.len());
        drop(ballast);
        wait_until_accepted(&mut instance, code, &mut accepted);
        assert_landed_once(&stop_in_order(instance), &accepted);
    });
}

#[test]
fn a_full_disk_does_not_flood_the_log() {
    let name = "full_disk::a_full_disk_does_not_flood_the_log";
    SmallDisk::with(MEBIBYTES, name, |disk| {
        let (landfall, config, code) = prepare(disk);
        let instance = landfall.start(&config);
        let _ballast = disk.map(SmallDisk::fill);
        let _outage = Outage::of(&lake_of(instance.dir()));
        fill(&instance, 120_000, code, &mut Vec::new());
        let before = instance.stderr().lines().count();
        // Too large for what may be left of a page.
        let refused = padded_event("refused", 120_000);
        for _ in 0..100 {
            assert_refused(&post(instance.source(), &refused), code);
        }
        // Room for what is told once in a while, such as that the landing fails.
        let stderr = instance.stderr();
        let lines = stderr.lines().count() - before;
        assert!(lines < 20, "{lines} lines for 100 refusals\n{stderr}");
    });
}

/// Sends events with `padding` bytes until one is refused.
#[track_caller]
fn fill(instance: &Instance, padding: usize, code: Code, accepted: &mut Vec<String>) {
    loop {
        let id = format!("{}", accepted.len());
        let answer = post(instance.source(), &padded_event(&id, padding));
        if answer.status != 200 {
            return assert_refused(&answer, code);
        }
        accepted.push(id);
        assert!(
            accepted.len() * padding < MEBIBYTES << 20,
            "the disk is not full"
        );
    }
}

#[track_caller]
fn wait_until_accepted(instance: &mut Instance, code: Code, accepted: &mut Vec<String>) {
    let address = instance.source();
    instance.wait_until("events are accepted again", |_| {
        let id = format!("{}", accepted.len());
        let answer = post(address, &event(&id));
        match answer.status {
            200 => accepted.push(id),
            _ => assert_refused(&answer, code),
        }
        answer.status == 200
    });
}
