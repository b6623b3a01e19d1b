use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use landfall_appcues::{AppcuesEvent, EVENT_TYPES, Field};
use reqwest::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::sleep;

use crate::remote::{Instance, Remote};

/// Before a connection that was lost is made again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Tap {
    #[command(flatten)]
    pub(crate) instance: Instance,
    /// Sources and transforms, whose events are shown as they come out, or sinks, as they go in. Without any, all sources.
    components: Vec<String>,
    /// Only events of this type, such as nps_score. May be given several times.
    #[arg(long = "type", value_name = "TYPE", value_parser = event_types(), hide_possible_values = true)]
    types: Vec<String>,
    /// Only events of this Appcues account. May be given several times.
    #[arg(long = "account", value_name = "ID")]
    accounts: Vec<String>,
    /// How events are shown: by default as a table on a terminal, else as JSON lines.
    #[arg(long)]
    format: Option<Format>,
    /// End after so many events.
    #[arg(long)]
    limit: Option<u64>,
    /// End when the connection is lost, rather than connect again.
    #[arg(long)]
    no_reconnect: bool,
}

fn event_types() -> PossibleValuesParser {
    EVENT_TYPES.iter().map(|event_type| event_type.name).into()
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Format {
    /// `{"component_id": …, "received_at": …, "event": …}`, one a line.
    Json,
    /// Time, component, type, account, user and id, without what else is in the event.
    Table,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    component_id: Cow<'a, str>,
    /// Milliseconds since the Unix epoch.
    received_at: i64,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(default)]
    missed: u64,
}

pub(crate) async fn tap(args: &Tap, remote: &Remote) -> anyhow::Result<()> {
    let components = [("components", args.components.join(","))];
    let connect = || remote.get("/api/v1/tap", &components);
    let mut view = View {
        args,
        is_table: match args.format {
            Some(format) => format == Format::Table,
            None => stdout().is_terminal(),
        },
        left: args.limit.unwrap_or(u64::MAX),
    };
    let mut answer = connect().await?;
    view.begin()?;
    loop {
        if view.show_all(answer).await? || args.no_reconnect {
            return Ok(());
        }
        eprintln!("the connection is lost; connecting again");
        answer = loop {
            sleep(RECONNECT_PAUSE).await;
            if let Ok(answer) = connect().await {
                break answer;
            }
        };
    }
}

struct View<'a> {
    args: &'a Tap,
    is_table: bool,
    /// How many events may still be shown.
    left: u64,
}

impl View<'_> {
    fn begin(&self) -> anyhow::Result<()> {
        if self.is_table {
            writeln!(
                stdout(),
                "{:<12}  {:<16}  {:<28}  {:<10}  {:<24}  id",
                "received",
                "component",
                "type",
                "account",
                "user"
            )?;
        }
        Ok(())
    }

    /// Shows what comes until the connection ends; whether enough was shown.
    async fn show_all(&mut self, mut answer: Response) -> anyhow::Result<bool> {
        let mut text = Vec::new();
        while let Ok(Some(bytes)) = answer.chunk().await {
            text.extend_from_slice(&bytes);
            let whole = text.iter().rposition(|byte| *byte == b'\n');
            let rest = text.split_off(whole.map_or(0, |end| end + 1));
            for line in text.split(|byte| *byte == b'\n') {
                if self.left == 0 {
                    return Ok(true);
                }
                // An empty one says only that the connection lives.
                if !line.is_empty() {
                    self.show(line)?;
                }
            }
            if self.left == 0 {
                return Ok(true);
            }
            text = rest;
        }
        Ok(false)
    }

    fn show(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let line: Line<'_> = serde_json::from_slice(text)?;
        if line.missed > 0 {
            eprintln!(
                "{} events are not shown: they came faster than they were read",
                line.missed
            );
        }
        let event = line.event.map(|event| event.get().as_bytes());
        let event = event.and_then(|event| AppcuesEvent::parse(event).ok());
        if !self.is_asked_for(event.as_ref()) {
            return Ok(());
        }
        self.left -= 1;
        let mut out = stdout().lock();
        if self.is_table {
            writeln!(out, "{}", row(&line, event.as_ref()))?;
        } else {
            out.write_all(text)?;
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    fn is_asked_for(&self, event: Option<&AppcuesEvent<'_>>) -> bool {
        let Tap {
            types, accounts, ..
        } = self.args;
        let is_one_of = |asked: &[String], value: Option<&str>| {
            asked.is_empty() || value.is_some_and(|value| asked.iter().any(|one| one == value))
        };
        let account = event.and_then(AppcuesEvent::account_id);
        is_one_of(types, event.map(AppcuesEvent::event_type))
            && is_one_of(accounts, account.as_deref())
    }
}

fn row(line: &Line<'_>, event: Option<&AppcuesEvent<'_>>) -> String {
    let time = Timestamp::from_millisecond(line.received_at);
    let time = time.map_or_else(
        |_| String::new(),
        |time| time.strftime("%H:%M:%S%.3f").to_string(),
    );
    let account = event.and_then(AppcuesEvent::account_id).unwrap_or_default();
    let user = event.and_then(|event| event.raw(Field::UserId));
    let row = format!(
        "{time:<12}  {:<16}  {:<28}  {account:<10}  {:<24}  {}",
        line.component_id,
        event.map_or("(no event)", AppcuesEvent::event_type),
        user.unwrap_or_default().trim_matches('"'),
        event.map_or("", AppcuesEvent::id),
    );
    // What senders write must not command the terminal.
    row.replace(char::is_control, "�")
}
