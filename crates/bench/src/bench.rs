use std::path::Path;
use std::time::Duration;

use landfall_testkit::ObjectStore;

use crate::arguments::{Common, Destination, Loads};
use crate::bare;
use crate::batch::ROWS_PER_GROUP;
use crate::floor::Floor;
use crate::lake::Lake;
use crate::load::{Load, Pace};
use crate::machine::Machine;
use crate::report::{self, Report};
use crate::run::measure;
use crate::server::{Landfall, PATH, Server, secret};
use crate::vector::Vector;
use crate::{Requests, USERS, bodies};

/// With how many connections the floor is measured, and what is sent at a rate.
const CONNECTIONS: usize = 64;

/// Batches are closed early, so that some land while the load goes on.
const SINK: &str = "batch.timeout_secs = 5";

/// Starts a program with its buffer in a folder, to land in a lake.
type Start<'a> = dyn Fn(&Path, &Lake<'_>) -> anyhow::Result<Server> + 'a;

/// Measures what `arguments` ask for, prints a table and writes it down.
///
/// # Errors
/// A program fails, or cannot be started.
pub(crate) fn run(arguments: &Loads, common: &Common) -> anyhow::Result<()> {
    let landfall = Landfall::find(common.landfall.as_deref())?;
    let dir = common.dir()?;
    let (users, fsyncs, encoded, secs) = if common.quick {
        (USERS / 10, 100, ROWS_PER_GROUP / 4, 2)
    } else {
        (USERS, 500, 8 * ROWS_PER_GROUP, arguments.seconds)
    };
    println!("preparing requests …");
    let mut requests = prepare(users);

    let machine = Machine::look_at(&dir, fsyncs)?;
    println!("\n{machine}");
    let load = |connections, pace| Load {
        connections,
        pace,
        time: Duration::from_secs(secs),
        events: arguments.events,
    };
    let floor = Floor::measure(&load(CONNECTIONS, Pace::Closed), &mut requests, encoded)?;
    println!("\n{floor}");

    let closed = arguments.connections.iter();
    let closed = closed.map(|count| load(*count, Pace::Closed));
    let rates = arguments.rates.iter();
    let rates = rates.map(|rate| load(CONNECTIONS, Pace::PerSecond(*rate)));
    let loads: Vec<_> = closed.chain(rates).collect();

    println!(
        "\na bare server that verifies a request, appends its body to a file and answers after an fsync:"
    );
    let mut bare_runs = Vec::new();
    for load in &loads {
        let work = tempfile::tempdir_in(&dir)?;
        requests.renew();
        let measured = bare::measure(load, &mut requests, Some(&work.path().join("bodies")))?;
        println!("  {measured}");
        bare_runs.push(measured);
    }
    println!("{}", report::HEAD);

    let start_landfall = |dir: &Path, lake: &Lake<'_>| landfall.start(dir, lake, SINK);
    let vector = Vector::from_env();
    let start_vector = vector
        .as_ref()
        .map(|vector| |dir: &Path, lake: &Lake<'_>| vector.start(dir, lake));
    let mut runs = Vec::new();
    for into in &arguments.into {
        let store = (*into == Destination::S3).then(ObjectStore::start);
        let mut programs: Vec<(_, &Start<'_>)> = vec![("landfall", &start_landfall)];
        if let (Some(_), Some(start_vector)) = (&store, &start_vector) {
            programs.push(("vector", start_vector));
        }
        for (program, start) in programs {
            for (number, load) in loads.iter().enumerate() {
                let work = tempfile::tempdir_in(&dir)?;
                let lake = match &store {
                    Some(store) => Lake::S3(store, format!("{program}-{number}")),
                    None => Lake::Directory(work.path().join("lake")),
                };
                let server = start(work.path(), &lake)?;
                requests.renew();
                let (run, _) = measure(program, server, &lake, load, &mut requests, Some(&floor))?;
                println!("{run}");
                runs.push(run);
            }
        }
    }
    println!("{}", report::LEGEND);
    let report = Report {
        machine,
        floor,
        bare: bare_runs,
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
