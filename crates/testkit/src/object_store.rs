use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::LIMIT;
use crate::services::{self, Venv};
use crate::{Identity, Process};

/// SeaweedFS serves gRPC on each of its ports plus this.
const GRPC: u16 = 10_000;

/// Where blocks of ports are looked for. All of a block, with gRPC, lies below what Linux gives to outgoing connections,
/// so that none can sit on a port while the store is stopped.
const BLOCKS: std::ops::Range<u16> = 11_000..22_700;

/// As many ports as a block has: one that is claimed and those of S3, master, filer, volume and admin server, and S3's
/// for HTTPS.
const BLOCK: u16 = 7;

/// What it shows to clients that come by HTTPS, below its folder.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// A real S3-compatible store, SeaweedFS, with one bucket. Killed when dropped.
///
/// It checks signatures and conditions as S3 does. About 1.5 s to its first answer, and 140 MB of memory; use
/// [`ObjectStore::shared`] where a test does not stop it.
#[derive(Debug)]
pub struct ObjectStore {
    // Before its folder: the process must not outlive it.
    process: Option<Process>,
    dir: TempDir,
    first_port: u16,
    /// Nobody else of this kind takes the same block while this is open. The store itself uses no UDP.
    _claim: UdpSocket,
}

/// An object as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The whole key, such as `prefix/events/date=2026-11-23/x.parquet`.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// Changes with the content.
    pub etag: String,
}

impl ObjectStore {
    /// The bucket that is there from the start.
    pub const BUCKET: &str = "test-bucket";
    /// May do everything.
    pub const ACCESS_KEY: &str = "testkey";
    /// Of [`Self::ACCESS_KEY`].
    pub const SECRET_KEY: &str = "testsecret";
    /// May only read and list.
    pub const READER_ACCESS_KEY: &str = "readerkey";
    /// Of [`Self::READER_ACCESS_KEY`].
    pub const READER_SECRET_KEY: &str = "readersecret";

    /// Starts a store of its own, and waits until its bucket answers.
    ///
    /// # Panics
    /// If it is not installed, or does not answer within a minute.
    #[track_caller]
    pub fn start() -> Self {
        let mut store = Self::stopped();
        store.start_again();
        store
    }

    #[track_caller]
    fn stopped() -> Self {
        let (first_port, claim) = claim_ports();
        let dir = tempfile::tempdir().expect("making a temporary folder");
        std::fs::write(dir.path().join("s3.json"), identities())
            .expect("writing into the temporary folder");
        std::fs::create_dir(dir.path().join("data")).expect("making the store's folder");
        Self {
            process: None,
            dir,
            first_port,
            _claim: claim,
        }
    }

    /// As [`Self::start`], and it speaks HTTPS too.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    #[track_caller]
    pub fn start_with_tls(identity: &Identity) -> Self {
        let mut store = Self::stopped();
        store.set_identity(identity);
        store.start_again();
        store
    }

    /// What it shows to clients that come by HTTPS, from its next start on.
    ///
    /// # Panics
    /// If its folder cannot be written to.
    #[track_caller]
    pub fn set_identity(&mut self, identity: &Identity) {
        for (name, pem) in [(CERTIFICATE, &identity.crt), (KEY, &identity.key)] {
            std::fs::write(self.dir.path().join(name), pem)
                .expect("writing into the temporary folder");
        }
    }

    /// A store that all tests share which run at the same time. It ends with the last of them.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    #[track_caller]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<ObjectStore>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let store = Arc::new(Self::start());
            *shared = Arc::downgrade(&store);
            store
        })
    }

    /// Where it answers, while it runs.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.first_port + 1).into()
    }

    /// What a client calls its endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What a client calls its endpoint that comes by HTTPS.
    pub fn https_endpoint(&self) -> String {
        format!("https://localhost:{}", self.first_port + 6)
    }

    /// Ends it with `signal`, and waits until it has. Ports and data are kept for [`Self::start_again`].
    ///
    /// # Panics
    /// If it is still there after a minute.
    #[track_caller]
    pub fn stop(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            process.signal(signal);
            process.wait(LIMIT);
        }
    }

    /// Starts it with the same ports and data, and waits until its bucket answers.
    ///
    /// # Panics
    /// If it ends, or does not answer within a minute.
    #[track_caller]
    pub fn start_again(&mut self) {
        let process = self
            .process
            .insert(Process::spawn(&mut command(&self.dir, self.first_port)));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.first_port + 1));
        let bucket = format!("/{}?list-type=2", Self::BUCKET);
        process.wait_until("the object store answers", |_| {
            let mut targets = ["/healthz", &bucket].into_iter();
            targets.all(|target| get(address, target).is_ok())
        });
    }

    /// Whether it has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_some_and(|process| process.status().is_none())
    }

    /// All objects of the bucket whose keys begin with `prefix`, sorted.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn objects(&self, prefix: &str) -> Vec<Object> {
        let mut objects: Vec<Object> = Vec::new();
        loop {
            let after = objects.last().map_or("", |object| &object.key);
            let listing = self.read_text(&format!(
                "?list-type=2&prefix={}&start-after={}",
                encoded(prefix),
                encoded(after)
            ));
            objects.extend(
                elements(&listing, "Contents")
                    .into_iter()
                    .map(|object| Object {
                        key: element(object, "Key"),
                        size: element(object, "Size").parse().expect("a size is a number"),
                        etag: element(object, "ETag"),
                    }),
            );
            if element(&listing, "IsTruncated") != "true" {
                objects.sort_by(|a, b| a.key.cmp(&b.key));
                return objects;
            }
        }
    }

    /// The keys below `prefix` for which an upload in parts was begun, neither completed nor aborted, and holds parts: they
    /// take room that nobody sees. One without parts takes none, and is left wherever the answer to its begin is lost,
    /// since only that answer names it.
    ///
    /// # Panics
    /// If it does not answer.
    #[track_caller]
    pub fn unfinished_uploads(&self, prefix: &str) -> Vec<String> {
        let listing = self.read_text(&format!("?uploads&prefix={}", encoded(prefix)));
        let mut keys = Vec::new();
        for upload in elements(&listing, "Upload") {
            let (key, id) = (element(upload, "Key"), element(upload, "UploadId"));
            let parts = self.read_text(&format!("/{}?uploadId={}", encoded(&key), encoded(&id)));
            if !elements(&parts, "Part").is_empty() {
                keys.push(key);
            }
        }
        keys
    }

    /// The bytes of the object `key`.
    ///
    /// # Panics
    /// If there is none, or the store does not answer.
    #[track_caller]
    pub fn read(&self, key: &str) -> Vec<u8> {
        let target = format!("/{}/{}", Self::BUCKET, encoded(key));
        match get(self.address(), &target) {
            Ok(bytes) => bytes,
            Err(error) => panic!("cannot read {key}: {error}"),
        }
    }

    #[track_caller]
    fn read_text(&self, target: &str) -> String {
        let target = format!("/{}{target}", Self::BUCKET);
        match get(self.address(), &target) {
            Ok(bytes) => String::from_utf8(bytes).expect("XML is text"),
            Err(error) => panic!("the object store does not answer {target}: {error}"),
        }
    }
}

/// The identities that it knows. Whoever gives none may read: that keeps signatures, which are what is tested, out of
/// the tests' own looking.
fn identities() -> String {
    let identity = |name: &str, access_key: &str, secret_key: &str, actions: &str| {
        format!(
            r#"{{"name":"{name}","credentials":[{{"accessKey":"{access_key}","secretKey":"{secret_key}"}}],"actions":[{actions}]}}"#
        )
    };
    let writer = identity(
        "writer",
        ObjectStore::ACCESS_KEY,
        ObjectStore::SECRET_KEY,
        r#""Admin","Read","Write","List","Tagging""#,
    );
    let reader = identity(
        "reader",
        ObjectStore::READER_ACCESS_KEY,
        ObjectStore::READER_SECRET_KEY,
        r#""Read","List""#,
    );
    format!(
        r#"{{"identities":[{writer},{reader},{{"name":"anonymous","actions":["Read","List"]}}]}}"#
    )
}

fn command(dir: &TempDir, first_port: u16) -> Command {
    let mut command = Command::new(installed("weed"));
    command
        .args(["mini", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
        .args(["-master.telemetry=false", "-admin.ui=false"])
        .args(["-webdav=false", "-s3.config=s3.json"])
        .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
        // A bucket that is missing has to stay so.
        .arg("-s3.autoCreateBucket=false")
        .arg(format!("-bucket={}", ObjectStore::BUCKET))
        .current_dir(dir.path());
    for (number, server) in (1..).zip(["s3", "master", "filer", "volume", "admin"]) {
        command.arg(format!("-{server}.port={}", first_port + number));
    }
    if dir.path().join(CERTIFICATE).is_file() {
        command
            .arg(format!("-s3.port.https={}", first_port + 6))
            .arg(format!("-s3.cert.file={CERTIFICATE}"))
            .arg(format!("-s3.key.file={KEY}"));
    }
    command
}

/// A program that is installed with the Python environment.
#[track_caller]
pub(crate) fn installed(program: &str) -> PathBuf {
    let services = services::directory().expect("the folder of the tests' services");
    let venv = Venv::inside(&services);
    let path = venv.path().join("bin").join(program);
    match venv.installed_python() {
        Ok(_) if path.is_file() => path,
        Ok(_) => panic!(
            "{} is not there: run `cargo xtask services install`",
            path.display()
        ),
        Err(not_installed) => panic!("{not_installed}"),
    }
}

/// A block of free ports, and what keeps it from others of this kind.
fn claim_ports() -> (u16, UdpSocket) {
    // Every process begins elsewhere, so that few meet.
    let blocks = usize::from((BLOCKS.end - BLOCKS.start) / BLOCK);
    let begin = std::process::id() as usize * 37;
    (0..blocks)
        .map(|number| BLOCKS.start + ((begin + number) % blocks) as u16 * BLOCK)
        .find_map(|first_port| {
            let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, first_port)).ok()?;
            let ports = (first_port + 1..first_port + BLOCK).flat_map(|port| [port, port + GRPC]);
            let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            ports.into_iter().all(free).then_some((first_port, claim))
        })
        .expect("a block of free ports")
}

/// The body of the answer to a GET that nobody signed.
fn get(address: SocketAddr, target: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    // Version 1.0, so that the body ends with the connection.
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let body = answer.split_off(head.ok_or(io::ErrorKind::UnexpectedEof)? + 4);
    let head = String::from_utf8_lossy(&answer);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let length = name.eq_ignore_ascii_case("content-length");
        length.then(|| value.trim().parse().ok())?
    });
    match head.split(' ').nth(1) {
        Some("200") if length.is_none_or(|length: usize| length == body.len()) => Ok(body),
        _ => Err(io::Error::other(format!(
            "{head}{}",
            String::from_utf8_lossy(&body)
        ))),
    }
}

fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// What stands in each element `name` of `xml`. Enough for listings, in which no element holds another of its name.
fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(&begin).skip(1);
    parts
        .map(|part| part.split(&end).next().unwrap_or(part))
        .collect()
}

fn element(xml: &str, name: &str) -> String {
    let text = elements(xml, name).first().copied().unwrap_or("");
    // Keys and entity tags hold no other character that XML escapes.
    text.replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_taken_apart() {
        let listing = "<L><IsTruncated>false</IsTruncated><Contents><Key>a/b=1</Key><Size>3</Size></Contents><Contents><Key>c&amp;</Key></Contents></L>";
        let keys: Vec<_> = elements(listing, "Contents")
            .into_iter()
            .map(|object| element(object, "Key"))
            .collect();
        assert_eq!(keys, ["a/b=1", "c&"]);
        assert_eq!(element(listing, "IsTruncated"), "false");
        assert_eq!(element(listing, "Missing"), "");
    }

    #[test]
    fn blocks_of_ports_that_are_claimed_at_the_same_time_differ() {
        let claims: Vec<_> = (0..5).map(|_| claim_ports()).collect();
        let ports: std::collections::HashSet<_> = claims.iter().map(|(port, _)| port).collect();
        assert_eq!(ports.len(), claims.len());
    }

    #[test]
    fn keys_are_encoded_for_a_url() {
        assert_eq!(encoded("a b/date=1&c"), "a%20b/date%3D1%26c");
    }
}
