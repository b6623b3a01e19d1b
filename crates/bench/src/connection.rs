use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

/// A server that answers nothing for so long will not any more.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two ticks, at least.
const TICK: Duration = Duration::from_micros(100);

/// Marks the timer among what is ready; connections have their index.
const TIMER: u64 = u64::MAX;

/// Waits for answers on many connections, and for time to pass.
pub(crate) struct Ready {
    epoll: OwnedFd,
    timer: Option<OwnedFd>,
}

/// A connection that is kept alive, for one request at a time.
pub(crate) struct Connection {
    address: SocketAddr,
    index: usize,
    stream: TcpStream,
    /// What is not answered yet; empty in between.
    request: Vec<u8>,
    /// What has come of its answer.
    answer: Vec<u8>,
    /// When its request was due.
    since: Instant,
    is_sent_again: bool,
}

pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) took: Duration,
}

impl Ready {
    /// With the time, if any, after which it is ready again and again. Timers of async runtimes are a millisecond coarse, which
    /// is as much as an answer takes.
    pub(crate) fn new(tick: Option<Duration>) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = tick.map(ticking).transpose()?;
        if let Some(timer) = &timer {
            let data = epoll::EventData::new_u64(TIMER);
            epoll::add(&epoll, timer, data, epoll::EventFlags::IN)?;
        }
        Ok(Self { epoll, timer })
    }

    /// A new connection, known by `index`.
    pub(crate) fn connect(&self, address: SocketAddr, index: usize) -> anyhow::Result<Connection> {
        Ok(Connection {
            address,
            index,
            stream: self.open(address, index)?,
            request: Vec::new(),
            answer: Vec::new(),
            since: Instant::now(),
            is_sent_again: false,
        })
    }

    fn open(&self, address: SocketAddr, index: usize) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        Ok(stream)
    }

    /// The indices of connections that can be read; none if only time has passed.
    pub(crate) fn wait(
        &self,
        events: &mut Vec<epoll::Event>,
    ) -> anyhow::Result<impl Iterator<Item = usize>> {
        events.clear();
        let limit = Timespec::try_from(PATIENCE)?;
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(timer) = &self.timer
            && events.iter().any(|event| event.data.u64() == TIMER)
        {
            // Only then does it begin anew.
            rustix::io::read(timer, &mut [0; 8])?;
        }
        let ready = events.drain(..).map(|event| event.data.u64());
        let ready = ready.filter(|data| *data != TIMER);
        Ok(ready.map(|index| index as usize))
    }
}

fn ticking(interval: Duration) -> anyhow::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let interval = Timespec::try_from(interval.max(TICK))?;
    let times = Itimerspec {
        it_interval: interval,
        it_value: interval,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
    Ok(timer)
}

impl Connection {
    /// Sends `request`, which was due at `since`.
    pub(crate) fn send(&mut self, request: &[u8], since: Instant) -> anyhow::Result<()> {
        self.request.extend_from_slice(request);
        (self.since, self.is_sent_again) = (since, false);
        self.write()
    }

    fn write(&mut self) -> anyhow::Result<()> {
        // One request always fits between the two sides.
        match self.stream.write_all(&self.request) {
            // As the next read will show.
            Err(error) if is_end(&error) => Ok(()),
            written => Ok(written?),
        }
    }

    /// The answer, once all of it has come.
    ///
    /// A connection that the server has ended is opened again, as servers may do that between two requests.
    pub(crate) fn receive(&mut self, ready: &Ready) -> anyhow::Result<Option<Answer>> {
        let mut chunk = [0; 4096];
        let length = match self.stream.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if is_end(&error) => 0,
            Err(error) => return Err(error.into()),
        };
        self.answer.extend_from_slice(&chunk[..length]);
        let so_far = String::from_utf8_lossy(&self.answer);
        if length == 0 {
            let is_between = so_far.is_empty() && !self.is_sent_again;
            ensure!(is_between, "closed after {so_far:?}");
            self.stream = ready.open(self.address, self.index)?;
            self.is_sent_again = !self.request.is_empty();
            self.write()?;
            return Ok(None);
        }
        if !is_whole(&so_far) {
            return Ok(None);
        }
        let answer = Answer {
            text: so_far.into_owned(),
            took: self.since.elapsed(),
        };
        self.answer.clear();
        self.request.clear();
        Ok(Some(answer))
    }
}

/// Whether it says that the other side has ended the connection.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

/// Whether `text` is a whole answer of HTTP/1.1, whose length is told in its head.
fn is_whole(text: &str) -> bool {
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        body.len() >= length.unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_is_whole_with_the_last_byte_of_its_body() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        assert!(!is_whole("HTTP/1.1 200 OK\r\n"));
        assert!(!is_whole(head));
        assert!(!is_whole(&format!("{head}{{")));
        assert!(is_whole(&format!("{head}{{}}")));
    }

    #[test]
    fn a_request_that_meets_the_end_of_its_connection_is_sent_again_on_another() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ready = Ready::new(None).unwrap();
        let address = listener.local_addr().unwrap();
        let mut connection = ready.connect(address, 7).unwrap();
        let accept = || listener.accept().unwrap().0;
        drop(accept());
        connection.send(b"request", Instant::now()).unwrap();

        let mut events = Vec::with_capacity(8);
        let mut wait = || ready.wait(&mut events).unwrap().collect::<Vec<_>>();
        assert_eq!(wait(), [7]);
        assert!(connection.receive(&ready).unwrap().is_none());
        let mut second = accept();
        let mut request = [0; 7];
        second.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"request");

        second.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert_eq!(wait(), [7]);
        let answer = connection.receive(&ready).unwrap().unwrap();
        assert!(answer.text.starts_with("HTTP/1.1 200"));

        // Once more would be no coincidence.
        connection.send(b"request", Instant::now()).unwrap();
        drop(second);
        wait();
        assert!(connection.receive(&ready).unwrap().is_none());
        drop(accept());
        wait();
        assert!(connection.receive(&ready).is_err());
    }
}
