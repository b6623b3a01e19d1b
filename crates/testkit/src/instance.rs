use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{LIMIT, POLL_INTERVAL};
use crate::{Ended, Process, free_address, get};

/// The landfall binary with a folder, two free ports and an environment of its own, before it is started.
#[derive(Debug)]
pub struct Landfall {
    exe: PathBuf,
    dir: TempDir,
    env: Vec<(String, String)>,
    source: SocketAddr,
    api: SocketAddr,
}

impl Landfall {
    /// The binary at `exe`, which a test of its package knows as `env!("CARGO_BIN_EXE_landfall")`.
    pub fn new(exe: impl Into<PathBuf>) -> Self {
        Self {
            exe: exe.into(),
            dir: tempfile::tempdir().expect("making a temporary folder"),
            env: Vec::new(),
            source: free_address(),
            api: free_address(),
        }
    }

    /// Sets an environment variable for the binary.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder of its own, removed at the end; the binary's working directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address for its source.
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// The address for its health and metrics.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// Writes a file into its folder, with `{source}`, `{api}` and `{dir}` filled in.
    pub fn write(&self, name: &str, template: &str) -> PathBuf {
        let path = self.dir().join(name);
        let text = template
            .replace("{source}", &self.source.to_string())
            .replace("{api}", &self.api.to_string())
            .replace("{dir}", &self.dir().display().to_string());
        fs::write(&path, text).expect("writing into the temporary folder");
        path
    }

    /// A command of the binary that sees no variable of the developer's which could change what it does.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.exe);
        command.args(args).current_dir(self.dir()).env_clear();
        for kept in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the binary to its end.
    ///
    /// # Panics
    /// If it takes longer than a minute.
    #[track_caller]
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ended {
        Process::spawn(&mut self.command(args)).wait(LIMIT)
    }

    /// Starts `landfall run --config <config>` and waits until its health answers.
    ///
    /// # Panics
    /// If it ends before that, or is not healthy within a minute.
    #[track_caller]
    pub fn start(self, config: &Path) -> Instance {
        let mut instance = self.spawn(config);
        instance.wait_until("it is healthy", |instance| {
            get(instance.api(), "/health").is_ok_and(|health| health.status == 200)
        });
        instance
    }

    /// Starts `landfall run --config <config>` and does not wait for anything.
    #[track_caller]
    pub fn spawn(self, config: &Path) -> Instance {
        let mut command = self.command(["run", "--config"]);
        Instance {
            process: Process::spawn(command.arg(config)),
            landfall: self,
        }
    }
}

/// A running landfall. Killed when dropped.
#[derive(Debug)]
pub struct Instance {
    // Before its folder, since fields are dropped in order and the folder must outlive the process.
    process: Process,
    landfall: Landfall,
}

impl Instance {
    /// The address its source listens on.
    pub fn source(&self) -> SocketAddr {
        self.landfall.source
    }

    /// The address its health and metrics answer on.
    pub fn api(&self) -> SocketAddr {
        self.landfall.api
    }

    /// The folder of its own.
    pub fn dir(&self) -> &Path {
        self.landfall.dir()
    }

    /// The binary with this instance's folder, ports and environment, for a second command beside it.
    pub fn landfall(&self) -> &Landfall {
        &self.landfall
    }

    /// The lines that it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The most memory that it has held so far, in KiB.
    ///
    /// # Panics
    /// If the system does not say.
    #[track_caller]
    pub fn peak_memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("the status of an own child");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        peak.and_then(|peak| peak.parse().ok())
            .expect("a peak in kB")
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.status().is_none()
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// With `what` and all that the process said, if it ends before that, or a minute passes.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition(self) {
            assert!(
                Instant::now() < deadline && self.is_running(),
                "waited in vain until {what}\n{}",
                self.stderr()
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// The sum of all series of the counter or gauge `name` on `/metrics`; 0 if there is none yet.
    ///
    /// # Panics
    /// If the metrics do not answer, or the sum is no whole number.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        let sum = self.metric_with(name, "");
        assert!(sum.fract() == 0.0, "{name} is {sum}");
        sum as u64
    }

    /// The sum of those series of `name` on `/metrics` in whose labels `label` stands, such as `error_code="timeout"`; 0 if
    /// there is none yet.
    ///
    /// # Panics
    /// If the metrics do not answer, or a value is no number.
    #[track_caller]
    pub fn metric_with(&self, name: &str, label: &str) -> f64 {
        let answer = get(self.api(), "/metrics").expect("metrics answer");
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, labels) = series.split_once('{').unwrap_or((series, ""));
            (found == name && labels.contains(label))
                .then(|| value.parse::<f64>().expect("a number"))
        };
        answer.text().lines().filter_map(value).sum()
    }

    /// Sends `signal`, and does not wait for anything.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Asks it to stop with SIGTERM, and waits until it has.
    ///
    /// # Panics
    /// If it is still running after a minute.
    #[track_caller]
    pub fn terminate(self) -> Ended {
        self.stop(Signal::TERM).0
    }

    /// Ends it at once with SIGKILL, as a crash would, and leaves its folder to be started in again.
    #[track_caller]
    pub fn kill(self) -> Landfall {
        self.stop(Signal::KILL).1
    }

    /// Sends `signal`, and waits until the process has ended.
    ///
    /// # Panics
    /// If it is still running after a minute.
    #[track_caller]
    pub fn stop(mut self, signal: Signal) -> (Ended, Landfall) {
        self.signal(signal);
        self.end()
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Panics
    /// If it is still running after a minute.
    #[track_caller]
    pub fn end(self) -> (Ended, Landfall) {
        (self.process.wait(LIMIT), self.landfall)
    }
}
