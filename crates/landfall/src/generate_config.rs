use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::bail;
use clap::error::ErrorKind;
use landfall_topology::{ComponentType, Kind, Registry, Setting, general_schema, settings};
use serde_json::Value;

/// How wide comments may be.
const WIDTH: usize = 100;

/// Prints a configuration of the components that `pipeline` names, with every setting that there is.
pub(crate) fn print(registry: &Registry, pipeline: &str) -> anyhow::Result<()> {
    let components = components(registry, pipeline).unwrap_or_else(|problem| {
        clap::Error::raw(ErrorKind::ValueValidation, format!("{problem}\n")).exit()
    });
    let mut text = String::from(
        "# Settings that are commented out have the values that stand there, or none.\n\
         # Strings may refer to the environment: ${VAR} or ${VAR:-default}; $$ is a $.\n",
    );
    let mut general = settings(&general_schema());
    let kinds = [Kind::Source, Kind::Transform, Kind::Sink].into_iter();
    general.retain(|setting| !kinds.clone().any(|kind| kind.table() == setting.name));
    add_settings(&mut text, &general);
    for component in &components {
        add_component(&mut text, component);
    }
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// A component that the configuration shall have.
struct Chosen {
    id: String,
    r#type: ComponentType,
    inputs: Vec<String>,
}

/// `sources/transforms/sinks`, or `sources/sinks`: types, each perhaps with a name, separated by commas.
fn components(registry: &Registry, pipeline: &str) -> anyhow::Result<Vec<Chosen>> {
    let parts: Vec<_> = pipeline.split('/').collect();
    let (sources, transforms, sinks) = match parts.as_slice() {
        [sources, sinks] => (*sources, "", *sinks),
        [sources, transforms, sinks] => (*sources, *transforms, *sinks),
        _ => bail!(
            "{pipeline:?} is no pipeline; write SOURCES/TRANSFORMS/SINKS, such as appcues//parquet"
        ),
    };
    let types = registry.component_types();
    let mut chosen: Vec<Chosen> = Vec::new();
    // What the next component gets events from.
    let mut inputs = Vec::new();
    for source in names(sources) {
        let source = choose(&types, Kind::Source, source, &chosen, Vec::new())?;
        inputs.push(source.id.clone());
        chosen.push(source);
    }
    for transform in names(transforms) {
        let transform = choose(&types, Kind::Transform, transform, &chosen, inputs)?;
        inputs = vec![transform.id.clone()];
        chosen.push(transform);
    }
    for sink in names(sinks) {
        chosen.push(choose(&types, Kind::Sink, sink, &chosen, inputs.clone())?);
    }
    Ok(chosen)
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// The component that `name` asks for: a type, or `name:type`.
fn choose(
    types: &[ComponentType],
    kind: Kind,
    name: &str,
    others: &[Chosen],
    inputs: Vec<String>,
) -> anyhow::Result<Chosen> {
    let (id, name) = name.split_once(':').unwrap_or((name, name));
    let mut of_kind = types.iter().filter(|r#type| r#type.kind == kind);
    let Some(r#type) = of_kind.clone().find(|r#type| r#type.name == name) else {
        let known: Vec<_> = of_kind.by_ref().map(|r#type| r#type.name).collect();
        bail!(
            "{:?} is none of the {}: {}",
            name,
            kind.table(),
            known.join(", ")
        );
    };
    // Two of a type need two names.
    let is_taken = |id: &str| others.iter().any(|other| other.id == id);
    let mut own = id.to_owned();
    let mut number = 2;
    while is_taken(&own) {
        own = format!("{id}_{number}");
        number += 1;
    }
    Ok(Chosen {
        id: own,
        r#type: r#type.clone(),
        inputs,
    })
}

fn add_component(text: &mut String, component: &Chosen) {
    let Chosen { id, r#type, inputs } = component;
    let key = literal(&Value::from(id.as_str()));
    let is_bare = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let key = if is_bare { id.as_str() } else { &key };
    text.push('\n');
    add_comment(text, r#type.summary());
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "[{}.{key}]\ntype = \"{}\"",
        r#type.kind.table(),
        r#type.name
    );
    if r#type.kind != Kind::Source {
        let _ = writeln!(
            text,
            "inputs = {}",
            literal(&Value::from(inputs.as_slice()))
        );
    }
    let mut own = settings(&r#type.schema);
    own.retain(|setting| setting.name != "inputs");
    add_settings(text, &own);
}

/// Every setting is a line that stands for itself, so that one can be taken in alone.
fn add_settings(text: &mut String, settings: &[Setting]) {
    for setting in settings {
        let name = &setting.name;
        let is_told_by_others = settings.iter().any(|other| {
            let inner = other.name.strip_prefix(name.as_str());
            inner.is_some_and(|inner| inner.starts_with('.'))
        });
        // What the tables of a list hold is told with the list.
        if is_told_by_others || name.contains("[]") {
            continue;
        }
        text.push('\n');
        add_comment(text, &setting.description);
        for (choice, meaning) in &setting.choices {
            add_comment(text, &format!("- {choice}: {meaning}"));
        }
        let _ = match (&setting.example, &setting.default) {
            (Some(example), _) => writeln!(text, "{name} = {}", literal(example)),
            (None, Some(default)) => writeln!(text, "# {name} = {}", literal(default)),
            (None, None) => writeln!(text, "# {name} = <{}>", setting.r#type),
        };
    }
}

fn add_comment(text: &mut String, comment: &str) {
    for paragraph in comment.split("\n\n") {
        let mut width = usize::MAX;
        for word in paragraph.split_whitespace() {
            if width.saturating_add(1 + word.len()) > WIDTH {
                let begin = if width == usize::MAX { "#" } else { "\n#" };
                text.push_str(begin);
                width = 1;
            }
            text.push(' ');
            text.push_str(word);
            width += 1 + word.len();
        }
        if width != usize::MAX {
            text.push('\n');
        }
    }
}

/// `value` as TOML writes it in a line.
fn literal(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(table) if table.is_empty() => "{}".to_owned(),
        Value::Object(table) => {
            let table = table.iter();
            let pairs = table
                .map(|(key, value)| format!("{} = {}", Value::from(key.as_str()), literal(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        // Strings of JSON are strings of TOML.
        other => other.to_string(),
    }
}
