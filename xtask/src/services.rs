use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use landfall_testkit::ObjectStore;
use landfall_testkit::services::{Chromium, Venv, directory};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;

use crate::debian;
use crate::step::{run, workspace_root};

const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// Installs the Python environment of `tests/python` and a browser below the target directory, unless they are there already.
pub(crate) fn install() -> anyhow::Result<()> {
    let services = directory()?;
    let _installing = alone(&services)?;
    install_python(&services)?;
    install_browser(&services)
}

/// What begins a command that Valgrind runs: the machine's own, or Debian's, which is unpacked if there is none.
pub(crate) fn valgrind() -> anyhow::Result<Vec<String>> {
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path).any(|folder| folder.join("valgrind").is_file()) {
        return Ok(vec!["valgrind".to_owned()]);
    }
    let services = directory()?;
    let _installing = alone(&services)?;
    let root = services.join("valgrind");
    let program = root.join("usr/bin/valgrind.bin");
    if !program.is_file() {
        let unpacked = services.join("valgrind.unpacked");
        debian::unpack(
            &["valgrind"],
            &unpacked,
            &services.join("valgrind.work"),
            "Instructions are counted by Valgrind. On anything but Debian install it, so that it is on PATH.",
        )?;
        fs::rename(unpacked, &root)?;
    }
    Ok(vec![
        "env".to_owned(),
        format!("VALGRIND_LIB={}/usr/libexec/valgrind", root.display()),
        program.display().to_string(),
    ])
}

/// The right to install something below `services`: two checkouts that share a target directory share what is there.
fn alone(services: &Path) -> anyhow::Result<fs::File> {
    fs::create_dir_all(services).with_context(|| format!("creating {}", services.display()))?;
    let lock = fs::File::create(services.join("install.lock"))?;
    lock.lock().context("waiting for another installation")?;
    Ok(lock)
}

/// Unpacks Debian's Chromium.
fn install_browser(services: &Path) -> anyhow::Result<()> {
    if let Ok(there) = Chromium::find(services) {
        println!("    already installed: {}", there.browser.display());
        return Ok(());
    }
    let folder = Chromium::folder(services);
    // An installation that was interrupted is done again.
    let _ = fs::remove_dir_all(&folder);
    let unpacked = folder.join("unpacked");
    debian::unpack(
        &["chromium", "chromium-driver", "fonts-dejavu-core"],
        &unpacked,
        &folder.join("work"),
        "The tests need a browser. On anything but Debian install chromium and chromedriver, so that they are on PATH.",
    )?;
    fs::create_dir(folder.join("libraries"))?;
    copy_libraries(&unpacked, &folder.join("libraries"))?;
    let root = folder.join("root");
    let fonts = format!(
        "<fontconfig><dir>/usr/share/fonts</dir><dir>{}/usr/share/fonts</dir><cachedir>{}/font-cache</cachedir></fontconfig>",
        root.display(),
        folder.display(),
    );
    fs::write(folder.join("fonts.conf"), fonts)?;
    fs::rename(unpacked, &root)?;
    println!("    installed: {}", root.display());
    Ok(())
}

/// Copies libraries, which stand in several folders by machine and package, into one.
fn copy_libraries(folder: &Path, into: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            copy_libraries(&entry.path(), into)?;
        } else if name.to_string_lossy().contains(".so")
            && folder.file_name() != Some("chromium".as_ref())
        {
            fs::copy(entry.path(), into.join(name))?;
        }
    }
    Ok(())
}

/// Installs the Python environment of `tests/python`.
fn install_python(services: &Path) -> anyhow::Result<()> {
    let requirements = workspace_root()?.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("reading {}", requirements.display()))?;
    let venv = Venv::inside(services);
    if is_installed(&venv, &wanted) {
        println!("    already installed: {}", venv.path().display());
        return Ok(());
    }

    let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    run(
        Command::new(&python)
            .args(["-m", "venv", "--clear"])
            .arg(venv.path()),
        "Python 3.11 or newer with its venv module is needed (on Debian: apt-get install python3-venv). \
         Another interpreter than python3 can be named by PYTHON.",
    )?;
    run(
        Command::new(venv.python())
            .args([
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--quiet",
            ])
            .arg("--requirement")
            .arg(&requirements),
        "pip must reach a Python package index; it is used with the configuration that it has.",
    )?;
    // Last, so that an installation that was interrupted is done again.
    fs::write(venv.stamp(), stamp(&venv, &wanted)?)?;
    println!("    installed: {}", venv.path().display());
    Ok(())
}

/// Installs what is missing, and runs an object store until it is told to end. What was stored goes with it.
pub(crate) fn start() -> anyhow::Result<()> {
    install()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Before the store is there: nothing but its drop ends it.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut store = ObjectStore::start();
        print!("{}", instructions(&store.endpoint()));
        let mut look = interval(Duration::from_millis(500));
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                _ = look.tick() => ensure!(store.is_running(), "the object store ended by itself"),
            }
        }
    })
}

fn instructions(endpoint: &str) -> String {
    let (bucket, access_key, secret_key) = (
        ObjectStore::BUCKET,
        ObjectStore::ACCESS_KEY,
        ObjectStore::SECRET_KEY,
    );
    format!(
        r#"
SeaweedFS is running; Ctrl-C ends it and deletes what it holds.

endpoint    {endpoint}
bucket      {bucket}
access key  {access_key}
secret key  {secret_key}

To land in it:

[sinks.lake]
type = "parquet"
inputs = ["appcues"]
uri = "s3://{bucket}/lake"
[sinks.lake.storage]
endpoint = "{endpoint}"
allow_http = true
region = "us-east-1"
access_key_id = "{access_key}"
secret_access_key = "{secret_key}"
"#
    )
}

fn is_installed(venv: &Venv, wanted: &str) -> bool {
    match (fs::read_to_string(venv.stamp()), stamp(venv, wanted)) {
        (Ok(have), Ok(want)) => have == want,
        _ => false,
    }
}

/// What an environment was made from. The version is the interpreter's of today: packages are installed for one
/// version, and a system's upgrade would leave the environment without them.
fn stamp(venv: &Venv, wanted: &str) -> anyhow::Result<String> {
    let version = version(&venv.python())?;
    Ok(format!("# {version}\n{wanted}"))
}

fn version(python: &Path) -> anyhow::Result<String> {
    let output = Command::new(python).arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
