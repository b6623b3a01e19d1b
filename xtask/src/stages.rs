//! What each stage of an event's way takes, in instructions, held to a baseline that is committed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::services;
use crate::step::{cargo, workspace_root};

/// The functions of crates/stages, in the order in which they run.
const STAGES: [&str; 8] = [
    "claim",
    "verify",
    "journal",
    "parse",
    "classify",
    "deduplicate",
    "project",
    "encode",
];

/// By how many percent a stage may grow unnoticed.
const TOLERANCE: u64 = 5;

const BASELINE: &str = "crates/stages/baseline.json";

/// What was counted.
#[derive(Debug, Deserialize, Serialize)]
struct Counts {
    /// Another compiler makes another program.
    compiler: String,
    instructions_per_event: BTreeMap<String, u64>,
}

impl Counts {
    fn of(&self, stage: &str) -> Option<u64> {
        self.instructions_per_event.get(stage).copied()
    }
}

/// Counts, and refuses growth.
pub(crate) fn check() -> anyhow::Result<()> {
    let path = workspace_root()?.join(BASELINE);
    let baseline = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let baseline: Counts = serde_json::from_slice(&baseline).context(BASELINE)?;
    let dumps = tempfile::tempdir()?;
    let counted = count(dumps.path())?;
    println!("{}", table(&counted, &baseline));
    if counted.compiler != baseline.compiler {
        println!(
            "The baseline is of {}, this is of {}: they cannot be compared.",
            baseline.compiler, counted.compiler
        );
        return Ok(());
    }
    let grown = grown(&counted, &baseline);
    if grown.is_empty() {
        return Ok(());
    }
    let dumps = dumps.keep();
    for stage in &grown {
        let dump = dump(&dumps, stage);
        println!(
            "Where {stage} spends them: callgrind_annotate --inclusive=yes {}",
            dump.display()
        );
    }
    bail!(
        "over {TOLERANCE} % more instructions than in {BASELINE}, or not in it: {}. If the change is worth it, \
         `cargo xtask stages --save` writes that file anew: commit it with the reason.",
        grown.join(", ")
    )
}

/// Counts, and makes it the baseline.
pub(crate) fn save() -> anyhow::Result<()> {
    let dumps = tempfile::tempdir()?;
    let counted = count(dumps.path())?;
    println!("{}", table(&counted, &counted));
    let mut text = serde_json::to_string_pretty(&counted)?;
    text.push('\n');
    Ok(fs::write(workspace_root()?.join(BASELINE), text)?)
}

/// Builds crates/stages and lets callgrind count it, which leaves its files in `dumps`.
fn count(dumps: &Path) -> anyhow::Result<Counts> {
    // A mistake in the journal's stage may leave its threads waiting for each other.
    let mut runner = ["timeout", "600"].map(str::to_owned).to_vec();
    runner.extend(services::valgrind()?);
    runner.extend(["-q", "--tool=callgrind"].map(str::to_owned));
    runner.push(format!(
        "--callgrind-out-file={}",
        dumps.join("out").display()
    ));
    // Each dump holds what was counted since the one before it.
    let stages = ["prepare"].into_iter().chain(STAGES);
    runner.extend(stages.map(|stage| format!("--dump-after=landfall_stages::stage::{stage}")));
    let runner = serde_json::to_string(&runner)?;
    let output = cargo()?
        .args(["run", "--profile", "stages", "--package", "landfall-stages"])
        .args(["--config", &format!("target.'cfg(all())'.runner={runner}")])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the stages do not run: see above");
    let events = String::from_utf8(output.stdout)?;
    let events = events
        .split(' ')
        .next()
        .and_then(|count| count.parse().ok());
    let events: NonZeroU64 = events.context("the stages must say how many events they took")?;

    let mut instructions_per_event = BTreeMap::new();
    for stage in STAGES {
        let dump = fs::read_to_string(dump(dumps, stage)).unwrap_or_default();
        let instructions = instructions(&dump, stage);
        let instructions = instructions.with_context(|| {
            format!("callgrind found no end of {stage}: is it a function that runs once, in its turn, and is not inlined?")
        })?;
        instructions_per_event.insert(stage.to_owned(), instructions / events);
    }
    Ok(Counts {
        compiler: compiler()?,
        instructions_per_event,
    })
}

/// Where callgrind writes what it counted up to the end of `stage`. The first is that of `prepare`.
fn dump(dumps: &Path, stage: &str) -> PathBuf {
    let before = STAGES.iter().take_while(|other| **other != stage).count();
    dumps.join(format!("out.{}", before + 2))
}

/// What a dump of callgrind's counted, if it was written at the end of `stage`.
fn instructions(dump: &str, stage: &str) -> Option<u64> {
    let value = |key| dump.lines().find_map(|line| line.strip_prefix(key));
    value("desc: Trigger: ")?
        .ends_with(&format!("::{stage}"))
        .then_some(())?;
    value("totals: ")?.parse().ok()
}

/// Such as `rustc 1.95.0 for x86_64-unknown-linux-gnu`.
fn compiler() -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let value = |key| text.lines().find_map(|line| line.strip_prefix(key));
    let (release, host) = (value("release: "), value("host: "));
    let release = release.context("rustc does not say its release")?;
    let host = host.context("rustc does not say its host")?;
    Ok(format!("rustc {release} for {host}"))
}

/// The stages that take more than is tolerated, or are not in the baseline.
fn grown(counted: &Counts, baseline: &Counts) -> Vec<&'static str> {
    let too_much = |stage: &&str| {
        let before = baseline.of(stage);
        before.is_none_or(|before| counted.of(stage) > Some(before + before * TOLERANCE / 100))
    };
    STAGES.into_iter().filter(too_much).collect()
}

fn table(counted: &Counts, baseline: &Counts) -> String {
    let mut table = "stage         instructions an event   change\n".to_owned();
    for stage in STAGES {
        let now = counted.of(stage).unwrap_or_default();
        let change = baseline.of(stage).map_or_else(
            || "new".to_owned(),
            |before| format!("{:+.1} %", (now as f64 / before as f64 - 1.0) * 100.0),
        );
        let _ = writeln!(table, "{stage:<12} {now:>22} {change:>8}");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of_parse: u64) -> Counts {
        let each = STAGES.map(|stage| (stage.to_owned(), 1_000));
        let mut instructions_per_event = BTreeMap::from(each);
        instructions_per_event.insert("parse".to_owned(), of_parse);
        Counts {
            compiler: "rustc 1.95.0".to_owned(),
            instructions_per_event,
        }
    }

    #[test]
    fn a_stage_that_takes_over_five_percent_more_is_named() {
        assert_eq!(grown(&counts(1_050), &counts(1_000)), [""; 0]);
        assert_eq!(grown(&counts(1_051), &counts(1_000)), ["parse"]);
        assert_eq!(grown(&counts(900), &counts(1_000)), [""; 0]);
    }

    #[test]
    fn a_stage_that_is_not_in_the_baseline_is_named() {
        let mut baseline = counts(1_000);
        baseline.instructions_per_event.remove("encode");
        assert_eq!(grown(&counts(1_000), &baseline), ["encode"]);
    }

    #[test]
    fn a_dump_counts_for_the_stage_that_it_ends_with() {
        let dump = "version: 1\ndesc: Trigger: --dump-after=landfall_stages::stage::parse\n\ntotals: 4711\n";
        assert_eq!(instructions(dump, "parse"), Some(4711));
        assert_eq!(instructions(dump, "arse"), None);
        assert_eq!(instructions("", "parse"), None);
    }
}
