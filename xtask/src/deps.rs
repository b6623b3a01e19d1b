//! What each way of embedding Landfall pulls in, held to what the documentation says.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, bail, ensure};

use crate::step::{cargo, workspace_root};

const PAGE: &str = "docs/embedding.md";

/// What the table begins with.
const HEAD: &str = "| what you use | package | crates | not among them |";

/// Trees differ from one platform to the next: this is the one that is counted, wherever it is done.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Compares the dependencies of every package in the page's table with what the table says of them.
pub(crate) fn check() -> anyhow::Result<()> {
    let page = workspace_root()?.join(PAGE);
    let text = fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
    let rows = rows(&text)?;
    ensure!(
        !rows.is_empty(),
        "{PAGE} has no table that begins with {HEAD}"
    );
    let mut problems = Vec::new();
    for row in &rows {
        let tree = tree(&row.package)?;
        println!("    {}: {} crates", row.package.join(" "), tree.len());
        problems.extend(row.problems(&tree));
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\nIf that is meant, say so in the table of {PAGE}; else `cargo tree --package P --invert CRATE` shows where a \
         crate comes from.",
        problems.join("\n")
    );
}

/// What the table says of one package.
#[derive(Debug, PartialEq)]
struct Row {
    /// Its name, and what cargo is told of its features.
    package: Vec<String>,
    crates: usize,
    /// Names of crates that must not be there; `arrow-*` stands for all that begin so.
    forbidden: Vec<String>,
}

impl Row {
    fn problems(&self, tree: &BTreeSet<String>) -> Vec<String> {
        let Self {
            package,
            crates,
            forbidden,
        } = self;
        let package = package.join(" ");
        let mut problems = Vec::new();
        if tree.len() != *crates {
            let now = tree.len();
            problems.push(format!("{package} pulls in {now} crates, not {crates}."));
        }
        for forbidden in forbidden {
            let is_it = |name: &str| match forbidden.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == forbidden,
            };
            let found = tree.iter().filter(|found| {
                let name = found.split(' ').next();
                name.is_some_and(is_it)
            });
            problems.extend(found.map(|found| format!("{package} pulls in {found}.")));
        }
        problems
    }
}

fn rows(page: &str) -> anyhow::Result<Vec<Row>> {
    let lines = page.lines().skip_while(|line| *line != HEAD).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, _, package, crates, forbidden, _] = *cells else {
            return None;
        };
        Some(Row {
            package: in_backticks(package).collect(),
            crates: crates.parse().ok()?,
            forbidden: in_backticks(forbidden).collect(),
        })
    };
    rows.map(|line| row(line).with_context(|| format!("{PAGE}: cannot read {line}")))
        .collect()
}

fn in_backticks(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The name and version of `package` and of all that it needs to be built and to run.
pub(crate) fn tree(package: &[String]) -> anyhow::Result<BTreeSet<String>> {
    let output = cargo()?
        .args(["tree", "--locked", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}", "--target", TARGET])
        .arg("--package")
        .args(package)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo tree: {errors}");
    // Behind name and version may stand where it lies, and that it was listed above.
    let name_and_version = |line: &str| {
        let words: Vec<_> = line.split(' ').take(2).collect();
        words.join(" ")
    };
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().map(name_and_version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Text.

| what you use | package | crates | not among them |
|---|---|---|---|
| one | `a` | 2 | `b`, `arrow-*` |
| two | `c` `--no-default-features` | 30 | |

More text | with | bars |
";

    #[test]
    fn the_table_is_read_to_its_end() {
        let strings = |strings: &[&str]| strings.iter().map(ToString::to_string).collect();
        let row = |package: &[&str], crates, forbidden: &[&str]| Row {
            package: strings(package),
            crates,
            forbidden: strings(forbidden),
        };
        let expected = [
            row(&["a"], 2, &["b", "arrow-*"]),
            row(&["c", "--no-default-features"], 30, &[]),
        ];
        assert_eq!(rows(TABLE).unwrap(), expected);
        assert!(rows(&TABLE.replace("30", "thirty")).is_err());
    }

    #[test]
    fn another_count_and_forbidden_crates_are_told() {
        let row = &rows(TABLE).unwrap()[0];
        let tree = |crates: &[&str]| crates.iter().map(ToString::to_string).collect();
        let none: &[String] = &[];
        assert_eq!(row.problems(&tree(&["a v1", "bb v1"])), none);
        let found = ["a v1", "arrow-schema v58", "b v2"];
        let problems = row.problems(&tree(&found)).join("\n");
        let expected =
            "a pulls in 3 crates, not 2.\na pulls in b v2.\na pulls in arrow-schema v58.";
        assert_eq!(problems, expected);
    }
}
