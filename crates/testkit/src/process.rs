use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long to wait between two looks at a condition.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Far more than any start, stop or command needs on a slow machine that does other things too.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A child process whose output is collected while it runs. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

impl Process {
    /// Starts `command` with nothing on its standard input.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!(
                "{} does not start: {error}",
                command.get_program().display()
            ),
        };
        let stdout = Captured::from(child.stdout.take().expect("standard output is piped"));
        let stderr = Captured::from(child.stderr.take().expect("standard error is piped"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// If it does not end within `limit`; it is killed then.
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> Ended {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.status() {
                return Ended {
                    code: status.code(),
                    stdout: self.stdout.finish(),
                    stderr: self.stderr.finish(),
                };
            }
            assert!(
                Instant::now() < deadline,
                "still running after {limit:?}\n--- stdout\n{}\n--- stderr\n{}",
                self.stdout(),
                self.stderr(),
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// With `what` and all that the process said, if it ends before that, or a minute passes.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition(self) {
            assert!(
                Instant::now() < deadline && self.status().is_none(),
                "waited in vain until {what}\n--- stdout\n{}\n--- stderr\n{}",
                self.stdout(),
                self.stderr(),
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends `signal`; a process that has ended gets none.
    pub fn signal(&mut self, signal: Signal) {
        // `status` first: after it has seen the end, the number may be another process's.
        if self.status().is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, signal).expect("signalling an own child");
        }
    }

    /// How the process ended, once it has.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("asking for an own child")
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The lines that it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// The lines that it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a process left behind.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "--- exit code {code}")?,
            None => writeln!(f, "--- ended by a signal")?,
        }
        writeln!(f, "--- stdout\n{}", self.stdout)?;
        write!(f, "--- stderr\n{}", self.stderr)
    }
}

/// One stream of a child, read to its end by a thread so that the child never blocks on it.
#[derive(Debug)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn from(stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            // Whole lines, since who looks in between may want to read what is in one.
            while let Ok(1..) = stream.read_until(b'\n', &mut line) {
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .append(&mut line);
            }
        });
        Self {
            bytes,
            reader: Some(reader),
        }
    }

    fn so_far(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the thread that reads never panics");
        }
        self.so_far()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::spawn(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn an_ended_process_leaves_its_code_and_both_streams() {
        let ended = shell("echo out; echo err >&2; exit 7").wait(Duration::from_secs(30));
        assert_eq!(ended.code, Some(7));
        assert_eq!((&*ended.stdout, &*ended.stderr), ("out\n", "err\n"));
    }

    #[test]
    fn a_signal_reaches_the_process() {
        let mut process = shell("exec sleep 60");
        process.signal(Signal::TERM);
        assert_eq!(process.wait(Duration::from_secs(30)).code, None);
    }

    #[test]
    #[should_panic(expected = "still running")]
    fn waiting_ends_at_its_limit() {
        shell("exec sleep 60").wait(Duration::from_millis(50));
    }
}
