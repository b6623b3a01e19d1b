//! HTTP/1.1 as no well-behaved client writes it.

use landfall_testkit::{Connection, Instance, Request, Response};

use crate::lake::landed_ids;
use crate::{PATH, SECRET, accept, assert_refused, event, refused, signed, start};

/// The event's body, in chunks or not, with a signature that is right.
struct Shape {
    name: &'static str,
    /// Between the security headers and the empty line.
    headers: &'static str,
    body: fn(&str) -> String,
    answer: (u16, Option<&'static str>),
}

fn plain(body: &str) -> String {
    body.to_owned()
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

const ACCEPTED: (u16, Option<&str>) = (200, None);
const MALFORMED: (u16, Option<&str>) = (400, Some("malformed_request"));
const BROKEN: (u16, Option<&str>) = (400, Some("body_broken"));

/// The body is always 67 bytes.
const LENGTH: usize = 67;

const SHAPES: &[Shape] = &[
    Shape {
        name: "one length",
        headers: "Content-Length: 67\r\n",
        body: plain,
        answer: ACCEPTED,
    },
    Shape {
        name: "one length twice",
        headers: "Content-Length: 67\r\nContent-Length: 67\r\n",
        body: plain,
        answer: ACCEPTED,
    },
    Shape {
        name: "two lengths",
        headers: "Content-Length: 67\r\nContent-Length: 6\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "two lengths in one header",
        headers: "Content-Length: 67, 67\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "a length with a sign",
        headers: "Content-Length: +67\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "a negative length",
        headers: "Content-Length: -1\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "a length beyond all numbers",
        headers: "Content-Length: 99999999999999999999999\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "chunks",
        headers: "Transfer-Encoding: chunked\r\n",
        body: chunked,
        answer: ACCEPTED,
    },
    Shape {
        name: "chunks in capitals",
        headers: "Transfer-Encoding: CHUNKED\r\n",
        body: chunked,
        answer: ACCEPTED,
    },
    Shape {
        name: "chunks and a length, of which chunks count",
        headers: "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        body: chunked,
        answer: ACCEPTED,
    },
    Shape {
        name: "a length and chunks, of which chunks count",
        headers: "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        body: chunked,
        answer: ACCEPTED,
    },
    Shape {
        name: "chunks twice",
        headers: "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        body: chunked,
        answer: MALFORMED,
    },
    Shape {
        name: "a coding before chunks",
        headers: "Transfer-Encoding: gzip, chunked\r\n",
        body: chunked,
        answer: MALFORMED,
    },
    Shape {
        name: "identity before chunks",
        headers: "Transfer-Encoding: identity, chunked\r\n",
        body: chunked,
        answer: MALFORMED,
    },
    Shape {
        name: "a coding behind chunks",
        headers: "Transfer-Encoding: chunked, gzip\r\n",
        body: chunked,
        answer: MALFORMED,
    },
    Shape {
        name: "a coding that only looks like chunks",
        headers: "Transfer-Encoding: xchunked\r\n",
        body: chunked,
        answer: MALFORMED,
    },
    Shape {
        name: "a space before the colon",
        headers: "Transfer-Encoding : chunked\r\n",
        body: chunked,
        answer: MALFORMED,
    },
    Shape {
        name: "a header that goes on in the next line",
        headers: "X: a\r\n b\r\nContent-Length: 67\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "a header without a name",
        headers: ": a\r\nContent-Length: 67\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "NUL in a header",
        headers: "X: a\0b\r\nContent-Length: 67\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "a lone CR in a header",
        headers: "X: a\rb\r\nContent-Length: 67\r\n",
        body: plain,
        answer: MALFORMED,
    },
    Shape {
        name: "chunks with extensions",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("{:x};a=b;c=\"d\"\r\n{body}\r\n0;e\r\n\r\n", body.len()),
        answer: ACCEPTED,
    },
    Shape {
        name: "chunks with trailers",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("{:x}\r\n{body}\r\n0\r\nX: y\r\n\r\n", body.len()),
        answer: ACCEPTED,
    },
    Shape {
        name: "a chunk's length with zeros before it",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("0000{:X}\r\n{body}\r\n0\r\n\r\n", body.len()),
        answer: ACCEPTED,
    },
    Shape {
        name: "a chunk's length with 0x before it",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("0x{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        answer: BROKEN,
    },
    Shape {
        name: "a negative chunk's length",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("-{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        answer: BROKEN,
    },
    Shape {
        name: "a chunk's length beyond all numbers",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        answer: BROKEN,
    },
    Shape {
        name: "a chunk that is longer than it says",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len() - 1),
        answer: BROKEN,
    },
    Shape {
        name: "a bare LF behind a chunk's length",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("{:x}\n{body}\r\n0\r\n\r\n", body.len()),
        answer: BROKEN,
    },
    Shape {
        name: "a bare LF behind a chunk",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("{:x}\r\n{body}\n0\r\n\r\n", body.len()),
        answer: BROKEN,
    },
    Shape {
        name: "a bare LF in a chunk's extension",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| format!("{:x};a\nb\r\n{body}\r\n0\r\n\r\n", body.len()),
        answer: BROKEN,
    },
    Shape {
        name: "an endless chunk's extension",
        headers: "Transfer-Encoding: chunked\r\n",
        body: |body| {
            format!(
                "{:x};{}\r\n{body}\r\n0\r\n\r\n",
                body.len(),
                "a".repeat(50_000)
            )
        },
        answer: BROKEN,
    },
    Shape {
        name: "an upgrade that is not made",
        headers: "Content-Length: 67\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        body: plain,
        answer: ACCEPTED,
    },
    Shape {
        name: "an expectation that nobody knows",
        headers: "Content-Length: 67\r\nExpect: a-miracle\r\n",
        body: plain,
        answer: ACCEPTED,
    },
];

#[test]
fn strange_framing_is_refused_or_read_in_the_one_way_that_the_standard_allows() {
    let mut instance = start("");
    let mut accepted = 0;
    let mut wrong = Vec::new();
    for (index, shape) in SHAPES.iter().enumerate() {
        let body = event(&format!("{index:02}"));
        assert_eq!(body.len(), LENGTH);
        let head = Request::post(PATH).signed(SECRET, body.as_bytes());
        let head = String::from_utf8(head.to_bytes()).unwrap();
        let head = head.strip_suffix("\r\n").unwrap();
        // What a server would take for a second request that took another end for the end of the first.
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let request = format!(
            "{head}{}\r\n{}{smuggled}",
            shape.headers,
            (shape.body)(&body)
        );
        let mut connection = Connection::open(instance.source());
        connection.send(request.as_bytes()).unwrap();
        let answer = connection.answer();
        let (status, code) = shape.answer;
        let is_right = answer.status == status
            && code.is_none_or(|code| answer.text().contains(&format!("\"{code}\"")));
        if !is_right {
            wrong.push(format!(
                "{}: {} {}",
                shape.name,
                answer.status,
                answer.text()
            ));
        }
        accepted += usize::from(status == 200);
        let has_two_lengths = shape.name.contains("of which");
        if status != 200 || has_two_lengths {
            let rest = connection.until_closed();
            if !rest.is_empty() {
                let rest = String::from_utf8_lossy(&rest).into_owned();
                wrong.push(format!("{}: then {rest}", shape.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    instance.wait_until("all that was accepted has landed", |instance| {
        landed_ids(&instance.dir().join("lake")).len() >= accepted
    });
    assert_eq!(landed_ids(&instance.dir().join("lake")).len(), accepted);
}

#[test]
fn what_is_not_http_is_refused_in_the_same_form_as_all_else() {
    let instance = start("");
    let long = "a".repeat(20_000);
    let many: String = (0..65).map(|n| format!("X-{n}: y\r\n")).collect();
    let cases = [
        (
            "THIS IS not HTTP at all\r\n\r\n".to_owned(),
            (400, "malformed_request"),
        ),
        (
            "POST /webhooks/appcues\r\n\r\n".to_owned(),
            (400, "malformed_request"),
        ),
        (
            "POST /webhooks/appcues HTTP/3.0\r\n\r\n".to_owned(),
            (400, "malformed_request"),
        ),
        (
            "POST /web hooks HTTP/1.1\r\n\r\n".to_owned(),
            (400, "malformed_request"),
        ),
        (
            "P\0ST / HTTP/1.1\r\n\r\n".to_owned(),
            (400, "malformed_request"),
        ),
        (
            "PRI * HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            (404, "not_found"),
        ),
        (
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned(),
            (400, "malformed_request"),
        ),
        (
            "POST /webhooks/appcues HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            (400, "malformed_request"),
        ),
        (
            format!("POST /{long} HTTP/1.1\r\n\r\n"),
            (431, "headers_too_large"),
        ),
        (
            format!("POST / HTTP/1.1\r\nX: {long}\r\n\r\n"),
            (431, "headers_too_large"),
        ),
        (
            format!("POST / HTTP/1.1\r\nX: {long}"),
            (431, "headers_too_large"),
        ),
        (
            format!("POST / HTTP/1.1\r\n{many}\r\n"),
            (431, "headers_too_large"),
        ),
    ];
    let mut before = 0;
    for (request, (status, code)) in cases {
        let mut connection = Connection::open(instance.source());
        connection.send(request.as_bytes()).unwrap();
        assert_refused(&connection.answer(), status, code);
        if status != 404 {
            assert_eq!(connection.until_closed(), b"", "{code}");
            before += 1;
        }
    }
    let counted = refused(&instance, "malformed_request") + refused(&instance, "headers_too_large");
    assert_eq!(counted, before);
    accept(&instance, "after");
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let instance = start("");
    let mut connection = Connection::open(instance.source());
    let refused = Request::new("GET", PATH).to_bytes();
    let last = signed(event("3").as_bytes()).to_bytes();
    let (begun, rest) = last.split_at(last.len() - 10);
    let first = signed(event("1").as_bytes()).to_bytes();
    let second = signed(event("2").as_bytes()).to_bytes();
    let together = [&*first, &refused, &second, begun].concat();
    connection.send(&together).unwrap();
    let statuses = [(); 3].map(|()| connection.answer().status);
    assert_eq!(statuses, [200, 405, 200]);
    connection.send(rest).unwrap();
    assert_eq!(connection.answer().status, 200);
}

#[test]
fn a_request_that_ends_early_lands_nothing_and_disturbs_nobody() {
    let mut instance = start("");
    let whole = signed(event("cut").as_bytes()).to_bytes();
    for end in (1..whole.len()).step_by(7) {
        let mut connection = Connection::open(instance.source());
        connection.send(&whole[..end]).unwrap();
        if end % 2 == 0 {
            connection.finish().unwrap();
            connection.until_closed();
        }
    }
    accept(&instance, "whole");
    let landed = |instance: &Instance| landed_ids(&instance.dir().join("lake"));
    instance.wait_until("it has landed", |instance| !landed(instance).is_empty());
    assert_eq!(landed(&instance).into_keys().collect::<Vec<_>>(), ["whole"]);
}

#[test]
fn a_sender_that_ends_its_side_behind_its_request_is_answered() {
    let instance = start("");
    let requests = [
        signed(event("ended").as_bytes()).to_bytes(),
        Request::new("GET", PATH).to_bytes(),
    ];
    for (request, status) in requests.iter().zip([200, 405]) {
        let mut connection = Connection::open(instance.source());
        connection.send(request).unwrap();
        connection.finish().unwrap();
        assert_eq!(connection.answer().status, status);
        assert_eq!(connection.until_closed(), b"", "it is closed at once");
    }
}

#[test]
fn who_asks_before_sending_is_told_to_send_or_refused_at_once() {
    let instance = start("");
    let body = event("asked");
    let length = body.len().to_string();
    let ask = |request: Request| -> (Connection, Vec<u8>) {
        let request = request
            .header("Content-Length", &length)
            .header("Expect", "100-continue");
        let mut connection = Connection::open(instance.source());
        connection.send(&request.to_bytes()).unwrap();
        let mut begun = vec![0; "HTTP/1.1 100".len()];
        std::io::Read::read_exact(&mut connection, &mut begun).unwrap();
        (connection, begun)
    };
    let (mut told, begun) = ask(Request::post(PATH).signed(SECRET, body.as_bytes()));
    assert_eq!(begun, b"HTTP/1.1 100");
    told.send(body.as_bytes()).unwrap();
    let mut rest = Vec::new();
    while !rest.ends_with(br#"{"status":"accepted"}"#) {
        let mut chunk = [0; 100];
        let read = std::io::Read::read(&mut told, &mut chunk).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&rest));
        rest.extend_from_slice(&chunk[..read]);
    }
    let (_refused, begun) = ask(Request::post(PATH));
    assert_eq!(begun, b"HTTP/1.1 401");
}

#[test]
fn an_empty_body_is_accepted_if_it_is_signed() {
    let instance = start("");
    let empty: [Request; 3] = [
        signed(b""),
        Request::post(PATH).signed(SECRET, b""),
        Request::post(PATH).signed(SECRET, b"").chunked(b""),
    ];
    let answers: Vec<Response> = empty.map(|request| request.send(instance.source())).into();
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
