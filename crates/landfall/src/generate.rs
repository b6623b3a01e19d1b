use std::fs::{self, File};
use std::io::{BufWriter, Write as _, stdout};
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::Offset;
use landfall_appcues::sign;
use landfall_core::Secret;
use landfall_traffic::{Plan, requests};
use serde::Deserialize;
use serde_json::json;

use crate::cli::Generate;

/// Writes a file of JSON lines for each day on which requests are sent.
pub(crate) fn generate(args: Generate) -> anyhow::Result<()> {
    let midnight = Offset::UTC.to_timestamp(args.from.at(0, 0, 0, 0))?;
    let plan = Plan {
        days: args.days,
        users: args.users,
        seed: args.seed,
        first_day: midnight.as_millisecond(),
    };
    let secret = args.secret.map(Secret::new);
    let requests = requests(&plan);
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let day = |sent_at| -> anyhow::Result<String> {
        let time = Timestamp::from_millisecond(sent_at)?;
        Ok(time.strftime("%Y-%m-%d").to_string())
    };
    let mut first = 0;
    while let Some(request) = requests.get(first) {
        let name = day(request.sent_at)?;
        let path = args.out.join(format!("{name}.jsonl"));
        let cannot_write = || format!("cannot write {}", path.display());
        let mut file = BufWriter::new(File::create(&path).with_context(cannot_write)?);
        let mut written = 0;
        for request in &requests[first..] {
            if day(request.sent_at)? != name {
                break;
            }
            let timestamp = request.sent_at.to_string();
            let mut headers = json!({ "X-Apc-Timestamp": timestamp });
            if let Some(secret) = &secret {
                headers["X-Apc-Signature"] =
                    sign(secret, &timestamp, request.body.as_bytes()).into();
            }
            let line = json!({ "body": request.body, "headers": headers });
            writeln!(file, "{line}").with_context(cannot_write)?;
            written += 1;
        }
        file.flush().with_context(cannot_write)?;
        writeln!(stdout(), "{}  {written} requests", path.display())?;
        first += written;
    }
    Ok(())
}

/// The bodies in a file: one, or one a line if it is `.jsonl`. A line may be as [`generate`] writes it, or the body itself.
pub(crate) fn bodies_in(file: &Path) -> anyhow::Result<Vec<Bytes>> {
    #[derive(Deserialize)]
    struct Line {
        body: String,
    }
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    if file
        .extension()
        .is_none_or(|extension| extension != "jsonl")
    {
        return Ok(vec![content.into()]);
    }
    let content = Bytes::from(content);
    let lines = content.split(|byte| *byte == b'\n');
    let bodies = lines.filter(|line| !line.is_empty()).map(|line| {
        let generated = serde_json::from_slice(line).map(|Line { body }| body.into());
        generated.unwrap_or_else(|_| content.slice_ref(line))
    });
    Ok(bodies.collect())
}
