//! What stands in the journals.

use std::fs;
use std::path::Path;

use landfall_journal::{DamageKind, Inspection, Position, inspect};
use landfall_topology::{BufferType, Config};

use super::{Finding, readable};

/// Looks at every journal in `data_dir`.
pub(super) fn journals(config: &Config, is_running: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let folders = fs::read_dir(&config.data_dir).into_iter().flatten();
    let mut folders: Vec<_> = folders.flatten().map(|folder| folder.path()).collect();
    folders.retain(|folder| folder.join("identity").is_file());
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let journal = match inspect(&folder) {
            Ok(journal) => journal,
            Err(error) => {
                let what = format!("{} cannot be read: {error}", folder.display());
                let advice = "use the release that wrote it, or mend what keeps it from being read";
                findings.push(Finding::trouble("journal", what, advice));
                continue;
            }
        };
        let used_by = config.sinks.get(&*name);
        let is_used = used_by.is_some_and(|sink| sink.buffer.r#type == BufferType::Disk);
        let waiting = waiting(&journal);
        if !is_used && waiting > 0 {
            let what = format!(
                "{} holds {} that no sink will land",
                folder.display(),
                readable(waiting)
            );
            let advice = "give a sink this name and a disk buffer until it has landed, or save it with landfall journal export";
            findings.push(Finding::trouble("journal", what, advice));
        }
        findings.extend(damage(&folder, &journal));
        if is_used {
            findings.push(backlog(&name, &journal, waiting, is_running));
        }
    }
    findings
}

/// Bytes of the log that have not landed: those behind the cursor that is furthest behind, all where none can be read.
fn waiting(journal: &Inspection) -> u64 {
    let cursors = journal.cursors.values();
    let landed = cursors.map(|cursor| cursor.map_or(0, Position::get));
    let landed = landed.min().unwrap_or_default();
    let segments = journal
        .segments
        .iter()
        .filter(|segment| segment.records > 0);
    segments
        .map(|segment| {
            let from = landed.saturating_sub(segment.base.get());
            segment.len.saturating_sub(from)
        })
        .sum()
}

fn damage(folder: &Path, journal: &Inspection) -> Option<Finding> {
    let damages = journal.segments.iter().flat_map(|segment| &segment.damages);
    // A torn tail is what a crash leaves, or an append that is under way; nothing of it was answered.
    let lost: u64 = damages
        .filter(|damage| damage.kind != DamageKind::Tail)
        .map(|damage| damage.len)
        .sum();
    (lost > 0).then(|| {
        let what = format!("{lost} bytes in {} cannot be read", folder.display());
        let advice = "see landfall journal inspect, and the disk: it lost what it had confirmed";
        Finding::trouble("journal", what, advice)
    })
}

fn backlog(name: &str, journal: &Inspection, waiting: u64, is_running: bool) -> Finding {
    let count = |prefix: &str| {
        let states = journal.states.iter();
        states.filter(|state| state.starts_with(prefix)).count()
    };
    let (plans, uploads) = (count("pending-"), count("upload-"));
    let what = format!(
        "{} of {name} have not landed; {plans} planned batches and {uploads} uploads in parts are not finished",
        readable(waiting)
    );
    if waiting + (plans + uploads) as u64 > 0 && !is_running {
        Finding::worry("lake", what, "start the service, which goes on from there")
    } else {
        Finding::fine("lake", what)
    }
}
