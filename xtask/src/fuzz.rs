use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::step::{cargo, run, target_directory, workspace_root};

/// A target of `fuzz/`, and the folders in the tree that hold inputs to begin with.
struct Target {
    name: &'static str,
    seeds: &'static [&'static str],
}

const TARGETS: &[Target] = &[
    Target {
        name: "front_door",
        seeds: &["fuzz/seeds/front_door"],
    },
    Target {
        name: "event",
        seeds: &["crates/appcues/samples", "fuzz/seeds/event"],
    },
    Target {
        name: "redact",
        seeds: &[
            "crates/appcues/samples",
            "fuzz/seeds/event",
            "fuzz/seeds/redact",
        ],
    },
    Target {
        name: "config",
        seeds: &["examples/config", "fuzz/seeds/config"],
    },
    Target {
        name: "journal_segment",
        seeds: &[],
    },
    Target {
        name: "vector_request",
        seeds: &["fuzz/seeds/vector_request"],
    },
];

/// What libFuzzer needs to be told of the code that it runs: the flags of cargo-fuzz that stable Rust knows too.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Fuzzes `name`, or all targets one after the other, for `time` each: optimised, and with coverage of every crate.
///
/// Inputs that reach new code are kept below the target directory, and are where the next run begins.
pub(crate) fn run_long(name: Option<&str>, time: Duration) -> anyhow::Result<()> {
    let chosen: Vec<_> = TARGETS
        .iter()
        .filter(|target| name.is_none_or(|name| name == target.name))
        .collect();
    let known = TARGETS.iter().map(|target| target.name);
    ensure!(
        !chosen.is_empty(),
        "there is no such target; known: {}",
        known.collect::<Vec<_>>().join(", ")
    );

    let host = Command::new("rustc")
        .args(["--print", "host-tuple"])
        .output()?;
    let host = String::from_utf8(host.stdout)?;
    let host = host.trim();
    let directory = target_directory()?.join("fuzz");
    let mut build = cargo_build()?;
    // Named although it is this machine's, or the flags would go to build scripts too.
    build
        .args(["--profile", "fuzz", "--target", host, "--target-dir"])
        .arg(&directory)
        .env("RUSTFLAGS", COVERAGE);
    run(&mut build, BUILD_ADVICE)?;

    for target in chosen {
        let corpus = directory.join("corpus").join(target.name);
        fs::create_dir_all(&corpus).with_context(|| format!("creating {}", corpus.display()))?;
        let program = directory.join(host).join("fuzz").join(target.name);
        fuzz(target, &program, &corpus, time)?;
    }
    Ok(())
}

/// Fuzzes every target for some seconds, in a build that shares its dependencies with the tests': only the workspace's
/// own crates have coverage. Enough to see at once what a change breaks.
pub(crate) fn run_short() -> anyhow::Result<()> {
    const TIME: Duration = Duration::from_secs(4);
    let mut build = cargo_build()?;
    let wrapper = workspace_root()?.join("fuzz/rustc-with-coverage");
    build
        .env("RUSTC_WORKSPACE_WRAPPER", wrapper)
        .env("COVERAGE", COVERAGE);
    run(&mut build, BUILD_ADVICE)?;
    for target in TARGETS {
        let corpus = tempfile::tempdir()?;
        let program = target_directory()?.join("debug").join(target.name);
        fuzz(target, &program, corpus.path(), TIME)?;
    }
    Ok(())
}

const BUILD_ADVICE: &str = "Repair what cargo names above; libFuzzer needs a C++ compiler.";

fn cargo_build() -> anyhow::Result<Command> {
    let mut command = cargo()?;
    // Of the whole workspace, so that dependencies have the features that the tests were built with.
    command.args(["build", "--workspace"]);
    for target in TARGETS {
        command.args(["--bin", target.name]);
    }
    Ok(command)
}

/// Begins with the inputs in the tree and those in `corpus`, and adds to `corpus`.
fn fuzz(target: &Target, program: &Path, corpus: &Path, time: Duration) -> anyhow::Result<()> {
    let root = workspace_root()?;
    let found = target_directory()?.join("fuzz/found");
    fs::create_dir_all(&found).with_context(|| format!("creating {}", found.display()))?;
    let mut command = Command::new(program);
    command
        .current_dir(&root)
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!(
            "-artifact_prefix={}/{}-",
            found.display(),
            target.name
        ))
        // The same inputs each time, until something differs.
        .args(["-seed=1", "-timeout=20", "-rss_limit_mb=2048"])
        .args(["-print_final_stats=1", "-print_funcs=0", "-verbosity=0"])
        .arg(corpus)
        .args(target.seeds);
    let advice = "The input is in the file named above: mend it, and keep the input in fuzz/seeds.";
    run(&mut command, advice)
}
