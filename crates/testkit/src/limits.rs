use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and those it starts, open as many files as the system allows at all; how many that is.
///
/// # Panics
/// If the system refuses what it says that it allows.
pub fn allow_many_files() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, most).expect("raising the soft limit to the hard one");
    maximum.unwrap_or(u64::MAX)
}
