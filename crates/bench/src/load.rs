//! The load: one thread that keeps many connections busy, so that as much as can be of the machine is left to who is measured.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use crate::Requests;
use crate::connection::{Answer, Connection, PATIENCE, Ready};

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections that are kept open, with one request at a time on each.
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// How long it is sent.
    pub(crate) time: Duration,
    /// The most that is sent.
    pub(crate) events: u64,
}

/// When a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// When the one before it on its connection is answered: a slow server is asked less.
    Closed,
    /// So many a second, each at its own time, whatever has been answered. Its answer's time counts from when it was due,
    /// also if no connection was free then.
    PerSecond(u32),
}

/// What became of a load.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Answered 200.
    pub(crate) accepted: u64,
    /// Answered otherwise.
    pub(crate) refused: u64,
    /// The first answer that was no 200.
    pub(crate) refusal: Option<String>,
    /// Of all requests, without their heads.
    pub(crate) body_bytes: u64,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Each 200's time, in microseconds.
    pub(crate) micros: Vec<u32>,
}

impl Load {
    /// Requests a second that are due; `None` where each waits for the answer before.
    pub(crate) fn rate(&self) -> Option<u32> {
        match self.pace {
            Pace::Closed => None,
            Pace::PerSecond(rate) => Some(rate),
        }
    }

    /// How many it will be at most.
    fn most(&self) -> u64 {
        match self.pace {
            Pace::Closed => self.events,
            Pace::PerSecond(rate) => {
                let of_time = self.time.as_millis() * u128::from(rate) / 1000;
                self.events.min(of_time.try_into().unwrap_or(u64::MAX))
            }
        }
    }

    /// After how much time request `number` is due, counted from 0.
    fn due(&self, number: u64) -> Duration {
        match self.pace {
            Pace::Closed => Duration::ZERO,
            Pace::PerSecond(rate) => {
                let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate);
                Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
            }
        }
    }

    /// When nothing more is sent, whatever is due: a server that cannot keep up is given twice the time.
    fn end(&self) -> Duration {
        match self.pace {
            Pace::Closed => self.time,
            Pace::PerSecond(_) => 2 * self.time,
        }
    }

    /// Sends it to `address`, and waits for all answers.
    ///
    /// # Errors
    /// A connection breaks, or nothing is answered any more.
    pub(crate) fn send(
        &self,
        address: SocketAddr,
        requests: &mut Requests,
    ) -> anyhow::Result<Sent> {
        let ready = match self.pace {
            Pace::Closed => Ready::new(None),
            Pace::PerSecond(rate) => Ready::new(Some(Duration::from_secs(1) / rate)),
        }?;
        let connections = (0..self.connections).map(|index| ready.connect(address, index));
        let mut connections = connections.collect::<anyhow::Result<Vec<Connection>>>()?;
        let mut idle: VecDeque<usize> = (0..self.connections).collect();
        let mut sent = Sent {
            accepted: 0,
            refused: 0,
            refusal: None,
            body_bytes: 0,
            took: Duration::ZERO,
            micros: Vec::new(),
        };
        let (most, end) = (self.most(), self.end());
        let mut number = 0;
        let mut events = Vec::with_capacity(1024);
        let begun = Instant::now();
        let mut answered = begun;
        loop {
            while let Some(index) = idle.front().copied() {
                let (now, due) = (begun.elapsed(), self.due(number));
                if number == most || now >= end || now < due {
                    break;
                }
                idle.pop_front();
                let counts_from = if self.pace == Pace::Closed { now } else { due };
                let (request, body_bytes) = requests.take();
                connections[index].send(request, begun + counts_from)?;
                sent.body_bytes += body_bytes as u64;
                number += 1;
            }
            let all_answered = idle.len() == connections.len();
            if all_answered && (number == most || begun.elapsed() >= end) {
                break;
            }
            for index in ready.wait(&mut events)? {
                let Some(answer) = connections[index].receive(&ready)? else {
                    continue;
                };
                sent.note(answer);
                idle.push_back(index);
                answered = Instant::now();
            }
            ensure!(
                all_answered || answered.elapsed() < PATIENCE,
                "nothing was answered for {PATIENCE:?}"
            );
        }
        sent.took = answered - begun;
        if let (0, Some(refusal)) = (sent.accepted, &sent.refusal) {
            bail!("nothing was accepted, but answered:\n{refusal}");
        }
        Ok(sent)
    }
}

impl Sent {
    fn note(&mut self, Answer { text, took }: Answer) {
        if text.starts_with("HTTP/1.1 200") {
            self.accepted += 1;
            self.micros
                .push(took.as_micros().try_into().unwrap_or(u32::MAX));
        } else {
            self.refused += 1;
            self.refusal.get_or_insert(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pace: Pace) -> Load {
        Load {
            connections: 1,
            pace,
            time: Duration::from_secs(2),
            events: 50_000,
        }
    }

    #[test]
    fn at_a_rate_each_request_is_due_at_its_own_time_whatever_was_answered() {
        let load = load(Pace::PerSecond(20_000));
        assert_eq!(load.most(), 40_000);
        assert_eq!(load.due(0), Duration::ZERO);
        assert_eq!(load.due(1), Duration::from_micros(50));
        assert_eq!(load.due(load.most()), Duration::from_secs(2));
        // Without an error that adds up.
        let thirds = Load {
            pace: Pace::PerSecond(3),
            ..load
        };
        assert_eq!(thirds.due(3_000_000), Duration::from_secs(1_000_000));
    }

    #[test]
    fn as_fast_as_answers_come_everything_is_due() {
        let load = load(Pace::Closed);
        assert_eq!((load.most(), load.due(49_999)), (50_000, Duration::ZERO));
    }
}
