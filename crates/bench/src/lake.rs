use std::fs;
use std::ops::AddAssign;
use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;
use landfall_testkit::{ObjectStore, files_below};
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};

/// Where events are landed.
pub(crate) enum Lake<'a> {
    /// On the disk that the journal is on too.
    Directory(PathBuf),
    /// In SeaweedFS, below a prefix.
    S3(&'a ObjectStore, String),
}

/// What is in a lake, from the footers of its files.
#[derive(Debug, Default)]
pub(crate) struct Landed {
    pub(crate) events: u64,
    /// Of all files.
    pub(crate) bytes: u64,
    /// Of the column `payload`.
    pub(crate) payload_bytes: u64,
    pub(crate) files: u64,
    /// The first and the last position in the journal, if the names of the files tell.
    span: Option<(u64, u64)>,
}

impl Lake<'_> {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Directory(_) => "directory",
            Self::S3(..) => "S3",
        }
    }

    /// Everything in it.
    ///
    /// # Errors
    /// A file is no Parquet.
    pub(crate) fn landed(&self) -> anyhow::Result<Landed> {
        let mut landed = Landed::default();
        match self {
            Self::Directory(path) => {
                for file in files_below(path, ".parquet") {
                    let name = file.to_string_lossy().into_owned();
                    landed += Landed::file(&name, &fs::read(&file)?.into())?;
                }
            }
            Self::S3(store, prefix) => {
                for object in store.objects(&format!("{prefix}/")) {
                    if object.key.ends_with(".parquet") {
                        landed += Landed::file(&object.key, &store.read(&object.key).into())?;
                    }
                }
            }
        }
        Ok(landed)
    }
}

impl Landed {
    fn file(name: &str, content: &Bytes) -> anyhow::Result<Self> {
        let footer = ParquetMetaDataReader::new()
            .parse_and_finish(content)
            .with_context(|| format!("reading {name}"))?;
        let columns = footer
            .row_groups()
            .iter()
            .flat_map(RowGroupMetaData::columns);
        let payloads = columns.filter(|column| column.column_path().string() == "payload");
        Ok(Self {
            events: footer.file_metadata().num_rows() as u64,
            bytes: content.len() as u64,
            payload_bytes: payloads.map(|column| column.compressed_size() as u64).sum(),
            files: 1,
            span: span(name),
        })
    }

    /// How many bytes of the journal hold what landed.
    pub(crate) fn journal_bytes(&self) -> Option<u64> {
        self.span.map(|(first, last)| last - first)
    }
}

impl AddAssign for Landed {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.payload_bytes += other.payload_bytes;
        self.files += other.files;
        let spans = self.span.into_iter().chain(other.span);
        self.span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    }
}

/// Of `…/<writer>-<first>-<last>.parquet`.
fn span(name: &str) -> Option<(u64, u64)> {
    let mut parts = name.strip_suffix(".parquet")?.rsplit('-');
    let last = parts.next()?.parse().ok()?;
    Some((parts.next()?.parse().ok()?, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_from_the_names_of_files() {
        let name = "s3/events/date=2026-06-01/0f-00000000000000000064-00000000000000007864.parquet";
        assert_eq!(span(name), Some((64, 7864)));
        assert_eq!(span("date=2026-06-01/1780272000-0f.parquet"), None);

        let of = |span| Landed {
            span,
            ..Landed::default()
        };
        let mut landed = of(Some((200, 300)));
        landed += of(None);
        landed += of(Some((64, 250)));
        assert_eq!(landed.journal_bytes(), Some(236));
    }
}
