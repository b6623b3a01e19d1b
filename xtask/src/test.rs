use std::time::Instant;

use crate::step::{announced, cargo, readable, run};
use crate::{deny, deps, dist, fuzz, services, stages};

/// One of cargo's checks.
struct Check {
    name: &'static str,
    args: &'static [&'static str],
    env: Option<(&'static str, &'static str)>,
    advice: &'static str,
}

const CHECKS: &[Check] = &[
    Check {
        name: "format",
        args: &["fmt", "--all", "--check"],
        env: None,
        advice: "`cargo fmt --all` puts it right.",
    },
    Check {
        name: "lints",
        args: &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        env: None,
        advice: "Repair what clippy names above.",
    },
    Check {
        name: "lints without features",
        args: &[
            "clippy",
            "--package",
            "landfall-source-appcues",
            "--no-default-features",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        env: None,
        advice: "What needs the server must say so: `#[cfg(feature = \"server\")]`.",
    },
    Check {
        name: "documentation",
        args: &["doc", "--workspace", "--no-deps"],
        env: Some(("RUSTDOCFLAGS", "-D warnings")),
        advice: "Repair the documentation that rustdoc names above.",
    },
    Check {
        name: "tests",
        // All failures in one run: a second one may be a long way off. The lints have compiled what is there without the
        // feature; with it are the tests, so that the binary is built once.
        args: &[
            "test",
            "--workspace",
            "--features",
            "landfall/otlp",
            "--no-fail-fast",
        ],
        env: None,
        advice: "The failed tests are listed above; `cargo test <name>` runs one alone.",
    },
];

/// Installs what the tests need, then does every check, and ends at the first that fails.
pub(crate) fn run_all() -> anyhow::Result<()> {
    let started = Instant::now();

    let mut times = Vec::new();
    let took = announced(
        "what the tests need beside Rust (a Python environment and a browser)",
        services::install,
    )?;
    times.push(("services", took));
    let took = announced("cargo xtask deps", deps::check)?;
    times.push(("dependencies", took));
    let took = announced("cargo deny: bans, licences and sources", deny::check)?;
    times.push(("licences", took));
    for check in CHECKS {
        let mut command = cargo()?;
        command.args(check.args).envs(check.env);
        let title = format!("cargo {}", check.args.join(" "));
        let took = announced(&title, || run(&mut command, check.advice))?;
        times.push((check.name, took));
    }

    let took = announced("cargo xtask dist --check", dist::check)?;
    times.push(("packages", took));
    let took = announced("cargo xtask stages", stages::check)?;
    times.push(("stages", took));
    let took = announced("fuzz, some seconds each", fuzz::run_short)?;
    times.push(("fuzz", took));

    let times: Vec<_> = times
        .iter()
        .map(|(name, took)| format!("{name} {}", readable(*took)))
        .collect();
    println!(
        "\nAll checks passed in {} ({}).",
        readable(started.elapsed()),
        times.join(", ")
    );
    Ok(())
}
