use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use landfall_core::{BuildError, Secret};

/// How often the files are read. A change is taken once it was read twice alike, so after a second at most.
const INTERVAL: Duration = Duration::from_millis(450);

/// More than any key or chain of certificates has.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What the watched files hold: any of it may be a key.
pub(crate) type Contents = BTreeMap<PathBuf, Secret>;

/// A value made of the contents of files, and made anew when they change.
///
/// The files are read again and again, since that alone works on every file system and with every way of replacing a
/// file, such as the exchanged symbolic links of Kubernetes. A thread does it: a file system that hangs then holds up
/// nothing else. Whatever cannot be read, is empty or gives no value leaves the last good one in use.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    current: Arc<RwLock<Arc<T>>>,
    /// Ends the thread when it is dropped.
    _alive: Option<mpsc::Sender<()>>,
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads `files` and makes the first value of them. Without files there is nothing to watch.
    ///
    /// # Errors
    /// Names every file that cannot be read, or says why their contents give no value.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        build: impl Fn(&Contents) -> Result<T, String> + Send + 'static,
    ) -> Result<Self, BuildError> {
        let mut contents = Contents::new();
        if let Some(problem) = read_into(&mut contents, &files) {
            return Err(BuildError(problem));
        }
        let first = build(&contents).map_err(BuildError)?;
        let current = Arc::new(RwLock::new(Arc::new(first)));
        if files.is_empty() {
            return Ok(Self {
                current,
                _alive: None,
            });
        }
        let (alive, dropped) = mpsc::channel();
        let written = Arc::clone(&current);
        thread::Builder::new()
            .name("landfall-watch".to_owned())
            .spawn(move || watch(&files, contents, &build, &written, &dropped))
            .map_err(|error| BuildError(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            current,
            _alive: Some(alive),
        })
    }

    /// The value of now. Whoever needs parts that fit together takes them from one call.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn watch<T>(
    files: &[PathBuf],
    mut used: Contents,
    build: &impl Fn(&Contents) -> Result<T, String>,
    current: &RwLock<Arc<T>>,
    dropped: &mpsc::Receiver<()>,
) {
    let mut before = used.clone();
    let mut said = None;
    while dropped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let mut now = used.clone();
        let mut problem = read_into(&mut now, files);
        // Read once, it may be half of what somebody is writing.
        if now != used && now == before {
            match build(&now) {
                Ok(value) => {
                    *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                    used.clone_from(&now);
                    tracing::info!(?files, "changed files are in use");
                }
                Err(error) => problem = Some(error),
            }
        }
        before = now;
        if problem != said {
            match &problem {
                Some(problem) => {
                    metrics::counter!("component_errors_total", "error_code" => "file_not_usable")
                        .increment(1);
                    tracing::error!(problem, "the last good contents stay in use");
                }
                None => tracing::info!(?files, "the files can be used again"),
            }
            said = problem;
        }
    }
}

/// Reads `files` into `contents`, leaves alone those that give nothing, and says which they are.
fn read_into(contents: &mut Contents, files: &[PathBuf]) -> Option<String> {
    let mut problems = Vec::new();
    for file in files {
        match read(file) {
            Ok(text) => {
                contents.insert(file.clone(), text);
            }
            Err(problem) => problems.push(format!("{}: {problem}", file.display())),
        }
    }
    (!problems.is_empty()).then(|| problems.join("; "))
}

fn read(path: &Path) -> Result<Secret, String> {
    let describe = |error: std::io::Error| format!("cannot be read: {error}");
    // A pipe would block, and be empty the second time.
    if !fs::metadata(path).map_err(describe)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = fs::File::open(path).map_err(describe)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(describe)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("has more than {MAX_FILE_BYTES} bytes"));
    }
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn watched(file: &Path) -> Watched<usize> {
        let path = file.to_owned();
        Watched::new(vec![path.clone()], move |contents| {
            let text = contents[&path].expose().trim();
            text.parse().map_err(|_| "is not a number".to_owned())
        })
        .unwrap()
    }

    fn wait_for(watched: &Watched<usize>, value: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while *watched.get() != value {
            assert!(Instant::now() < deadline, "{value} never came");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_change_is_taken_and_whatever_gives_no_value_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        let (said, saying) = mpsc::channel();
        fs::write(&file, "1\n").unwrap();
        let path = file.clone();
        let watched = Watched::new(vec![path.clone()], move |contents| {
            let text = contents[&path].expose().trim().to_owned();
            said.send(text.clone()).ok();
            text.parse().map_err(|_| "is not a number".to_owned())
        })
        .unwrap();
        assert_eq!((*watched.get(), &*saying.recv().unwrap()), (1, "1"));

        fs::write(&file, "none").unwrap();
        assert_eq!(saying.recv().unwrap(), "none");
        assert_eq!(*watched.get(), 1);
        fs::write(&file, "").unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(*watched.get(), 1);
        fs::write(&file, "2").unwrap();
        wait_for(&watched, 2);
    }

    #[test]
    fn an_exchanged_symbolic_link_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        for value in ["1", "2"] {
            fs::create_dir(dir.path().join(value)).unwrap();
            fs::write(dir.path().join(value).join("number"), value).unwrap();
        }
        let link = |target: &str| {
            let new = dir.path().join("new");
            std::os::unix::fs::symlink(target, &new).unwrap();
            fs::rename(new, dir.path().join("data")).unwrap();
        };
        link("1");
        let watched = watched(&dir.path().join("data/number"));
        link("2");
        wait_for(&watched, 2);
    }

    #[test]
    fn files_that_give_nothing_are_all_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, contents: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, contents).unwrap();
            path
        };
        let files = vec![
            dir.path().join("absent"),
            dir.path().to_owned(),
            file("empty", b" \r\n"),
            file("binary", b"\xff"),
            file("large", &vec![b'x'; MAX_FILE_BYTES as usize + 1]),
        ];
        let error = Watched::new(files.clone(), |_| Ok(())).unwrap_err();
        for file in files {
            assert!(error.0.contains(&*file.to_string_lossy()), "{error}");
        }
    }
}
