use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Fingerprint;
use super::json;
use super::place::{Place, line_at};
use super::problem::{ConfigError, Problem};

/// The languages in which a configuration can be written. All have the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// The language of the file at `path`, by its extension.
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Reads `text`; or says what is wrong, and on which line. Parsers' own messages would quote the line, and with it a
    /// secret that stands there.
    pub(super) fn parse(self, text: &str) -> Result<Value, (usize, String)> {
        match self {
            Self::Toml => toml::from_str(text).map_err(|error: toml::de::Error| {
                let line = error.span().map_or(1, |span| line_at(text, span.start));
                (line, format!("not TOML: {}", error.message()))
            }),
            Self::Yaml => serde_saphyr::from_str(text).map_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                (line as usize, of_yaml(&error))
            }),
            Self::Json => json::parse(text),
        }
    }
}

/// What is wrong with YAML, as far as nothing of the file is quoted.
fn of_yaml(error: &serde_saphyr::Error) -> String {
    match error.without_snippet() {
        // The scanner's, which names what it looked for.
        serde_saphyr::Error::ExternalMessage { msg, .. } => format!("not YAML: {msg}"),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            Problem::new(key, "stands twice; take one of the two away").to_string()
        }
        serde_saphyr::Error::UnknownAnchor { .. } => "not YAML: an alias of no anchor".to_owned(),
        serde_saphyr::Error::MultipleDocuments { .. } => "must be a single document".to_owned(),
        _ => "not YAML as it is read here: with strings as names, no tags, and little nesting"
            .to_owned(),
    }
}

/// A file of a configuration, or a text that is none.
struct File {
    path: Option<PathBuf>,
    format: Format,
    text: String,
}

/// The files of a configuration, which together say what one alone could.
pub(super) struct Files(Vec<File>);

impl Files {
    /// Reads the files at `paths`, and those in the directories among them.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Vec<String>> {
        let mut files = Vec::new();
        let mut problems = Vec::new();
        for path in paths {
            match expand(path) {
                Ok(paths) => {
                    for path in paths {
                        match File::read(path) {
                            Ok(file) => files.push(file),
                            Err(problem) => problems.push(problem),
                        }
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self(files))
        } else {
            Err(problems)
        }
    }

    /// A configuration that is in no file.
    pub(super) fn text(text: &str, format: Format) -> Self {
        Self(vec![File {
            path: None,
            format,
            text: text.to_owned(),
        }])
    }

    /// What all files say together.
    ///
    /// # Errors
    /// Every file that cannot be parsed, and everything that stands in two.
    pub(super) fn merged(&self) -> Result<Value, Vec<String>> {
        let mut problems = Vec::new();
        let mut merged = Map::new();
        for file in &self.0 {
            match file.format.parse(&file.text) {
                Ok(Value::Object(mut table)) => {
                    // JSON has no comment for editors to find the schema in.
                    table.remove("$schema");
                    for path in merge(&mut merged, table) {
                        problems.push(self.twice(&path, file));
                    }
                }
                // An empty file of YAML.
                Ok(Value::Null) => {}
                Ok(_) => {
                    let place = file.at(1);
                    problems.push(format!("{place}: must hold a table with sources and sinks"));
                }
                Err((line, problem)) => problems.push(format!("{}: {problem}", file.at(line))),
            }
        }
        if problems.is_empty() {
            Ok(Value::Object(merged))
        } else {
            Err(problems)
        }
    }

    fn twice(&self, path: &str, later: &File) -> String {
        let line = |file: &File| match file.places().find(path) {
            (line, found) if found == path.len() => Some(line),
            _ => None,
        };
        let first = self.0.iter().find_map(|file| Some((file, line(file)?)));
        let there = first.map_or(String::new(), |(file, line)| {
            format!(" in {}", file.at(line))
        });
        let here = later.at(line(later).unwrap_or(1));
        format!("{here}: {path}: stands{there} already; take one of the two away")
    }

    /// The problems, each with the file and line that it is about as far as that can be said, in the order of the files.
    pub(super) fn located(&self, problems: Vec<Problem>) -> Vec<String> {
        let places: Vec<_> = self.0.iter().map(File::places).collect();
        let mut located: Vec<_> = problems
            .into_iter()
            .map(|problem| {
                let finds = places.iter().map(|places| places.find(&problem.path));
                let finds = finds.enumerate().filter(|(_, (_, found))| *found > 0);
                let nearest = finds.rev().max_by_key(|(_, (_, found))| *found);
                let place = nearest.map(|(index, (line, _))| (index, line));
                (place.unwrap_or((usize::MAX, 0)), problem)
            })
            .collect();
        located.sort_by_key(|(place, _)| *place);
        located
            .into_iter()
            .map(|((index, line), problem)| match self.0.get(index) {
                Some(file) if file.path.is_some() => format!("{}: {problem}", file.at(line)),
                _ => problem.to_string(),
            })
            .collect()
    }
}

impl ConfigError {
    /// The same problems, each with the file and line of the setting that it begins with, as far as the files at `paths` tell.
    #[must_use]
    pub fn located(self, paths: &[PathBuf]) -> Self {
        match Files::read(paths) {
            Ok(files) => {
                Self(files.located(self.0.iter().map(|text| Problem::reported(text)).collect()))
            }
            Err(_) => self,
        }
    }
}

impl File {
    fn read(path: PathBuf) -> Result<Self, String> {
        let say = |problem: &str| format!("{}: {problem}", path.display());
        let format = Format::of(&path).ok_or_else(|| say("name it .toml, .yaml, .yml or .json"))?;
        let text = read_text(&path).map_err(|e| say(&format!("cannot read: {e}")))?;
        let path = Some(path);
        Ok(Self { path, format, text })
    }

    fn places(&self) -> Place {
        Place::all(&self.text, self.format)
    }

    fn at(&self, line: usize) -> String {
        match &self.path {
            Some(path) => format!("{}:{line}", path.display()),
            None => format!("line {line}"),
        }
    }
}

/// The file at `path`, or those in the directory at `path`, by name, that can be parts of a configuration. Hidden ones are not.
fn expand(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let say = |problem: &str| format!("{}: {problem}", path.display());
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(|e| say(&format!("cannot read: {e}")))? {
        let entry = entry.map_err(|e| say(&format!("cannot read: {e}")))?;
        let file = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if is_hidden || Format::of(&file).is_none() || file.is_dir() {
            continue;
        }
        // A pipe would keep everything waiting.
        if file.exists() && !file.is_file() {
            return Err(format!("{}: is no regular file", file.display()));
        }
        files.insert(file);
    }
    if files.is_empty() {
        return Err(say("holds no file named .toml, .yaml, .yml or .json"));
    }
    Ok(files.into_iter().collect())
}

/// Adds `other` to `merged`, and returns the paths of what is in both. Tables of the top level are merged; a component, or a
/// setting of another table, is whole in one of the two.
fn merge(merged: &mut Map<String, Value>, other: Map<String, Value>) -> Vec<String> {
    let mut twice = Vec::new();
    for (key, value) in other {
        match (merged.get_mut(&key), value) {
            (None, value) => {
                merged.insert(key, value);
            }
            (Some(Value::Object(table)), Value::Object(other)) => {
                for (inner, value) in other {
                    if table.contains_key(&inner) {
                        twice.push(format!("{key}.{inner}"));
                    } else {
                        table.insert(inner, value);
                    }
                }
            }
            (Some(_), _) => twice.push(key),
        }
    }
    twice
}

/// More than any configuration has.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = fs::File::open(path)?.take(MAX_FILE_BYTES + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(text)
}

/// Tells whether the files at `paths`, those in directories included, are still the same: their names and what they hold, or
/// that they cannot be read. Variables and the files that settings name are not part of it.
pub fn fingerprint_of_files(paths: &[PathBuf]) -> Fingerprint {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update(bytes.len().to_le_bytes());
        digest.update(bytes);
    };
    for path in paths {
        let files = expand(path).unwrap_or_else(|_| vec![path.clone()]);
        for file in files {
            add(file.as_os_str().as_encoded_bytes());
            match read_text(&file) {
                Ok(text) => add(text.as_bytes()),
                Err(error) => add(error.to_string().as_bytes()),
            }
        }
    }
    Fingerprint(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_parsed_is_told_with_its_line_and_reason_but_not_quoted() {
        let told = |format: Format, text: &str| {
            let (line, problem) = format.parse(text).unwrap_err();
            format!("{line}: {problem}")
        };
        for (format, text, expected) in [
            (
                Format::Toml,
                "a = 1\na = 'hunter2'",
                "2: not TOML: duplicate key",
            ),
            (
                Format::Yaml,
                "a: 1\na: hunter2",
                "2: a: stands twice; take one of the two away",
            ),
            (
                Format::Json,
                "{\"a\": [{\"b\": 1,\n\"b\": \"hunter2\"}]}",
                "2: a[0].b: stands twice; take one of the two away",
            ),
            (
                Format::Json,
                "{\"a\":\n hunter2}",
                "2: not JSON: expected value",
            ),
            (Format::Json, "{}\n{}", "2: not JSON: trailing characters"),
            (
                Format::Yaml,
                "a:\n  b: \"hunter2",
                "2: not YAML: unclosed quote",
            ),
            (
                Format::Yaml,
                "a: b: hunter2",
                "1: not YAML: mapping values are not allowed in this context",
            ),
            (
                Format::Yaml,
                "a: *hunter2",
                "1: not YAML: an alias of no anchor",
            ),
            (
                Format::Yaml,
                "a: 1\n---\nb: 1",
                "3: must be a single document",
            ),
            (
                Format::Yaml,
                "a: !!int hunter2",
                "1: not YAML as it is read here: with strings as names, no tags, and little nesting",
            ),
        ] {
            assert_eq!(told(format, text), expected, "{text}");
        }
    }

    #[test]
    fn a_fingerprint_tells_whether_any_file_of_a_directory_changed() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().to_owned()];
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).unwrap();
            fingerprint_of_files(&paths)
        };
        let mut seen = vec![fingerprint_of_files(&paths)];
        for (name, text) in [
            ("a.toml", "1"),
            ("a.toml", "2"),
            ("b.yaml", ""),
            ("b.yaml", "2"),
        ] {
            let fingerprint = write(name, text);
            assert!(!seen.contains(&fingerprint), "after {name} = {text}");
            seen.push(fingerprint);
        }
        // Neither what is no part of a configuration nor the same contents again make a difference.
        assert_eq!(write("c.md", "1"), seen[4]);
        assert_eq!(write("a.toml", "2"), seen[4]);
    }

    #[test]
    fn what_never_ends_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("device.toml");
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        assert!(expand(dir.path()).unwrap_err().contains("no regular file"));
        assert!(
            read_text(&device)
                .unwrap_err()
                .to_string()
                .contains("16 MiB")
        );
    }
}
