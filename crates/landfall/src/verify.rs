use std::fs;
use std::io::{Read as _, Write as _, stdin, stdout};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use landfall_appcues::{Captured, explain};
use landfall_core::{Secret, Timestamp};

use crate::cli::{SecretFrom, Verify};

/// Says that the signature matches, or fails with the reasons why it does not.
pub(crate) fn verify(args: &Verify) -> anyhow::Result<()> {
    let request = Captured {
        signature: &args.signature,
        timestamp: &args.timestamp,
        body: &body(&args.body)?,
    };
    let reasons = explain(
        request,
        &secret(&args.secret)?,
        Timestamp::now(),
        args.tolerance_secs,
    );
    if reasons.is_empty() {
        writeln!(stdout(), "the signature matches")?;
        return Ok(());
    }
    bail!("the request is not accepted\n- {}", reasons.join("\n- "))
}

fn body(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    if path == Path::new("-") {
        stdin()
            .read_to_end(&mut body)
            .context("cannot read standard input")?;
        return Ok(body);
    }
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn secret(from: &SecretFrom) -> anyhow::Result<Secret> {
    if let Some(name) = &from.secret_env {
        let secret = std::env::var(name);
        // The error of `var` would show what the variable holds.
        let secret = secret.map_err(|_| anyhow!("{name} is not set, or holds no Unicode text"))?;
        return Ok(Secret::new(secret));
    }
    let path = from.secret_file.as_deref().context("no secret is given")?;
    let secret =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // As the service reads `secret_files`.
    Ok(Secret::new(secret.trim_end_matches(['\r', '\n'])))
}
