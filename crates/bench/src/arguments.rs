use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

pub(crate) const ABOUT: &str = "Measure the release binary: what an event costs, how soon it is answered, what it leaves on disk";

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                                everything but `scale`, in some minutes
  cargo xtask bench --quick                        in about a minute, to see that it works
  cargo xtask bench --connections 64 --rates 10000 --into directory
  cargo xtask bench --landfall /usr/bin/landfall   another build of it
  LANDFALL_BENCH_VECTOR=/usr/bin/vector cargo xtask bench --into s3
  cargo xtask bench scale --backlogs 1000000 --cores 2 --growth 0

What the numbers mean, and those of a real run: docs/performance.md";

/// What can be asked of the benchmark. `cargo xtask bench` reads it too, to refuse what is wrong before it builds.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) loads: Loads,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Measure little and shortly, in about a minute: to see that it works, not to compare
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// The binary to measure; without it the one that lies beside this program
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) landfall: Option<PathBuf>,
    /// Where journals, lakes and results are written, `bench` in the target directory without it: it is this disk that is measured
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Loads {
    /// Send as fast as answers come, on so many connections; one measurement each
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,64,512",
        value_name = "N,…"
    )]
    pub(crate) connections: Vec<usize>,
    /// Send so many events a second, on 64 connections, however late answers are; one measurement each
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..),
        default_value = "1000,10000,20000",
        value_name = "N,…"
    )]
    pub(crate) rates: Vec<u32>,
    /// How long each measurement sends
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// The most that each measurement sends
    #[arg(long, default_value_t = 5_000_000)]
    pub(crate) events: u64,
    /// Where to land: a directory, SeaweedFS
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "directory,s3",
        value_name = "WHERE,…"
    )]
    pub(crate) into: Vec<Destination>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Destination {
    Directory,
    S3,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure how memory and time grow with the backlog, with partitions and with what has come, and draw it
    Scale(Scale),
    /// Be the server that does the least
    #[command(hide = true)]
    Bare {
        /// Where to listen
        address: SocketAddr,
        /// What to append bodies to before they are answered
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// Backlogs that are made and drained, in events; each takes about 650 bytes of disk
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1000000,3000000,10000000",
        value_name = "N,…"
    )]
    pub(crate) backlogs: Vec<u64>,
    /// On how many cores each is drained
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_name = "N,…")]
    pub(crate) cores: Vec<usize>,
    /// How many partitions 1000000 events are drained into
    #[arg(long, default_value_t = 1000)]
    pub(crate) partitions: u32,
    /// How many events are sent to look at memory over time; 0 sends none
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) growth: u64,
    /// How many of them a second
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
}

impl Common {
    /// The folder for everything that is written, made if it is not there.
    pub(crate) fn dir(&self) -> anyhow::Result<PathBuf> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            // Of target/release/landfall-bench.
            None => {
                let exe = std::env::current_exe()?;
                let target = exe.ancestors().nth(2).context("no target directory")?;
                target.join("bench")
            }
        };
        std::fs::create_dir_all(&dir)?;
        Ok(std::path::absolute(dir)?)
    }
}
