use std::path::Path;
use std::time::Duration;

use landfall_testkit::ObjectStore;

use crate::arguments::{Common, Destination, Loads};
use crate::batch::ROWS_PER_GROUP;
use crate::floor::Floor;
use crate::lake::Lake;
use crate::load::{Load, Pace};
use crate::machine::Machine;
use crate::report::{self, Report};
use crate::run::measure;
use crate::server::{Landfall, PATH, secret};
use crate::vector::Vector;
use crate::{Requests, USERS, bodies};

/// With how many connections the floor is measured, and what is sent at a rate.
const CONNECTIONS: usize = 64;

/// Batches are closed early, so that some land while the load goes on.
const SINK: &str = "batch.timeout_secs = 5";

/// Measures `loads`, prints a table and writes it down.
///
/// # Errors
/// A program fails, or cannot be started.
pub(crate) fn run(loads: &Loads, common: &Common) -> anyhow::Result<()> {
    let landfall = Landfall::find(common.landfall.as_deref())?;
    let dir = common.dir()?;
    let (users, fsyncs, encoded) = if common.quick {
        (USERS / 10, 100, ROWS_PER_GROUP / 4)
    } else {
        (USERS, 500, 8 * ROWS_PER_GROUP)
    };
    let time = Duration::from_secs(if common.quick { 2 } else { loads.seconds });
    println!("preparing requests …");
    let mut requests = prepare(users);

    let machine = Machine::look_at(&dir, fsyncs)?;
    println!("\n{machine}");
    let load = |connections, pace| Load {
        connections,
        pace,
        time,
        events: loads.events,
    };
    let floor = Floor::measure(&load(CONNECTIONS, Pace::Closed), &mut requests, encoded)?;
    println!("\n{floor}\n{}", report::HEAD);

    let closed = loads.connections.iter().map(|count| (*count, Pace::Closed));
    let rates = loads
        .rates
        .iter()
        .map(|rate| (CONNECTIONS, Pace::PerSecond(*rate)));
    let loads_of = closed
        .chain(rates)
        .map(|(connections, pace)| load(connections, pace));
    let loads_of: Vec<_> = loads_of.collect();
    let mut runs = Vec::new();
    for into in &loads.into {
        let store = (*into == Destination::S3).then(ObjectStore::start);
        for (number, load) in loads_of.iter().enumerate() {
            let work = tempfile::tempdir_in(&dir)?;
            let lake = lake(work.path(), store.as_ref(), &format!("landfall-{number}"));
            let server = landfall.start(work.path(), &lake, SINK)?;
            requests.renew();
            let run = measure("landfall", server, &lake, load, &mut requests, Some(&floor))?.0;
            println!("{run}");
            runs.push(run);
        }
        let (Some(store), Some(vector)) = (&store, Vector::from_env()) else {
            continue;
        };
        for (number, load) in loads_of.iter().enumerate() {
            let work = tempfile::tempdir_in(&dir)?;
            let prefix = format!("vector-{number}");
            let server = vector.start(work.path(), store, &prefix)?;
            let lake = Lake::S3(store, prefix);
            requests.renew();
            let run = measure("vector", server, &lake, load, &mut requests, Some(&floor))?.0;
            println!("{run}");
            runs.push(run);
        }
    }
    println!("{}", report::LEGEND);
    let report = Report {
        machine,
        floor,
        runs,
    };
    let path = report::write(&dir, "bench", &report)?;
    println!("\nall numbers: {}", path.display());
    Ok(())
}

/// Requests of so many users.
pub(crate) fn prepare(users: u32) -> Requests {
    let bodies = bodies(users);
    Requests::new(bodies.iter().map(String::as_str), PATH, &secret(), 1)
}

fn lake<'a>(work: &Path, store: Option<&'a ObjectStore>, prefix: &str) -> Lake<'a> {
    match store {
        Some(store) => Lake::S3(store, prefix.to_owned()),
        None => Lake::Directory(work.join("lake")),
    }
}
