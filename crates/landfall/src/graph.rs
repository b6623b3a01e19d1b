use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use landfall_topology::{BufferType, Config};

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
    nodes: Vec<Node<'a>>,
    /// From, to (both by their place in `nodes`), and through which buffer.
    ways: Vec<(usize, usize, Option<BufferType>)>,
}

struct Node<'a> {
    id: &'a str,
    r#type: &'a str,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    Source,
    Transform,
    Sink,
}

impl<'a> Graph<'a> {
    fn of(config: &'a Config) -> Self {
        let mut nodes = Vec::new();
        let mut takers: Vec<(usize, &[String], _)> = Vec::new();
        for (id, outer) in &config.sources {
            let r#type = &outer.r#type;
            nodes.push(Node {
                id,
                r#type,
                shape: Shape::Source,
            });
        }
        for (id, outer) in &config.transforms {
            let r#type = &outer.r#type;
            takers.push((nodes.len(), &outer.inputs, None));
            nodes.push(Node {
                id,
                r#type,
                shape: Shape::Transform,
            });
        }
        let inputs = nodes.len();
        for (id, outer) in &config.sinks {
            let r#type = &outer.r#type;
            takers.push((nodes.len(), &outer.inputs, Some(outer.buffer.r#type)));
            nodes.push(Node {
                id,
                r#type,
                shape: Shape::Sink,
            });
        }
        let mut ways = Vec::new();
        for (to, names, buffer) in takers {
            // Sinks have names of their own, which may be those of sources too.
            let from = nodes[..inputs].iter().enumerate();
            let from = from.filter(|(_, node)| names.iter().any(|name| name == node.id));
            ways.extend(from.map(|(from, _)| (from, to, buffer)));
        }
        Self { nodes, ways }
    }

    fn write_dot(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "digraph landfall {{\n  rankdir = LR;")?;
        for (index, Node { id, r#type, shape }) in self.nodes.iter().enumerate() {
            let shape = match shape {
                Shape::Source => "invhouse",
                Shape::Transform => "box",
                Shape::Sink => "cylinder",
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
        for (index, Node { id, r#type, shape }) in self.nodes.iter().enumerate() {
            let (open, close) = match shape {
                Shape::Source => ("([", "])"),
                Shape::Transform => ("[", "]"),
                Shape::Sink => ("[(", ")]"),
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
