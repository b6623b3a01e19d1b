//! Packs the debug binary, holds what comes out to what tools say of it, and installs, upgrades, removes and purges it below
//! a folder.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use landfall_testkit::services::{Venv, directory};
use tempfile::TempDir;

use super::{Release, Spare, output};
use crate::step::{run, target_directory, workspace_root};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Of systemd's score from 0 (locked up) to 100: what the unit may have at most.
const EXPOSURE: &str = "15";

/// Does all of it, with the binary that the tests have built.
pub(crate) fn check() -> anyhow::Result<()> {
    let binary = target_directory()?.join("debug/landfall");
    ensure!(binary.exists(), "`cargo build` makes the binary to pack");
    lint(&binary)?;
    if output(Command::new("id").arg("-u"))?.trim() != "0" || !has("dpkg") {
        println!("    not installed: that takes root and Debian's dpkg");
        return Ok(());
    }
    let work = TempDir::new()?;
    let stripped = work.path().join("landfall");
    run(
        Command::new("strip").arg(&binary).arg("-o").arg(&stripped),
        "binutils are needed.",
    )?;
    let release = Release::of(&stripped, VERSION)?;
    let deb = is_the_same_again(work.path(), &release)?;
    let newer =
        Release::of(&stripped, &format!("{VERSION}+next"))?.deb(work.path(), Spare::Time)?;
    lives(&deb, &newer)
}

/// What the tools for each kind of file say.
fn lint(binary: &Path) -> anyhow::Result<()> {
    let packaging = workspace_root()?.join("packaging");
    let venv = Venv::inside(&directory()?).path().join("bin");
    output(Command::new(venv.join("hadolint")).arg(packaging.join("docker/Dockerfile")))?;
    output(
        Command::new(venv.join("kubernetes-validate"))
            .arg("--strict")
            .args(files(&packaging.join("kubernetes"))?),
    )?;
    if !has("systemd-analyze") {
        println!("    the unit is not looked at: that takes systemd-analyze");
        return Ok(());
    }
    // The unit names the binary where the package puts it.
    let work = TempDir::new()?;
    let unit = work.path().join("landfall.service");
    let text = fs::read_to_string(packaging.join("systemd/landfall.service"))?;
    fs::write(
        &unit,
        text.replace("/usr/bin/landfall", &binary.display().to_string()),
    )?;
    output(
        Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&unit),
    )?;
    output(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={EXPOSURE}"))
            .arg(&unit),
    )?;
    Ok(())
}

/// Packs twice, and gives the package.
fn is_the_same_again(work: &Path, release: &Release) -> anyhow::Result<PathBuf> {
    let pack = |name: &str| -> anyhow::Result<[PathBuf; 2]> {
        let out = work.join(name);
        fs::create_dir(&out)?;
        Ok([
            release.tarball(&out, Spare::Time)?,
            release.deb(&out, Spare::Time)?,
        ])
    };
    let [first, second] = [pack("first")?, pack("second")?];
    for (one, other) in first.iter().zip(&second) {
        ensure!(
            fs::read(one)? == fs::read(other)?,
            "{} and {} differ",
            one.display(),
            other.display()
        );
    }
    let [_, deb] = first;
    Ok(deb)
}

/// Installs, upgrades, removes and purges.
fn lives(deb: &Path, newer: &Path) -> anyhow::Result<()> {
    let system = System::new()?;
    system.dpkg(&["--install".as_ref(), deb])?;
    let addresses = [free_address()?, free_address()?];
    let config = fs::read_to_string(system.path("etc/landfall/landfall.toml"))?
        .replace("127.0.0.1:8080", &addresses[0])
        .replace("127.0.0.1:8686", &addresses[1]);
    system.write("etc/landfall/landfall.toml", &config)?;
    system.write("etc/landfall/appcues.secret", SECRET)?;
    system.serves(&addresses)?;
    ensure!(
        system.has("var/lib/landfall/data") && system.has("var/lib/landfall/lake/events"),
        "what was sent did not land below /var/lib/landfall"
    );

    system.dpkg(&["--install".as_ref(), newer])?;
    ensure!(
        fs::read_to_string(system.path("etc/landfall/landfall.toml"))? == config,
        "the upgrade has changed the configuration"
    );
    system.serves(&addresses)?;

    system.dpkg(&["--remove".as_ref(), "landfall".as_ref()])?;
    ensure!(
        !system.has("usr/bin/landfall"),
        "the binary was not removed"
    );
    for kept in [
        "etc/landfall/landfall.toml",
        "etc/landfall/appcues.secret",
        "var/lib/landfall/data",
    ] {
        ensure!(system.has(kept), "removing took /{kept} too");
    }

    system.dpkg(&["--purge".as_ref(), "landfall".as_ref()])?;
    for gone in ["etc/landfall", "var/lib/landfall/data"] {
        ensure!(!system.has(gone), "purging left /{gone}");
    }
    ensure!(
        system.has("var/lib/landfall/lake/events"),
        "purging took what had landed"
    );
    Ok(())
}

const SECRET: &str = "a secret of at least thirty-two characters";

/// A folder with what a system has before Landfall is installed: a list of packages and of users.
struct System(TempDir);

impl System {
    fn new() -> anyhow::Result<Self> {
        let system = Self(TempDir::new()?);
        // A service of its own user must get through to its files.
        run(
            Command::new("chmod").arg("755").arg(system.0.path()),
            "chmod is needed.",
        )?;
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "tmp"] {
            fs::create_dir_all(system.path(folder))?;
        }
        for (file, text) in [
            ("var/lib/dpkg/status", ""),
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("etc/group", "root:x:0:\n"),
        ] {
            system.write(file, text)?;
        }
        Ok(system)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let file = self.path(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    }

    fn dpkg(&self, args: &[&Path]) -> anyhow::Result<()> {
        // What the package depends on is on the machine, not in the folder. Its scripts mind DPKG_ROOT.
        output(
            Command::new("dpkg")
                .arg(format!("--root={}", self.0.path().display()))
                .args(["--force-depends", "--force-script-chrootless"])
                .args(["--force-confold", "--no-triggers"])
                .args(args),
        )?;
        Ok(())
    }

    /// Starts what was installed as the unit does, under the user that was made, and sends it events.
    fn serves(&self, [source, api]: &[String; 2]) -> anyhow::Result<()> {
        let passwd = fs::read_to_string(self.path("etc/passwd"))?;
        let user = passwd.lines().find(|line| line.starts_with("landfall:"));
        let fields: Vec<_> = user.context("no user was made")?.split(':').collect();
        let [_, _, uid, gid, ..] = fields[..] else {
            bail!("/etc/passwd says of the user: {fields:?}");
        };
        ensure!(uid != "0", "the user is root");
        let owner = format!("{uid}:{gid}");
        // As StateDirectory= and the documentation of the secret do.
        fs::create_dir_all(self.path("var/lib/landfall"))?;
        run(
            Command::new("chown")
                .arg(&owner)
                .arg(self.path("var/lib/landfall"))
                .arg(self.path("etc/landfall/appcues.secret")),
            "chown is needed.",
        )?;
        self.link_libraries()?;

        let landfall = |args: &[&str]| {
            let mut command = Command::new("chroot");
            command
                .arg(format!("--userspec={owner}"))
                .arg(self.0.path())
                .arg("/usr/bin/landfall")
                .args(args);
            command
        };
        const CONFIG: [&str; 2] = ["--config", "/etc/landfall/landfall.toml"];
        output(landfall(&["validate", "--no-environment"]).args(CONFIG))?;
        let log = self.path("tmp/log");
        let mut service = Service(
            landfall(&["run"])
                .args(CONFIG)
                .stderr(fs::File::create(&log)?)
                .spawn()?,
        );
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let until = Instant::now() + Duration::from_secs(30);
        let top = ["top", "--once", "--interval", "0.1", "--url"];
        while output(landfall(&top).arg(format!("http://{api}"))).is_err() {
            let running = service.0.try_wait()?.is_none();
            ensure!(running && Instant::now() < until, "not up:\n{}", said());
        }
        output(
            landfall(&["send", "--secret", SECRET, "--url"])
                .arg(format!("http://{source}/webhooks/appcues")),
        )?;
        // It lands what it has before it ends.
        run(
            Command::new("kill").arg(service.0.id().to_string()),
            "kill is needed.",
        )?;
        let status = service.0.wait()?;
        ensure!(
            status.success(),
            "the service ended with {status}:\n{}",
            said()
        );
        Ok(())
    }

    /// Copies the libraries that the binary is linked to from this machine.
    fn link_libraries(&self) -> anyhow::Result<()> {
        let listed = output(Command::new("ldd").arg(self.path("usr/bin/landfall")))?;
        for library in listed
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            super::copy(
                Path::new(library),
                &self.path(library.trim_start_matches('/')),
            )?;
        }
        Ok(())
    }
}

/// Ends with the check, however that ends.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn has(program: &str) -> bool {
    let version = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    Ok(entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?)
}
