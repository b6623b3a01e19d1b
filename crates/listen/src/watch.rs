use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use landfall_core::{BuildError, Labels, Secret, log};
use metrics::Counter;

use crate::refusals::errors;

/// How often the files are read. A change is taken once it was read twice alike, so after a second at most.
const INTERVAL: Duration = Duration::from_millis(450);

/// More than any key or chain of certificates has.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What the watched files hold: any of it may be a key.
pub type Contents = BTreeMap<PathBuf, Secret>;

/// A value made of the contents of files, and made anew when they change.
///
/// The files are read again and again, since that alone works on every file system and with every way of replacing a
/// file, such as the exchanged symbolic links of Kubernetes. A thread does it: a file system that hangs then holds up
/// nothing else. Whatever cannot be read, is empty or gives no value leaves the last good one in use.
#[derive(Debug)]
pub struct Watched<T> {
    current: Arc<RwLock<Arc<T>>>,
    /// Ends the thread when it is dropped.
    _alive: Option<mpsc::Sender<()>>,
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads `files` and makes the first value of them. Without files there is nothing to watch. Errors are counted with
    /// `labels`.
    ///
    /// # Errors
    /// Names every file that cannot be read, or says why their contents give no value.
    pub fn new(
        files: Vec<PathBuf>,
        labels: Labels,
        build: impl Fn(&Contents) -> Result<T, String> + Send + 'static,
    ) -> Result<Self, BuildError> {
        let mut watch = Watch::new(files, labels, build).map_err(BuildError::new)?;
        let current = Arc::clone(&watch.current);
        if watch.files.is_empty() {
            return Ok(Self {
                current,
                _alive: None,
            });
        }
        let (alive, dropped) = mpsc::channel::<()>();
        let looking = move || {
            while dropped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                watch.look();
            }
        };
        thread::Builder::new()
            .name("landfall-watch".to_owned())
            .spawn(looking)
            .map_err(|error| {
                BuildError::new(format!("cannot start a thread: {error}")).with_source(error)
            })?;
        Ok(Self {
            current,
            _alive: Some(alive),
        })
    }

    /// The value of now. Whoever needs parts that fit together takes them from one call.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the thread knows.
struct Watch<T, F> {
    files: Vec<PathBuf>,
    labels: Labels,
    /// There before it counts, or nobody who asks whether it grows would see the first time.
    errors: Counter,
    build: F,
    current: Arc<RwLock<Arc<T>>>,
    /// What the current value was made of.
    used: Contents,
    /// What was read the last time.
    before: Contents,
    /// The problem that was logged last.
    said: Option<String>,
}

impl<T, F: Fn(&Contents) -> Result<T, String>> Watch<T, F> {
    fn new(files: Vec<PathBuf>, labels: Labels, build: F) -> Result<Self, String> {
        let mut used = Contents::new();
        if let Some(problem) = read_into(&mut used, &files) {
            return Err(problem);
        }
        Ok(Self {
            current: Arc::new(RwLock::new(Arc::new(build(&used)?))),
            files,
            errors: errors(&labels, "file_not_usable"),
            labels,
            build,
            before: used.clone(),
            used,
            said: None,
        })
    }

    /// Reads the files once more.
    fn look(&mut self) {
        let mut now = self.used.clone();
        let mut problem = read_into(&mut now, &self.files);
        let before = std::mem::replace(&mut self.before, now.clone());
        if now != self.used {
            // Read once, it may be half of what somebody is writing.
            if now != before {
                return;
            }
            match (self.build)(&now) {
                Ok(value) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                    self.used = now;
                    log!(&self.labels, info, files = ?self.files, "changed files are in use");
                }
                Err(error) => problem = Some(error),
            }
        }
        if problem == self.said {
            return;
        }
        match &problem {
            Some(problem) => {
                self.errors.increment(1);
                log!(
                    &self.labels,
                    error,
                    problem,
                    "the last good contents stay in use"
                );
            }
            None => log!(&self.labels, info, files = ?self.files, "the files can be used again"),
        }
        self.said = problem;
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
    use super::*;

    /// Watches a file that holds a number.
    fn watch(file: PathBuf) -> Watch<usize, impl Fn(&Contents) -> Result<usize, String>> {
        Watch::new(vec![file.clone()], Labels::default(), move |contents| {
            let text = contents[&file].expose().trim();
            text.parse().map_err(|_| "is not a number".to_owned())
        })
        .unwrap()
    }

    /// Looks, and says what the value then is and what the problem.
    fn look<F: Fn(&Contents) -> Result<usize, String>>(
        watch: &mut Watch<usize, F>,
    ) -> (usize, String) {
        watch.look();
        let value = **watch.current.read().unwrap();
        (value, watch.said.clone().unwrap_or_default())
    }

    #[test]
    fn a_change_is_taken_once_it_was_read_twice_alike() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        fs::write(&file, "1\n").unwrap();
        let mut watch = watch(file.clone());
        let looks = [
            ("1\n", 1),
            ("2", 1),
            ("1\n", 1),
            ("2", 1),
            ("23", 1),
            ("23", 23),
            ("23", 23),
        ];
        for (text, value) in looks {
            fs::write(&file, text).unwrap();
            assert_eq!(look(&mut watch), (value, String::new()), "{text}");
        }
    }

    #[test]
    fn whatever_gives_no_value_leaves_the_last_one_and_is_a_problem_until_it_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        fs::write(&file, "1").unwrap();
        let mut watch = watch(file.clone());
        for (text, problem) in [
            ("", "is empty"),
            ("\n", "is empty"),
            ("none", "is empty"),
            ("none", "is not a number"),
        ] {
            fs::write(&file, text).unwrap();
            let (value, said) = look(&mut watch);
            assert_eq!(value, 1, "{text:?}");
            assert!(said.ends_with(problem), "{text:?}: {said}");
        }
        fs::remove_file(&file).unwrap();
        let (value, said) = look(&mut watch);
        assert_eq!(value, 1);
        assert!(said.contains("cannot be read"), "{said}");
        fs::write(&file, "1").unwrap();
        assert_eq!(look(&mut watch), (1, String::new()));
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
        let mut watch = watch(dir.path().join("data/number"));
        link("2");
        look(&mut watch);
        assert_eq!(look(&mut watch).0, 2);
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
        let error = Watched::new(files.clone(), Labels::default(), |_| Ok(())).unwrap_err();
        for file in files {
            let problem = error.to_string();
            assert!(problem.contains(&*file.to_string_lossy()), "{problem}");
        }
    }
}
