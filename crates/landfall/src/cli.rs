use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use http::{HeaderName, HeaderValue};
use landfall_table::Dialect;

use crate::send::{Encoding, Kind, Unit};
use crate::tap::Tap;
use crate::top::Top;

/// Receives Appcues webhooks, proves each one genuine, and lands it as Parquet in a data lake.
///
/// Without a command it runs the service.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  landfall demo                             the whole way on this machine, with the documented events
  APPCUES_WEBHOOK_SECRET=… landfall         listen on 127.0.0.1:8080 and land in ./lake
  landfall run --config landfall.toml       the service as configured
  landfall validate --config landfall.toml  what is wrong with a configuration, all at once

Environment:
  APPCUES_WEBHOOK_SECRET  the account secret key, where no configuration file names one
  LANDFALL_CONFIG         the configuration file, or several separated by commas
  LANDFALL_LOG            what to log, such as warn or landfall_source_appcues=debug
  OTEL_…                  where traces and metrics go, if built with the feature otlp
  NO_COLOR                no colours, also on a terminal

Exit codes: 0 done, 1 failure, 2 usage, 78 configuration"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) config: ConfigFiles,
}

/// Where the configuration is. It may stand before the command too.
#[derive(Args, Debug, Default)]
pub(crate) struct ConfigFiles {
    /// The configuration: a .toml, .yaml or .json file, or a directory with such. Several, repeated or separated by commas,
    /// add up. Without it: LANDFALL_CONFIG.
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub(crate) paths: Vec<PathBuf>,
}

impl ConfigFiles {
    /// Those named here and in `others`; if there are none, those in the environment.
    pub(crate) fn with(&self, others: ConfigFiles) -> Vec<PathBuf> {
        let named: Vec<_> = self.paths.iter().cloned().chain(others.paths).collect();
        match std::env::var("LANDFALL_CONFIG") {
            Ok(paths) if named.is_empty() => {
                let paths = paths.split(',').filter(|path| !path.is_empty());
                paths.map(PathBuf::from).collect()
            }
            _ => named,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service.
    ///
    /// Without a configuration file: listens on 127.0.0.1:8080/webhooks/appcues, lands in ./lake, and takes the secret
    /// from APPCUES_WEBHOOK_SECRET. SIGTERM and SIGINT stop it gracefully. SIGHUP lets it read its configuration again: what
    /// changed is replaced, the rest goes on, and if there is a mistake in it the old one stays in use.
    Run {
        #[command(flatten)]
        config: ConfigFiles,
        /// Do as at SIGHUP whenever the configuration files change.
        #[arg(short, long, env = "LANDFALL_WATCH_CONFIG")]
        watch_config: bool,
    },
    /// Run the sources of a configuration alone, and write what they receive to standard output, a line of JSON each.
    ///
    /// For programs that read lines, such as Vector's exec and stdin sources. A request is answered 200 once its line is
    /// written: what the reader then loses is lost. A body that is not JSON becomes a JSON string. Logs go to standard error.
    /// Sinks are left out; without a configuration file the source is that of `landfall run`.
    #[command(after_help = "\
Examples:
  APPCUES_WEBHOOK_SECRET=… landfall source --stdout | vector --config vector.yaml
  landfall source --stdout --config landfall.toml | jq .name

Exit codes: 0 stopped by a signal, 1 standard output was closed or a source failed, 78 configuration")]
    Source {
        /// Standard output, which is all that can be written to.
        #[arg(long, required = true)]
        stdout: bool,
        #[command(flatten)]
        config: ConfigFiles,
    },
    /// Go the whole way on this machine: post the 13 documented events, signed, and show what landed.
    Demo {
        /// Land in this directory and keep it; without it a new one under the system's temporary directory.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Sign events and post them as Appcues would, or as it never would.
    #[command(after_help = "\
Examples:
  landfall send --url http://127.0.0.1:8080/webhooks/appcues --secret \"$SECRET\"
  landfall send --url … --secret … event.json        one event of your own
  landfall send --url … --secret … --count 10000 --rate 500
  landfall send --url … --secret … --kind old-timestamp event.json
  landfall send --url … --kind unsigned --user appcues:password --expect 200

Exits 0 if every answer has the status that --kind (listed in --help) or --expect names.")]
    Send(Send),
    /// Make up requests as an application with Appcues would cause them, for demonstrations, tests and benchmarks.
    ///
    /// One file for each day on which they are sent, one JSON object a line with the body and the headers of a request. The
    /// same arguments give the same bytes.
    #[command(
        after_help = "Example:\n  landfall generate --days 30 --users 200 --seed 1 --out traffic"
    )]
    Generate(Generate),
    /// Say whether a captured request would be accepted, and why not.
    ///
    /// It tries the usual mistakes in the secret, the timestamp, the signature and the body, and names those that
    /// explain the signature. The secret is never shown. Exits 0 if the request would be accepted, else 1.
    #[command(after_help = "\
Examples:
  landfall verify --secret-env APPCUES_WEBHOOK_SECRET --timestamp 1684439316 --signature 04ae…e7e5 body.json
  landfall verify --secret-file key --timestamp … --signature … --tolerance-secs 0 - <body.json")]
    Verify(Verify),
    /// Watch events as they go by in an instance that runs.
    ///
    /// An event is shown when it comes, whether or not it is accepted then: one that is sent again is shown again. Nothing waits
    /// for who watches: what comes faster than it is read is left out, and said to be.
    #[command(after_help = "\
Examples:
  landfall tap                                       all events that the sources receive
  landfall tap lake --type nps_feedback --limit 1    the next one that goes into the sink named lake
  landfall tap --url http://127.0.0.1:8686 --format json | jq .event")]
    Tap {
        #[command(flatten)]
        config: ConfigFiles,
        #[command(flatten)]
        args: Tap,
    },
    /// Show what each component of an instance that runs does: rates, errors, buffers, and how far landing is behind.
    #[command(after_help = "\
Examples:
  landfall top
  landfall top --once --url http://127.0.0.1:8686    two looks a second apart, as text")]
    Top {
        #[command(flatten)]
        config: ConfigFiles,
        #[command(flatten)]
        args: Top,
    },
    /// Check a configuration: the files, the environment, the ports and whether the storage can be written.
    ///
    /// Every mistake is told in a line, as FILE:LINE: SETTING: what to do. If there is none, the components are listed, with
    /// warnings of what may lose events or show them to strangers.
    #[command(after_help = "\
Examples:
  landfall validate --config landfall.toml
  landfall validate --config /etc/landfall/conf.d --no-environment

Exit codes: 0 valid, 78 mistakes")]
    Validate {
        #[command(flatten)]
        config: ConfigFiles,
        /// Only the file and its variables: neither ports nor data_dir nor storage. For a host where the service runs.
        #[arg(long)]
        no_environment: bool,
    },
    /// Look at this machine and the configuration, and say what could go wrong.
    ///
    /// Configuration, clock, ports or the instance that holds them, storage, disk space and fsync speed, memory, open files, and
    /// what stands in the journals. What weighs most comes first, with what to do. Nothing is changed, but for probes that go away
    /// again; the service may be running. Run it as the user, and with the limits, of the service.
    #[command(after_help = "\
Examples:
  landfall doctor --config landfall.toml
  landfall doctor --config landfall.toml --format json | jq '.findings[] | select(.weight != \"fine\")'

Exit codes: 0 all is fine, 1 something is not, 78 the configuration cannot be read")]
    Doctor {
        #[command(flatten)]
        config: ConfigFiles,
        /// Text for people, or JSON.
        #[arg(long, value_enum, default_value_t)]
        format: ListFormat,
    },
    /// Show the events table, as text or as a definition for a query engine; or the JSON Schema of the configuration.
    #[command(after_help = "\
Examples:
  landfall schema --dialect duckdb --uri s3://bucket/prefix
  landfall schema --config >landfall.schema.json        for editors, which then complete and check configurations

A configuration names its schema itself, in its first line:
  #:schema ./landfall.schema.json                       TOML, for Taplo and Even Better TOML
  # yaml-language-server: $schema=./landfall.schema.json      YAML
  {\"$schema\": \"./landfall.schema.json\", …             JSON")]
    Schema {
        /// The JSON Schema of a configuration file, draft 2020-12, with the components of this binary.
        #[arg(long, conflicts_with_all = ["dialect", "uri"])]
        config: bool,
        /// The engine.
        #[arg(long, value_parser = dialect())]
        dialect: Option<Dialect>,
        /// Where the files are: the uri of the sink.
        #[arg(long, default_value = "./lake")]
        uri: String,
    },
    /// List the types of component that a configuration can name.
    #[command(after_help = "\
Examples:
  landfall list
  landfall list --format json       with every option of each, its type, default and description")]
    List {
        /// Text for people; JSON with all options.
        #[arg(long, value_enum, default_value_t)]
        format: ListFormat,
    },
    /// Draw a configuration: which component gets events from which, and through what buffer.
    #[command(after_help = "\
Examples:
  landfall graph --config landfall.toml | dot -Tsvg >landfall.svg
  landfall graph --config landfall.toml --format mermaid")]
    Graph {
        #[command(flatten)]
        config: ConfigFiles,
        /// The language of Graphviz, or Mermaid's, which GitHub and GitLab draw in Markdown.
        #[arg(long, value_enum, default_value_t)]
        format: GraphFormat,
    },
    /// Write a configuration with every setting that the given components have, explained.
    ///
    /// The pipeline is SOURCES/TRANSFORMS/SINKS: types of component as `landfall list` shows them, separated by commas, each
    /// perhaps with a name before a colon. Transforms follow one another in the order given. What is needed is set, to
    /// examples where there is no default; all else is commented out.
    #[command(after_help = "\
Examples:
  landfall generate-config >landfall.toml
  landfall generate-config appcues//lake:parquet,archive:parquet")]
    GenerateConfig {
        /// The components.
        #[arg(default_value = "appcues//lake:parquet")]
        pipeline: String,
    },
    /// Land Appcues' bulk export: newline-delimited JSON, plain, gzip or zip.
    ///
    /// An event is passed over if the lake or the service's journal holds one of the same account, id and event type
    /// (and name, where the type is other). So an import that was cut off is simply started again. Wait until the
    /// webhook's retries of the time that the export covers are over: an event that the service accepts after the import
    /// began is landed by both. Copies are looked for in the folder that an event would land in: after a change of the sink's
    /// partition, those in the old folders are not found.
    #[command(after_help = "\
Examples:
  landfall import --config landfall.toml events.jsonl.gz
  landfall import --config landfall.toml --sink lake 2026-*.zip

Exit codes: 0 all landed or passed over, 1 some lines are no events (they are named)")]
    Import {
        #[command(flatten)]
        config: ConfigFiles,
        /// Exports; each may be plain, gzip or zip.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        lake: Lake,
    },
    /// Read what is in the lake's quarantine once more, and land what is an event to this version.
    ///
    /// Nothing is removed from the quarantine; what has been replayed is passed over the next time. Events keep the
    /// received_at that they had.
    #[command(after_help = "\
Example:
  landfall replay --quarantine --config landfall.toml

Exit codes: 0 all files were read, 1 some cannot be (they are named)")]
    Replay {
        #[command(flatten)]
        config: ConfigFiles,
        /// The quarantine, which is all that can be replayed.
        #[arg(long, required = true)]
        quarantine: bool,
        #[command(flatten)]
        lake: Lake,
    },
    /// Look into a journal: the durable buffer of a sink, in data_dir/SINK.
    #[command(subcommand)]
    Journal(Journal),
    /// Print the manual page, or write one for each command into a directory.
    #[command(after_help = "\
Examples:
  landfall man | man -l -
  landfall man --out ~/.local/share/man/man1")]
    Man {
        /// The directory to write to, made if it is missing.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Print completions for a shell.
    #[command(after_help = "Example:\n  source <(landfall completions bash)")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

fn dialect() -> impl TypedValueParser<Value = Dialect> {
    let names = PossibleValuesParser::new(Dialect::ALL.map(Dialect::name));
    names.try_map(|name| name.parse::<Dialect>())
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ListFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum GraphFormat {
    #[default]
    Dot,
    Mermaid,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Print segments, positions, cursors and damage. Reads all of it and changes nothing; the service may be running.
    Inspect {
        /// The journal's directory, such as landfall-data/lake.
        dir: PathBuf,
    },
    /// Write every request body that is still in the journal to standard output, one JSON text a line.
    ///
    /// For the day when everything else is broken: it needs no configuration and passes over damage. Bodies that have
    /// landed are among them until their segment is deleted.
    Export {
        /// The journal's directory, such as landfall-data/lake.
        dir: PathBuf,
    },
}

/// The lake that `import` and `replay` land in, and what stands before it.
#[derive(Args, Debug)]
pub(crate) struct Lake {
    /// The sink whose lake is meant, where several are configured.
    #[arg(long)]
    pub(crate) sink: Option<String>,
    /// The source or transform through which the way to the sink leads, where events take different ways to it. The transforms
    /// on that way do with these events what they do with those of the service.
    #[arg(long, value_name = "NAME")]
    pub(crate) through: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Send {
    /// Where to post to.
    #[arg(long)]
    pub(crate) url: String,
    /// The account secret key to sign with.
    #[arg(long, env = "APPCUES_WEBHOOK_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// Files with one event each, or one in each line; without any, the 13 events that Appcues documents.
    pub(crate) files: Vec<PathBuf>,
    /// How many to send. Beyond the events given, they are sent again with new ids.
    #[arg(long)]
    pub(crate) count: Option<usize>,
    /// Events a second, from 0.001; as fast as they are answered if it is not given.
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// What to send: good requests, or such as must be refused.
    #[arg(long, value_parser = Kind::parser(), default_value = "good")]
    pub(crate) kind: &'static Kind,
    /// The status that every answer must have, if it is not that of the kind.
    #[arg(long)]
    pub(crate) expect: Option<u16>,
    /// How the signature is written.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) signature_encoding: Encoding,
    /// How the timestamp is written.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) timestamp_unit: Unit,
    /// A header to send beside the others; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Username and password for HTTP basic authentication.
    #[arg(long, value_name = "NAME:PASSWORD")]
    pub(crate) user: Option<String>,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("has no colon")?;
    let name = name.parse().map_err(|_| "has no valid name")?;
    let value = value.trim().parse().map_err(|_| "has no valid value")?;
    Ok((name, value))
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) secret: SecretFrom,
    /// X-Apc-Timestamp, as it was sent.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) timestamp: String,
    /// X-Apc-Signature, as it was sent.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) signature: String,
    /// How far the timestamp may be from this machine's clock, in seconds; 0 for any distance.
    #[arg(long, default_value_t = 300)]
    pub(crate) tolerance_secs: u64,
    /// The file with the request body, byte for byte; - for standard input.
    pub(crate) body: PathBuf,
}

/// Where the account secret key is. Not on the command line, which every user of the machine can see.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct SecretFrom {
    /// The environment variable that holds the account secret key.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) secret_env: Option<String>,
    /// The file that holds the account secret key; line breaks at its end do not count.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Generate {
    /// How many days the people use the application; devices that were offline send up to two days later.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub(crate) days: u32,
    /// How many people there are.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) users: u32,
    /// Another seed, other people.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The first day, UTC.
    #[arg(long, default_value = "2026-06-01")]
    pub(crate) from: jiff::civil::Date,
    /// Sign with this account secret key; without it there are no signatures.
    #[arg(long, env = "APPCUES_WEBHOOK_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// The directory to write to.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if (0.001..=1e9).contains(&rate) {
        Ok(rate)
    } else {
        Err("must be from 0.001 to 1e9".to_owned())
    }
}
