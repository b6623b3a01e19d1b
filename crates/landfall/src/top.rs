use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::thread;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row, Table};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::remote::{Instance, Remote};

#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) instance: Instance,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    interval: f64,
    /// Look twice, print the table and end.
    #[arg(long)]
    once: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    let fits = |seconds: &f64| (0.1..=3600.0).contains(seconds);
    let seconds = seconds.filter(fits);
    seconds.ok_or_else(|| "it must be a number from 0.1 to 3600".to_owned())
}

/// What an instance said of itself at one time.
struct Look {
    at: Instant,
    version: String,
    components: Vec<Component>,
    /// Why it would not take events, and what keeps it from landing them.
    complaints: Vec<String>,
    /// Sums of series by metric and component.
    series: HashMap<(String, String), f64>,
}

#[derive(Deserialize)]
struct Overview {
    version: String,
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    component_id: String,
    component_kind: String,
    component_type: String,
}

#[derive(Deserialize)]
struct Ready {
    reasons: Vec<String>,
    warnings: Vec<String>,
}

const HEADER: [&str; 9] = [
    "component",
    "kind",
    "type",
    "in/s",
    "out/s",
    "total",
    "errors",
    "buffer",
    "lag",
];
const WIDTHS: [u16; 9] = [20, 10, 10, 10, 10, 12, 8, 10, 8];

pub(crate) async fn top(args: &Top, remote: &Remote) -> anyhow::Result<()> {
    let pause = Duration::from_secs_f64(args.interval);
    let first = look(remote).await?;
    if args.once {
        sleep(pause).await;
        return print(&first, &look(remote).await?);
    }
    if !stdout().is_terminal() {
        bail!("standard output is no terminal; --once prints the table as text");
    }
    let mut terminal = ratatui::try_init()?;
    let mut keys = keys();
    let shown = async {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = None;
        let mut now = first;
        let mut problem = None;
        loop {
            terminal
                .draw(|frame| draw(frame, remote, before.as_ref(), &now, problem.as_deref()))?;
            tokio::select! {
                key = keys.recv() => if key != Some(Key::Redraw) {
                    return Ok(());
                },
                _ = ticks.tick() => match look(remote).await {
                    Ok(next) => {
                        before = Some(std::mem::replace(&mut now, next));
                        problem = None;
                    }
                    Err(error) => problem = Some(format!("{error:#}")),
                },
            }
        }
    };
    let shown = shown.await;
    ratatui::try_restore()?;
    shown
}

async fn look(remote: &Remote) -> anyhow::Result<Look> {
    let overview = remote.get("/api/v1/components", &[]).await?.bytes().await?;
    let overview: Overview = serde_json::from_slice(&overview)?;
    let ready = remote.ask("/ready", &[]).await?.bytes().await?;
    let ready: Ready = serde_json::from_slice(&ready)?;
    let metrics = remote.get("/metrics", &[]).await?.text().await?;
    Ok(Look {
        at: Instant::now(),
        version: overview.version,
        components: overview.components,
        complaints: ready.reasons.into_iter().chain(ready.warnings).collect(),
        series: sums(&metrics),
    })
}

/// The sums of the series of each metric for each component, of Prometheus' text format.
fn sums(metrics: &str) -> HashMap<(String, String), f64> {
    let mut sums = HashMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let component = labels
            .split_once("component_id=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map_or("", |(component, _)| component);
        if let Ok(value) = value.parse::<f64>() {
            *sums
                .entry((name.to_owned(), component.to_owned()))
                .or_default() += value;
        }
    }
    sums
}

impl Look {
    fn value(&self, metric: &str, component: &str) -> Option<f64> {
        let series = (metric.to_owned(), component.to_owned());
        self.series.get(&series).copied()
    }

    /// By how much a counter grew each second since `before`.
    fn rate(&self, before: Option<&Self>, metric: &str, component: &str) -> Option<f64> {
        let now = self.value(metric, component)?;
        let before = before?;
        let seconds = (self.at - before.at).as_secs_f64();
        let grown = now - before.value(metric, component).unwrap_or(0.0);
        // A process that started anew counts from zero.
        Some(grown.max(0.0) / seconds.max(0.001))
    }

    fn rows(&self, before: Option<&Self>) -> Vec<[String; 9]> {
        let row = |component: &Component| {
            let id = &component.component_id;
            let show =
                |value: Option<f64>, unit: fn(f64) -> String| value.map_or_else(String::new, unit);
            let total = self
                .value("component_sent_events_total", id)
                .or_else(|| self.value("component_received_events_total", id));
            let lag = self.value("landfall_oldest_unlanded_age_seconds", id);
            [
                id.clone(),
                component.component_kind.clone(),
                component.component_type.clone(),
                show(
                    self.rate(before, "component_received_events_total", id),
                    |rate| format!("{rate:.1}"),
                ),
                show(
                    self.rate(before, "component_sent_events_total", id),
                    |rate| format!("{rate:.1}"),
                ),
                show(total, |count| format!("{count:.0}")),
                show(self.value("component_errors_total", id), |count| {
                    format!("{count:.0}")
                }),
                show(self.value("buffer_byte_size", id), bytes),
                show(lag, |secs| format!("{secs:.0} s")),
            ]
        };
        self.components.iter().map(row).collect()
    }
}

fn bytes(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{value:.0} B"),
        unit => format!("{value:.1} {}", units[unit]),
    }
}

fn print(before: &Look, now: &Look) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    let line = |cells: &[String; 9]| {
        let cells = cells.iter().zip(WIDTHS);
        let cells =
            cells.map(|(cell, width)| format!("{cell:<width$}", width = usize::from(width)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(&HEADER.map(str::to_owned)))?;
    for row in now.rows(Some(before)) {
        writeln!(out, "{}", line(&row))?;
    }
    for complaint in &now.complaints {
        writeln!(out, "{complaint}")?;
    }
    Ok(())
}

fn draw(
    frame: &mut Frame<'_>,
    remote: &Remote,
    before: Option<&Look>,
    now: &Look,
    problem: Option<&str>,
) {
    let complaints = u16::try_from(now.complaints.len())
        .unwrap_or(u16::MAX)
        .min(8);
    let [head, table, foot, keys] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(complaints),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let state = match problem {
        Some(problem) => problem.to_owned().red(),
        None if now.complaints.is_empty() => "takes and lands events".green(),
        None => "has something to say".yellow(),
    };
    let title = format!("landfall {} on {}  ", now.version, remote.url());
    frame.render_widget(Line::from(vec![title.bold(), state]), head);
    let rows = now
        .rows(before)
        .into_iter()
        .map(|row| Row::new(row.map(Cell::from)));
    let rows = Table::new(rows, WIDTHS.map(Constraint::Length))
        .header(Row::new(HEADER).style(Style::new().bold()))
        .column_spacing(2);
    frame.render_widget(rows, table);
    let complaints: Vec<_> = now
        .complaints
        .iter()
        .map(|text| Line::from(text.as_str()).yellow())
        .collect();
    frame.render_widget(ratatui::text::Text::from(complaints), foot);
    frame.render_widget(Line::from("q: quit").dim(), keys);
}

#[derive(Debug, PartialEq)]
enum Key {
    Redraw,
    Quit,
}

/// What is typed, and changes of the terminal's size. Read on a thread of its own, which ends with the process.
fn keys() -> mpsc::Receiver<Key> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            let key = match event {
                Event::Key(key) => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => Key::Quit,
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        Key::Quit
                    }
                    _ => continue,
                },
                Event::Resize(..) => Key::Redraw,
                _ => continue,
            };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_metric_and_component() {
        let sums = sums(
            "# HELP a b\na{component_id=\"x\",code=\"1\"} 2\na{code=\"2\",component_id=\"x\"} 3\na{component_id=\"y\"} 1\na 7\n",
        );
        let sum = |component: &str| sums.get(&("a".to_owned(), component.to_owned())).copied();
        assert_eq!(sum("x"), Some(5.0));
        assert_eq!(sum("y"), Some(1.0));
        assert_eq!(sum(""), Some(7.0));
    }

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        assert_eq!(bytes(1023.0), "1023 B");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(bytes(10_737_418_240.0), "10.0 GiB");
    }
}
