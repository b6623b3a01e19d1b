//! What is handed out: a tarball for any Linux, and a Debian package. The same commit gives the same bytes.

mod check;
mod licences;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

pub(crate) use self::check::check;
use crate::step::{announced, cargo, run, target_directory, workspace_root};

/// Builds the release binary and packs it, into `out` or else `packages` in the target directory.
pub(crate) fn pack(out: Option<PathBuf>) -> anyhow::Result<()> {
    let target = target_directory()?;
    let mut build = cargo()?;
    build.args(["build", "--locked", "--profile", "dist"]);
    announced("cargo build --profile dist", || {
        run(&mut build, "Repair what cargo names above.")
    })?;
    let out = out.unwrap_or_else(|| target.join("packages"));
    fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
    let release = Release::of(&target.join("dist/landfall"), env!("CARGO_PKG_VERSION"))?;
    println!("\n{}", release.tarball(&out, Spare::Space)?.display());
    println!("{}", release.deb(&out, Spare::Space)?.display());
    println!("It needs {} at least.", release.libraries()?);
    Ok(())
}

/// A binary, and what goes with it.
struct Release {
    root: PathBuf,
    binary: PathBuf,
    version: String,
    /// Seconds since 1970 that every file is from: `SOURCE_DATE_EPOCH`, else the time of the commit.
    epoch: String,
    /// What the binary says of itself, and the licences of what is built into it.
    written: TempDir,
}

/// What packing is to spare.
#[derive(Clone, Copy)]
enum Spare {
    Space,
    Time,
}

/// A file and where it goes.
struct Part {
    file: PathBuf,
    in_tarball: String,
    in_deb: String,
}

impl Release {
    fn of(binary: &Path, version: &str) -> anyhow::Result<Self> {
        let root = workspace_root()?;
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => output(
                Command::new("git")
                    .args(["log", "-1", "--format=%ct"])
                    .current_dir(&root),
            )
            .context("set SOURCE_DATE_EPOCH where there is no git repository")?,
        };
        let written = TempDir::new()?;
        for shell in ["bash", "zsh", "fish"] {
            let script = output(Command::new(binary).args(["completions", shell]))?;
            fs::write(written.path().join(shell), script)?;
        }
        let pages = written.path().join("man");
        fs::create_dir(&pages)?;
        output(Command::new(binary).arg("man").arg("--out").arg(&pages))?;
        fs::write(
            written.path().join("licences"),
            licences::of_dependencies()?,
        )?;
        Ok(Self {
            root,
            binary: binary.to_owned(),
            version: version.to_owned(),
            epoch: epoch.trim().to_owned(),
            written,
        })
    }

    fn parts(&self) -> anyhow::Result<Vec<Part>> {
        let part = |file: PathBuf, in_tarball: &str, in_deb: &str| Part {
            file,
            in_tarball: in_tarball.to_owned(),
            in_deb: in_deb.to_owned(),
        };
        let root = |name: &str| self.root.join(name);
        let written = |name: &str| self.written.path().join(name);
        let doc = "usr/share/doc/landfall";
        let mut parts = vec![
            part(self.binary.clone(), "landfall", "usr/bin/landfall"),
            part(
                root("packaging/systemd/landfall.service"),
                "landfall.service",
                "usr/lib/systemd/system/landfall.service",
            ),
            part(
                root("packaging/landfall.toml"),
                "landfall.toml",
                "etc/landfall/landfall.toml",
            ),
            part(
                root("examples/config/landfall.toml"),
                "every-setting.toml",
                &format!("{doc}/examples/every-setting.toml"),
            ),
            part(root("README.md"), "README.md", &format!("{doc}/README.md")),
            part(
                root("CHANGELOG.md"),
                "CHANGELOG.md",
                &format!("{doc}/CHANGELOG.md"),
            ),
            part(root("LICENSE"), "LICENSE", &format!("{doc}/copyright")),
            part(
                written("licences"),
                "LICENSES-OF-DEPENDENCIES.txt",
                &format!("{doc}/LICENSES-OF-DEPENDENCIES.txt"),
            ),
            part(
                written("bash"),
                "completions/landfall.bash",
                "usr/share/bash-completion/completions/landfall",
            ),
            part(
                written("zsh"),
                "completions/_landfall",
                "usr/share/zsh/vendor-completions/_landfall",
            ),
            part(
                written("fish"),
                "completions/landfall.fish",
                "usr/share/fish/vendor_completions.d/landfall.fish",
            ),
        ];
        for page in fs::read_dir(written("man"))? {
            let page = page?;
            let name = page.file_name().to_string_lossy().into_owned();
            parts.push(part(
                page.path(),
                &format!("man/{name}"),
                &format!("usr/share/man/man1/{name}"),
            ));
        }
        Ok(parts)
    }

    /// `landfall-<version>-<architecture>-linux.tar.gz`, which unpacks into one folder.
    fn tarball(&self, out: &Path, spare: Spare) -> anyhow::Result<PathBuf> {
        let name = format!("landfall-{}-{}-linux", self.version, std::env::consts::ARCH);
        let stage = TempDir::new()?;
        for part in self.parts()? {
            copy(&part.file, &stage.path().join(&name).join(part.in_tarball))?;
        }
        let tarball = out.join(format!("{name}.tar.gz"));
        // As GNU tar documents for archives that are to be the same again; gzip writes no name and time.
        let mut tar = Command::new("tar");
        tar.args(["--sort=name", "--format=ustar", "--owner=0", "--group=0"])
            .args(["--numeric-owner", "--mode=u=rwX,go=rX"])
            .arg(format!("--mtime=@{}", self.epoch))
            .arg(match spare {
                Spare::Space => "--use-compress-program=gzip -9n",
                Spare::Time => "--use-compress-program=gzip -1n",
            })
            .arg("--create")
            .arg("--file")
            .arg(&tarball)
            .arg("--directory")
            .arg(stage.path())
            .arg(&name);
        run(&mut tar, "GNU tar and gzip are needed.")?;
        Ok(tarball)
    }

    /// `landfall_<version>_<architecture>.deb`.
    fn deb(&self, out: &Path, spare: Spare) -> anyhow::Result<PathBuf> {
        let stage = TempDir::new()?;
        for part in self.parts()? {
            copy(&part.file, &stage.path().join(part.in_deb))?;
        }
        let kibibytes = output(Command::new("du").args(["-sk"]).arg(stage.path()))?;
        let kibibytes = kibibytes.split_whitespace().next().unwrap_or("0");
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let scripts = self.root.join("packaging/debian");
        let control = fs::read_to_string(scripts.join("control"))?
            .replace("{version}", &self.version)
            .replace("{architecture}", architecture)
            .replace("{libraries}", &self.libraries()?)
            .replace("{kibibytes}", kibibytes);
        let about = stage.path().join("DEBIAN");
        fs::create_dir(&about)?;
        fs::write(about.join("control"), control)?;
        for script in ["conffiles", "postinst", "prerm", "postrm"] {
            copy(&scripts.join(script), &about.join(script))?;
        }
        // The builder's umask is nobody else's business.
        run(
            Command::new("chmod")
                .args(["-R", "u=rwX,go=rX"])
                .arg(stage.path()),
            "chmod is needed.",
        )?;
        let deb = out.join(format!("landfall_{}_{architecture}.deb", self.version));
        run(
            Command::new("dpkg-deb")
                .env("SOURCE_DATE_EPOCH", &self.epoch)
                .args(["--root-owner-group", "--build"])
                .arg(match spare {
                    Spare::Space => "-Zxz",
                    Spare::Time => "-Znone",
                })
                .arg(stage.path())
                .arg(&deb)
                .stdout(std::process::Stdio::null()),
            "Debian's dpkg is needed.",
        )?;
        Ok(deb)
    }

    /// The packages of Debian whose libraries the binary is linked to, with the oldest version that has all it needs.
    fn libraries(&self) -> anyhow::Result<String> {
        let headers = output(Command::new("objdump").arg("-p").arg(&self.binary))?;
        needed(&headers)
    }
}

/// What `objdump -p` says that a binary needs, as dependencies of a Debian package.
fn needed(headers: &str) -> anyhow::Result<String> {
    let mut compiler = "";
    for library in headers
        .lines()
        .filter_map(|line| line.trim().strip_prefix("NEEDED"))
    {
        match library.trim() {
            "libc.so.6" | "libm.so.6" => {}
            name if name.starts_with("ld-linux") => {}
            "libgcc_s.so.1" => compiler = ", libgcc-s1",
            other => anyhow::bail!("the binary is linked to {other}, which no dependency brings"),
        }
    }
    let versions = headers
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("GLIBC_2."));
    let newest = versions
        .filter_map(|minor| minor.split('.').next()?.parse::<u32>().ok())
        .max()
        .context("the binary is not linked to the GNU C library")?;
    Ok(format!("libc6 (>= 2.{newest}){compiler}"))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// What the command prints, which must succeed.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let ended = command
        .output()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(
        ended.status.success(),
        "{command:?} failed: {}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(String::from_utf8(ended.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_of_the_c_library_that_is_needed_counts() {
        let headers = "\
  NEEDED               libgcc_s.so.1
  NEEDED               libc.so.6
    0x09691974 0x00 20 GLIBC_2.3.4
    0x069691b4 0x00 02 GLIBC_2.34
    0x06969185 0x00 25 GLIBC_2.25
";
        assert_eq!(needed(headers).unwrap(), "libc6 (>= 2.34), libgcc-s1");
        let ssl = headers.replace("libc.so.6", "libssl.so.3");
        let error = needed(&ssl).unwrap_err().to_string();
        assert!(error.contains("libssl.so.3"), "{error}");
    }
}
