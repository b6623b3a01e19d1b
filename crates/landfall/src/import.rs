//! `landfall import`: Appcues' bulk export into the lake.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use landfall_appcues::export_to_body;
use landfall_core::{Event, Timestamp};
use landfall_sink_parquet::Copies;
use landfall_topology::Config;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use zip::ZipArchive;

use crate::backfill::{self, Report};
use crate::cli;

/// No event is as long; what is longer is no export.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// Lines are read ahead, in lists of so many, or fewer if these are long.
const LINES_AT_A_TIME: usize = 256;
const BYTES_AT_A_TIME: usize = 1024 * 1024;

/// The first bytes of gzip.
const GZIP: &[u8] = b"\x1f\x8b";

/// The first bytes of a zip archive, and of an empty one.
const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// A line of an export.
struct Line {
    file: usize,
    /// Counted from 1 in each file; through all of an archive.
    number: u64,
    bytes: Vec<u8>,
}

pub(crate) async fn import(
    config: &Config,
    lake: &cli::Lake,
    files: Vec<PathBuf>,
) -> anyhow::Result<()> {
    let mut opened = backfill::open(config, lake, Copies::SameType).await?;
    let mut size = 0;
    for file in &files {
        let metadata = file.metadata();
        size += metadata
            .with_context(|| format!("cannot read {}", file.display()))?
            .len();
    }
    let progress = ProgressBar::new(size).with_style(style());
    let (sender, mut lines) = mpsc::channel(4);
    let reading = spawn_blocking({
        let (files, progress) = (files.clone(), progress.clone());
        move || read_all(&files, &progress, &sender)
    });

    let mut report = Report::default();
    while let Some(some) = lines.recv().await {
        for line in some {
            let Line {
                file,
                number,
                bytes,
            } = line;
            let place = || format!("{}:{number}", files[file].display());
            let Ok(text) = str::from_utf8(&bytes) else {
                report.add_broken("not_utf8", place);
                continue;
            };
            // Some programs begin a file with a byte order mark, and files may have been joined.
            let text = text.trim_start_matches('\u{feff}');
            if text.trim().is_empty() {
                continue;
            }
            let body = export_to_body(text).into_owned();
            let event = Event::new(Timestamp::now(), body);
            report.add(opened.push(event).await?, place);
        }
    }
    // Before the end is reported: what was read until a file broke off is worth landing too.
    opened.backfill.finish().await?;
    progress.finish_and_clear();
    report.print()?;
    reading.await??;
    if report.broken() > 0 {
        bail!("{} lines are no events", report.broken());
    }
    Ok(())
}

fn read_all(
    files: &[PathBuf],
    progress: &ProgressBar,
    lines: &mpsc::Sender<Vec<Line>>,
) -> anyhow::Result<()> {
    for (index, path) in files.iter().enumerate() {
        let mut reader = LineReader {
            file: index,
            number: 0,
            lines,
        };
        reader
            .read_file(path, progress)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(())
}

struct LineReader<'a> {
    file: usize,
    number: u64,
    lines: &'a mpsc::Sender<Vec<Line>>,
}

impl LineReader<'_> {
    /// Reads a file, whichever of the three kinds it is, told by its first bytes. What an archive holds may be gzip too.
    fn read_file(&mut self, path: &Path, progress: &ProgressBar) -> anyhow::Result<()> {
        let mut file = File::open(path)?;
        let magic = first_bytes(&mut file)?;
        if !ZIP.contains(&magic.as_slice()) {
            // Not by seeking back, which a pipe cannot.
            return Ok(self.read_text(magic.chain(progress.wrap_read(file)))?);
        }
        file.rewind()?;
        let mut archive = ZipArchive::new(progress.wrap_read(file))?;
        for index in 0..archive.len() {
            let entry = archive.by_index(index)?;
            if entry.is_file() && !is_of_macos(entry.name_raw()) {
                self.read_text(entry)?;
            }
        }
        Ok(())
    }

    fn read_text(&mut self, mut text: impl Read) -> io::Result<()> {
        let magic = first_bytes(&mut text)?;
        let text = magic.chain(text);
        if magic.starts_with(GZIP) {
            self.read_lines(BufReader::new(MultiGzDecoder::new(text)))
        } else {
            self.read_lines(BufReader::new(text))
        }
    }

    fn read_lines(&mut self, mut text: impl BufRead) -> io::Result<()> {
        loop {
            let mut lines = Vec::with_capacity(LINES_AT_A_TIME);
            let mut size = 0;
            while lines.len() < LINES_AT_A_TIME && size < BYTES_AT_A_TIME {
                let mut bytes = Vec::new();
                let mut limited = text.by_ref().take(MAX_LINE_BYTES);
                if limited.read_until(b'\n', &mut bytes)? == 0 {
                    break;
                }
                if bytes.len() as u64 == MAX_LINE_BYTES {
                    let problem = format!("line {} is longer than any event", self.number + 1);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
                }
                size += bytes.len();
                self.number += 1;
                bytes.truncate(bytes.trim_ascii_end().len());
                let (file, number) = (self.file, self.number);
                lines.push(Line {
                    file,
                    number,
                    bytes,
                });
            }
            // Nobody listens any more: the import has failed, and says why itself.
            if lines.is_empty() || self.lines.blocking_send(lines).is_err() {
                return Ok(());
            }
        }
    }
}

fn first_bytes(mut text: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    text.by_ref().take(4).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What macOS packs beside the files that it was told to.
fn is_of_macos(name: &[u8]) -> bool {
    name.starts_with(b"__MACOSX/") || name.ends_with(b".DS_Store")
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
