use std::collections::HashMap;
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// No wait of a connection goes beyond it, whoever is silent.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than any head of a request or an answer.
const MAX_HEAD: usize = 64 * 1024;

/// A loopback proxy before an HTTP/1.1 server, which does to requests what networks and overloaded stores do.
///
/// Every connection carries one request, so that a fault meets each request that begins after [`FaultProxy::set`]. Those
/// that were stalled or delayed by then are let go. Ends, with all connections, when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

/// What a [`FaultProxy`] does to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it goes to the server, and the answer back.
    None,
    /// The connection is closed before anything is read.
    Refuse,
    /// After its head and so many bytes the connection is reset; the server sees nothing of it. A shorter request passes.
    ResetRequest(usize),
    /// The server gets it and answers; after so many bytes of the answer the connection is reset.
    ResetAnswer(usize),
    /// The server gets it and answers; after so many bytes of the answer nothing more comes, and the connection is closed
    /// in one direction only.
    HalfClose(usize),
    /// It is read, and never answered.
    Stall,
    /// It goes to the server so much later.
    Delay(Duration),
    /// It is answered with this status, and an XML document with this error code, as S3 does. The server sees nothing.
    Answer(u16, &'static str),
    /// The last of every so many requests meets the fault.
    EveryNth(usize, Box<Fault>),
}

impl Fault {
    /// S3's answer when a request comes too often.
    pub const SLOW_DOWN: Self = Self::Answer(503, "SlowDown");
    /// A server's answer when it is broken.
    pub const INTERNAL_ERROR: Self = Self::Answer(500, "InternalError");
    /// S3's answer to a key that may not do this.
    pub const ACCESS_DENIED: Self = Self::Answer(403, "AccessDenied");
    /// S3's answer when the bucket is gone.
    pub const NO_SUCH_BUCKET: Self = Self::Answer(404, "NoSuchBucket");
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    /// Told when the fault changes, and at the end.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    fault: Fault,
    /// Counts the faults that were set.
    turn: usize,
    ended: bool,
    /// Requests since the fault was set.
    requests: usize,
    /// Those of them that met it.
    met: usize,
    next: usize,
    /// Both sides of all connections, to be closed at the end.
    open: HashMap<usize, TcpStream>,
}

impl FaultProxy {
    /// A proxy before `server`, with no fault.
    pub fn of(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binding a free port");
        let address = listener.local_addr().expect("a bound listener's address");
        let state = State {
            fault: Fault::None,
            turn: 0,
            ended: false,
            requests: 0,
            met: 0,
            next: 0,
            open: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            server,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let listening = Arc::clone(&shared);
        Self {
            address,
            shared,
            listener: Some(thread::spawn(move || listen(&listener, &listening))),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client calls its endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests meet `fault`.
    pub fn set(&self, fault: Fault) {
        let mut state = self.shared.state();
        state.fault = fault;
        state.turn += 1;
        (state.requests, state.met) = (0, 0);
        self.shared.changed.notify_all();
    }

    /// How many requests have met the fault that was set last.
    pub fn met(&self) -> usize {
        self.shared.state().met
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state();
            state.ended = true;
            for stream in state.open.values() {
                // It fails if the other side was quicker.
                drop(stream.shutdown(Shutdown::Both));
            }
            self.shared.changed.notify_all();
        }
        // The listener looks at the state with its next connection.
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that a request meets which begins now, and its turn.
    fn meet(&self) -> (Fault, usize) {
        let mut state = self.state();
        state.requests += 1;
        let number = state.requests;
        let fault = match &state.fault {
            Fault::EveryNth(nth, fault) if number.is_multiple_of(*nth) => (**fault).clone(),
            Fault::EveryNth(..) => Fault::None,
            fault => fault.clone(),
        };
        if fault != Fault::None {
            state.met += 1;
        }
        (fault, state.turn)
    }

    /// Waits until another fault is set, the proxy ends, or `limit` is over.
    fn wait_for_change(&self, turn: usize, limit: Duration) {
        let same = |state: &mut State| state.turn == turn && !state.ended;
        drop(
            self.changed
                .wait_timeout_while(self.state(), limit, same)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Keeps a connection where the end finds it, as long as what is returned is held.
    fn watch(&self, stream: &TcpStream) -> io::Result<Watched<'_>> {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut state = self.state();
        if state.ended {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let number = state.next;
        state.next += 1;
        state.open.insert(number, stream.try_clone()?);
        Ok(Watched {
            shared: self,
            number,
        })
    }
}

struct Watched<'a> {
    shared: &'a Shared,
    number: usize,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.shared.state().open.remove(&self.number);
    }
}

/// Accepts until the proxy ends, and then waits for all connections.
fn listen(listener: &TcpListener, shared: &Shared) {
    thread::scope(|scope| {
        for client in listener.incoming() {
            if shared.state().ended {
                break;
            }
            let Ok(client) = client else { continue };
            // What goes wrong is the fault that was asked for, or the other sides' to notice.
            scope.spawn(move || drop(serve(&client, shared)));
        }
    });
}

fn serve(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    let _watched = shared.watch(client)?;
    // A connection that was opened ahead of need has no request yet, and its fault is the one that holds by then.
    if client.peek(&mut [0])? == 0 {
        return Ok(());
    }
    let (fault, turn) = shared.meet();
    if fault == Fault::Refuse {
        return reset(client);
    }
    let (head, body) = read_head(client)?;
    let length = content_length(&head).saturating_sub(body.len() as u64);
    if let Fault::ResetRequest(after) = fault {
        let begun = (head.len() + body.len()) as u64;
        let left = (after as u64).saturating_sub(begun);
        if begun + length > after as u64 {
            io::copy(&mut client.take(left), &mut io::sink())?;
            return reset(client);
        }
    }
    match fault {
        Fault::Stall | Fault::Answer(..) => {
            // To its end: a connection that is closed before that would be reset.
            io::copy(&mut client.take(length), &mut io::sink())?;
        }
        _ => {}
    }
    match fault {
        Fault::Stall => {
            shared.wait_for_change(turn, LIMIT);
            return Ok(());
        }
        Fault::Answer(status, code) => return answer(client, &head, status, code),
        Fault::Delay(time) => shared.wait_for_change(turn, time),
        _ => {}
    }

    let server = TcpStream::connect_timeout(&shared.server, LIMIT)?;
    let _watched = shared.watch(&server)?;
    (&server).write_all(&one_request(&head))?;
    (&server).write_all(&body)?;
    io::copy(&mut client.take(length), &mut &server)?;
    match fault {
        Fault::ResetAnswer(after) => {
            pass_answer(&server, client, after)?;
            reset(client)
        }
        Fault::HalfClose(after) => {
            pass_answer(&server, client, after)?;
            client.shutdown(Shutdown::Write)?;
            // Until the client has had enough.
            io::copy(&mut &*client, &mut io::sink()).map(drop)
        }
        _ => io::copy(&mut &server, &mut &*client).map(drop),
    }
}

/// Waits for the whole answer, so that the server has done what it was asked, and gives `after` bytes of it to `client`.
fn pass_answer(mut server: &TcpStream, mut client: &TcpStream, after: usize) -> io::Result<()> {
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer[..after.min(answer.len())])
}

/// Closes `client` so that it is told of a reset.
fn reset(client: &TcpStream) -> io::Result<()> {
    set_socket_linger(client, Some(Duration::ZERO))?;
    Ok(())
}

/// The head of a request with its empty line, and what of the body came with it.
fn read_head(mut client: &TcpStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while head.len() < MAX_HEAD {
        let read = client.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        head.extend_from_slice(&chunk[..read]);
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let body = head.split_off(end + 4);
            return Ok((head, body));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn content_length(head: &[u8]) -> u64 {
    let head = String::from_utf8_lossy(head);
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let length = name.eq_ignore_ascii_case("content-length");
        length.then(|| value.trim().parse().ok())?
    });
    length.unwrap_or(0)
}

/// `head` with a header that ends the connection after the answer. What a client signs, it leaves as it is.
fn one_request(head: &[u8]) -> Vec<u8> {
    let end = head.len() - 2;
    [&head[..end], b"Connection: close\r\n\r\n"].concat()
}

fn answer(mut client: &TcpStream, head: &[u8], status: u16, code: &str) -> io::Result<()> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"
    );
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    if !head.starts_with(b"HEAD ") {
        client.write_all(body.as_bytes())?;
    }
    client.shutdown(Shutdown::Write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, get};
    use std::time::Instant;

    /// A server that counts what it is asked and answers all with `pong`.
    fn server() -> (SocketAddr, Arc<Mutex<usize>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let Ok((head, body)) = read_head(&client) else {
                    continue;
                };
                let left = content_length(&head) - body.len() as u64;
                io::copy(&mut (&client).take(left), &mut io::sink()).unwrap();
                *count.lock().unwrap() += 1;
                client
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong")
                    .unwrap();
            }
        });
        (address, asked)
    }

    fn post(proxy: &FaultProxy) -> io::Result<(u16, String)> {
        let request = Request::post("/").body(&[b'x'; 100_000]);
        let answer = request.try_send(proxy.address())?;
        Ok((answer.status, answer.text()))
    }

    #[test]
    fn requests_meet_the_fault_that_is_set() {
        let (server, asked) = server();
        let asked = || *asked.lock().unwrap();
        let proxy = FaultProxy::of(server);
        assert_eq!(post(&proxy).unwrap(), (200, "pong".to_owned()));
        assert_eq!((asked(), proxy.met()), (1, 0));

        for fault in [
            Fault::Refuse,
            Fault::ResetRequest(0),
            Fault::ResetRequest(5000),
        ] {
            proxy.set(fault.clone());
            let error = post(&proxy).unwrap_err();
            let resets = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
            assert!(resets.contains(&error.kind()), "{fault:?}: {error}");
            assert_eq!((asked(), proxy.met()), (1, 1));
        }
        for (fault, kind) in [
            (Fault::ResetAnswer(0), io::ErrorKind::ConnectionReset),
            (Fault::HalfClose(0), io::ErrorKind::UnexpectedEof),
            (Fault::HalfClose(40), io::ErrorKind::UnexpectedEof),
        ] {
            let before = asked();
            proxy.set(fault.clone());
            assert_eq!(post(&proxy).unwrap_err().kind(), kind, "{fault:?}");
            assert_eq!(asked(), before + 1, "the server was asked");
        }
        proxy.set(Fault::SLOW_DOWN);
        let (status, text) = post(&proxy).unwrap();
        assert_eq!(status, 503);
        assert!(text.contains("<Code>SlowDown</Code>"), "{text}");
        assert_eq!(get(proxy.address(), "/").unwrap().status, 503);
        proxy.set(Fault::None);
        assert_eq!(post(&proxy).unwrap().0, 200);
    }

    #[test]
    fn every_nth_request_meets_a_fault() {
        let (server, _) = server();
        let proxy = FaultProxy::of(server);
        proxy.set(Fault::EveryNth(3, Box::new(Fault::INTERNAL_ERROR)));
        let statuses: Vec<_> = (0..7).map(|_| post(&proxy).unwrap().0).collect();
        assert_eq!(statuses, [200, 200, 500, 200, 200, 500, 200]);
        assert_eq!(proxy.met(), 2);
    }

    #[test]
    fn stalled_requests_are_let_go_by_another_fault_and_at_the_end() {
        let (server, _) = server();
        let proxy = FaultProxy::of(server);
        let began = Instant::now();
        thread::scope(|scope| {
            for ends in [false, true] {
                proxy.set(Fault::Stall);
                let asking = scope.spawn(|| post(&proxy));
                while proxy.met() == 0 {
                    thread::yield_now();
                }
                assert!(!asking.is_finished());
                if ends {
                    proxy.set(Fault::Delay(LIMIT));
                } else {
                    proxy.set(Fault::None);
                }
                assert!(asking.join().unwrap().is_err());
            }
        });
        let address = proxy.address();
        proxy.set(Fault::Stall);
        let asking = thread::spawn(move || get(address, "/"));
        while proxy.met() == 0 {
            thread::yield_now();
        }
        drop(proxy);
        assert!(asking.join().unwrap().is_err());
        assert!(began.elapsed() < LIMIT / 2);
    }

    #[test]
    fn a_delayed_request_is_answered_later() {
        let (server, _) = server();
        let proxy = FaultProxy::of(server);
        proxy.set(Fault::Delay(Duration::from_millis(200)));
        let began = Instant::now();
        assert_eq!(post(&proxy).unwrap().0, 200);
        assert!(began.elapsed() >= Duration::from_millis(200));
    }
}
