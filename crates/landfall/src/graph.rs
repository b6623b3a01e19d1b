use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use landfall_topology::{AnyComponent, BufferType, Config, Kind};

use crate::cli::GraphFormat;

/// Prints which component gets events from which.
pub(crate) fn print(config: &Config, format: GraphFormat) -> anyhow::Result<()> {
    let graph = Graph::of(config);
    let mut text = String::new();
    match format {
        GraphFormat::Dot => graph.write_dot(&mut text)?,
        GraphFormat::Mermaid => graph.write_mermaid(&mut text)?,
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// What is drawn: a sink's buffer is said at the way to it, since it decides when an event counts as accepted.
struct Graph<'a> {
    nodes: Vec<AnyComponent<'a>>,
    /// From, to (both by their place in `nodes`), and through which buffer.
    ways: Vec<(usize, usize, Option<BufferType>)>,
}

impl<'a> Graph<'a> {
    fn of(config: &'a Config) -> Self {
        let nodes: Vec<_> = config.components().collect();
        let mut ways = Vec::new();
        for (to, taker) in nodes.iter().enumerate() {
            let buffer = taker.buffer.map(|buffer| buffer.r#type);
            // Sinks have names of their own, which may be those of sources too.
            let from = nodes.iter().enumerate().filter(|(_, node)| {
                node.kind != Kind::Sink && taker.inputs.iter().any(|name| name == node.id)
            });
            ways.extend(from.map(|(from, _)| (from, to, buffer)));
        }
        Self { nodes, ways }
    }

    fn write_dot(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "digraph landfall {{\n  rankdir = LR;")?;
        for (index, node) in self.nodes.iter().enumerate() {
            let AnyComponent {
                kind, id, r#type, ..
            } = node;
            let shape = match kind {
                Kind::Source => "invhouse",
                Kind::Transform => "box",
                Kind::Sink => "cylinder",
            };
            let label = id.replace('\\', r"\\").replace('"', "\\\"");
            writeln!(
                out,
                r#"  n{index} [shape = {shape}, label = "{label}\n{type}"];"#
            )?;
        }
        for (from, to, buffer) in &self.ways {
            let label = buffer.map(|buffer| format!(r#" [label = "{buffer}"]"#));
            let label = label.unwrap_or_default();
            writeln!(out, "  n{from} -> n{to}{label};")?;
        }
        writeln!(out, "}}")
    }

    fn write_mermaid(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "flowchart LR")?;
        for (index, node) in self.nodes.iter().enumerate() {
            let AnyComponent {
                kind, id, r#type, ..
            } = node;
            let (open, close) = match kind {
                Kind::Source => ("([", "])"),
                Kind::Transform => ("[", "]"),
                Kind::Sink => ("[(", ")]"),
            };
            let label = id.replace('"', "#quot;");
            writeln!(out, r#"  n{index}{open}"{label}<br/>{type}"{close}"#)?;
        }
        for (from, to, buffer) in &self.ways {
            let label = buffer
                .map(|buffer| format!("|{buffer}|"))
                .unwrap_or_default();
            writeln!(out, "  n{from} -->{label} n{to}")?;
        }
        Ok(())
    }
}
