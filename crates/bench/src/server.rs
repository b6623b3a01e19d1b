use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use landfall_core::Secret;
use landfall_testkit::{ObjectStore, Process, free_address, get};

use crate::lake::Lake;

/// Everything here is signed with it.
pub(crate) fn secret() -> Secret {
    Secret::new("a secret only of this benchmark")
}

pub(crate) const PATH: &str = "/webhooks/appcues";

/// Far more than a start needs, with the largest backlog.
const START: Duration = Duration::from_secs(60);

/// A program that is measured, as a child process.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Where it takes requests.
    pub(crate) address: SocketAddr,
    /// Where Landfall tells of itself.
    api: Option<SocketAddr>,
    /// From its start until it answered.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts `command`, and waits until any request to `address` is answered, however it is.
    ///
    /// # Errors
    /// It ends, or does not answer within a minute.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut process = Process::spawn(command);
        while get(address, "/").is_err() {
            ensure!(
                process.status().is_none() && begun.elapsed() < START,
                "{} does not answer on {address}\n{}{}",
                command.get_program().display(),
                process.stdout(),
                process.stderr()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self {
            process,
            address,
            api: None,
            started_in: begun.elapsed(),
        })
    }

    /// The sum of all series of `name` on `/metrics`; `None` if there is none, or the server tells nothing of itself.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = get(self.api?, "/metrics").ok()?.text();
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, _) = series.split_once('{').unwrap_or((series, ""));
            (found == name).then(|| value.parse::<f64>().ok())?
        });
        values.reduce(|a, b| a + b)
    }
}

/// Landfall as it is measured.
#[derive(Debug)]
pub(crate) struct Landfall {
    exe: PathBuf,
}

impl Landfall {
    /// The binary `exe`, or the one beside this program.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn find(exe: Option<&Path>) -> anyhow::Result<Self> {
        let exe = match exe {
            Some(exe) => exe.to_owned(),
            None => std::env::current_exe()?.with_file_name("landfall"),
        };
        ensure!(
            exe.is_file(),
            "{} is not there: `cargo xtask bench` builds it",
            exe.display()
        );
        Ok(Self { exe })
    }

    /// Starts it with its journal in `dir`, landing in `lake`, with these further settings of the sink.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start(&self, dir: &Path, lake: &Lake<'_>, sink: &str) -> anyhow::Result<Server> {
        let (source, api) = (free_address(), free_address());
        let file = dir.join("landfall.toml");
        fs::write(&file, config(dir, source, api, lake, sink))?;
        let mut command = Command::new(&self.exe);
        command
            .args([OsString::from("run"), "--config".into(), file.into()])
            .env_clear()
            .env("APPCUES_WEBHOOK_SECRET", secret().expose());
        Ok(Server {
            api: Some(api),
            ..Server::start(&mut command, source).context("starting landfall")?
        })
    }

    /// Where the journal of [`start`](Self::start) lies.
    pub(crate) fn journal(dir: &Path) -> PathBuf {
        dir.join("data/lake")
    }
}

fn config(dir: &Path, source: SocketAddr, api: SocketAddr, lake: &Lake<'_>, sink: &str) -> String {
    let uri = match lake {
        Lake::Directory(path) => path.display().to_string(),
        Lake::S3(_, prefix) => format!("s3://{}/{prefix}", ObjectStore::BUCKET),
    };
    let storage = match lake {
        Lake::Directory(_) => String::new(),
        Lake::S3(store, _) => format!(
            r#"
[sinks.lake.storage]
endpoint = "{}"
allow_http = "true"
region = "us-east-1"
access_key_id = "{}"
secret_access_key = "{}"
"#,
            store.endpoint(),
            ObjectStore::ACCESS_KEY,
            ObjectStore::SECRET_KEY
        ),
    };
    format!(
        r#"
data_dir = "{data}"
api.address = "{api}"

[sources.appcues]
type = "appcues"
address = "{source}"
path = "{PATH}"
signature.secrets = ["${{APPCUES_WEBHOOK_SECRET}}"]

[sinks.lake]
type = "parquet"
inputs = ["appcues"]
uri = "{uri}"
{sink}
{storage}"#,
        data = dir.join("data").display()
    )
}
