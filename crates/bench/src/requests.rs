use std::ops::Range;
use std::time::{Duration, Instant};

use landfall_appcues::sign;
use landfall_core::{Secret, Timestamp};
use landfall_traffic::Random;

/// Long before a signature is too old.
const FRESH: Duration = Duration::from_secs(60);

/// What stands before an event's id.
const ID: &str = "\"id\":\"";
const UUID_LENGTH: usize = 36;

/// A text as long as the one that takes its place when a request is stamped.
const SIGNATURE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const TIMESTAMP: &str = "0000000000000";

/// Signed requests without end, each with an id that no other has.
///
/// Those of the first round are made ahead. In later rounds, and when they have become old, requests are given another id and
/// signed anew as they are taken.
#[derive(Debug)]
pub(crate) struct Requests {
    secret: Secret,
    requests: Vec<Request>,
    ids: Random,
    taken: usize,
    stamped: Instant,
}

/// The bytes of a request, and where in them stands what is changed.
#[derive(Debug)]
struct Request {
    bytes: Vec<u8>,
    signature: Range<usize>,
    timestamp: Range<usize>,
    id: Range<usize>,
    body: usize,
}

impl Requests {
    /// Requests of POST to `path` with these `bodies`, which must not be empty, signed with `secret`. Another `seed` gives
    /// other ids.
    ///
    /// A body that is no event of `landfall-traffic`'s form is left out.
    pub(crate) fn new<'a>(
        bodies: impl IntoIterator<Item = &'a str>,
        path: &str,
        secret: &Secret,
        seed: u64,
    ) -> Self {
        let requests = bodies.into_iter();
        let mut new = Self {
            secret: secret.clone(),
            requests: requests
                .filter_map(|body| Request::new(path, body))
                .collect(),
            ids: Random::new(seed),
            taken: 0,
            stamped: Instant::now(),
        };
        new.renew();
        new
    }

    /// Begins a first round again, with other ids.
    pub(crate) fn renew(&mut self) {
        for request in &mut self.requests {
            request.stamp(&self.secret, &mut self.ids);
        }
        (self.taken, self.stamped) = (0, Instant::now());
    }

    /// The bytes of the next request, and how many of them are its body.
    pub(crate) fn take(&mut self) -> (&[u8], usize) {
        let count = self.requests.len();
        let request = &mut self.requests[self.taken % count];
        if self.taken >= count || self.stamped.elapsed() > FRESH {
            request.stamp(&self.secret, &mut self.ids);
        }
        self.taken += 1;
        (&request.bytes, request.bytes.len() - request.body)
    }

    /// The next body alone, for those who need no signature.
    pub(crate) fn take_body(&mut self) -> &[u8] {
        let count = self.requests.len();
        let request = &mut self.requests[self.taken % count];
        request.identify(&mut self.ids);
        self.taken += 1;
        &request.bytes[request.body..]
    }
}

impl Request {
    fn new(path: &str, body: &str) -> Option<Self> {
        let mut text = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        );
        let push = |text: &mut String, header: &str, value: &str| {
            text.push_str(header);
            text.push_str(": ");
            let start = text.len();
            text.push_str(value);
            text.push_str("\r\n");
            start..start + value.len()
        };
        let signature = push(&mut text, "X-Apc-Signature", SIGNATURE);
        let timestamp = push(&mut text, "X-Apc-Timestamp", TIMESTAMP);
        push(&mut text, "Content-Length", &body.len().to_string());
        text.push_str("\r\n");
        let id = text.len() + body.find(ID)? + ID.len();
        let id = id..id + UUID_LENGTH;
        let body_start = text.len();
        text.push_str(body);
        (text.as_bytes().get(id.end) == Some(&b'"')).then(|| Self {
            bytes: text.into_bytes(),
            signature,
            timestamp,
            id,
            body: body_start,
        })
    }

    fn identify(&mut self, ids: &mut Random) {
        self.bytes[self.id.clone()].copy_from_slice(ids.uuid().as_bytes());
    }

    fn stamp(&mut self, secret: &Secret, ids: &mut Random) {
        self.identify(ids);
        let timestamp = format!("{:013}", Timestamp::now().as_millis());
        self.bytes[self.timestamp.clone()].copy_from_slice(timestamp.as_bytes());
        let signature = sign(secret, &timestamp, &self.bytes[self.body..]);
        self.bytes[self.signature.clone()].copy_from_slice(signature.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use landfall_appcues::{AppcuesEvent, Verifier};

    use super::*;

    #[test]
    fn every_request_is_signed_and_has_an_id_of_its_own_also_in_later_rounds() {
        let secret = Secret::new("s3cret");
        let bodies = crate::bodies(20);
        let verifier = Verifier::new([secret.clone()], 300);
        let mut requests = Requests::new(bodies.iter().map(String::as_str), "/", &secret, 1);
        let mut ids = HashSet::new();
        for _ in 0..2 * bodies.len() {
            let text = String::from_utf8(requests.take().0.to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let header = |name: &str| {
                let mut lines = head.lines().filter_map(|line| line.split_once(": "));
                lines.find(|(have, _)| *have == name).unwrap().1.as_bytes()
            };
            assert_eq!(header("Content-Length"), body.len().to_string().as_bytes());
            let claim = verifier.claim(
                header("X-Apc-Signature"),
                header("X-Apc-Timestamp"),
                Timestamp::now(),
            );
            let verified = verifier.verify(&claim.unwrap(), body.to_owned().into());
            assert!(verified.is_ok());
            ids.insert(
                AppcuesEvent::parse(body.as_bytes())
                    .unwrap()
                    .id()
                    .to_owned(),
            );
        }
        assert_eq!(ids.len(), 2 * bodies.len());
    }
}
