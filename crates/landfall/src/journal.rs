use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use landfall_journal::{Damage, export, inspect};
use landfall_topology::decode_record;

/// Prints what is in the journal at `dir`.
pub(crate) fn print_inspection(dir: &Path) -> anyhow::Result<()> {
    let journal = inspect(dir).with_context(|| format!("cannot inspect {}", dir.display()))?;
    let mut out = io::stdout().lock();
    writeln!(out, "journal   {}", hex::encode(journal.id))?;
    writeln!(out, "format    {}", journal.version)?;
    if !journal.identity_intact {
        writeln!(out, "identity  damaged; the one in the segments is used")?;
    }
    writeln!(
        out,
        "\n{:>20} {:>12} {:>10} {:>14}",
        "segment", "bytes", "records", "payload bytes"
    )?;
    for segment in &journal.segments {
        writeln!(
            out,
            "{:>20} {:>12} {:>10} {:>14}",
            segment.base, segment.len, segment.records, segment.payload_bytes
        )?;
    }
    let count: u64 = journal.segments.iter().map(|segment| segment.records).sum();
    let bytes: u64 = journal.segments.iter().map(|segment| segment.len).sum();
    writeln!(out, "{:>20} {bytes:>12} {count:>10}", "all")?;

    writeln!(out, "\ncursors")?;
    for (name, position) in &journal.cursors {
        match position {
            Some(position) => writeln!(out, "  {name} at {position}")?,
            None => writeln!(
                out,
                "  {name} is damaged; it starts again at the oldest segment"
            )?,
        }
    }
    writeln!(out, "\ndamage")?;
    let mut damages = journal
        .segments
        .iter()
        .flat_map(|segment| &segment.damages)
        .peekable();
    if damages.peek().is_none() {
        writeln!(out, "  none")?;
    }
    for damage in damages {
        let Damage {
            position,
            len,
            kind,
        } = damage;
        writeln!(out, "  {len} bytes at {position}: {kind}")?;
    }
    writeln!(out, "\nstate")?;
    for name in &journal.states {
        writeln!(out, "  {name}")?;
    }
    Ok(())
}

/// Writes the request bodies in the journal at `dir` to standard output, one a line.
pub(crate) fn write_export(dir: &Path) -> anyhow::Result<()> {
    let records = export(dir).with_context(|| format!("cannot export {}", dir.display()))?;
    let mut out = BufWriter::new(io::stdout().lock());
    for record in records {
        let Some(event) = decode_record(&record?) else {
            continue;
        };
        out.write_all(&json_line(&event.body)?)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// A body on one line. In JSON a raw line break is never more than white space, so that a blank in its place changes
/// nothing. A body that is no JSON is shown as a list of its bytes.
fn json_line(body: &[u8]) -> serde_json::Result<Vec<u8>> {
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err() {
        return serde_json::to_vec(&serde_json::json!({ "not_json": body }));
    }
    let blank = |byte: &u8| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            *byte
        }
    };
    Ok(body.iter().map(blank).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_becomes_one_line_of_json() {
        let line = |body: &[u8]| String::from_utf8(json_line(body).unwrap()).unwrap();
        assert_eq!(line(b"{\r\n\"a\": \"b\\nc\"}\n"), "{  \"a\": \"b\\nc\"} ");
        assert_eq!(line(b"a\xff"), "{\"not_json\":[97,255]}");
    }
}
