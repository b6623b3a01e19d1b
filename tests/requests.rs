//! Raw requests as data: what each is answered, and what becomes of it.
//!
//! A file in `tests/requests` holds the settings of a source and the requests that are sent to it. At the end pyarrow
//! reads the lake, and must find exactly what should be in it.

#![expect(clippy::unwrap_used, reason = "an unmet expectation is a failed test")]

use std::fs;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use landfall_testkit::{
    Landfall, Response, Signature, config, epoch_secs, exchange, python, workspace_root,
};
use serde::Deserialize;
use serde_json::{Value, json};

const SECRET: &str = "a secret only of this test";

/// Every event is a file of its own, and in the lake before it is answered.
const SINK: &str = r#"
batch = { max_events = 1, timeout_secs = 1 }
buffer.type = "memory"
"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requests {
    /// Of the source.
    settings: String,
    requests: Vec<Case>,
}

/// A request and its fate. In all texts `{signature}`, `{timestamp}`, `{length}` and more stand for what [`Texts`] says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    name: String,
    line: String,
    /// What the body is signed with.
    secret: String,
    timestamp: String,
    /// What is signed in place of timestamp, colon and body.
    message: Option<String>,
    signature: String,
    security: Vec<String>,
    /// More headers.
    headers: Vec<String>,
    body: String,
    /// The body in hex, where it is no text.
    body_hex: Option<String>,
    /// Spaces are added to the body up to this length.
    padded_to: usize,
    /// `gzip` or `deflate`.
    encoding: Option<String>,
    /// Whether the body comes in chunks.
    chunked: bool,
    /// The header that says how long the body is.
    framing: String,
    /// What comes after the head, if not the body.
    sent: Option<String>,
    /// All of the request's bytes, if they are not made of the above.
    raw: Option<String>,
    /// The status, and the code of a refusal.
    answer: String,
    becomes: Fate,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Fate {
    Landed,
    Quarantined,
    Nothing,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: String::new(),
            line: "POST /webhooks/appcues HTTP/1.1".to_owned(),
            secret: SECRET.to_owned(),
            timestamp: "{now}".to_owned(),
            message: None,
            signature: "{hex}".to_owned(),
            security: vec![
                "X-Apc-Signature: {signature}".to_owned(),
                "X-Apc-Timestamp: {timestamp}".to_owned(),
            ],
            headers: Vec::new(),
            body: "{event}".to_owned(),
            body_hex: None,
            padded_to: 0,
            encoding: None,
            chunked: false,
            framing: "Content-Length: {length}".to_owned(),
            sent: None,
            raw: None,
            answer: "200".to_owned(),
            becomes: Fate::Nothing,
        }
    }
}

/// What the names in braces stand for.
struct Texts(Vec<(&'static str, String)>);

impl Texts {
    fn of(index: usize) -> Self {
        let now = epoch_secs();
        let id = format!("{index}");
        let event =
            format!(r#"{{"id":"{id}","name":"appcues:flow_started","timestamp":1684867471283}}"#);
        Self(vec![
            ("{event}", event),
            ("{id}", id),
            ("{now}", now.to_string()),
            ("{now_ms}", format!("{now}123")),
            ("{now_us}", format!("{now}123456")),
            ("{290 s ago}", (now - 290).to_string()),
            ("{in 290 s}", (now + 290).to_string()),
            ("{310 s ago}", (now - 310).to_string()),
            ("{in 310 s}", (now + 310).to_string()),
            ("{8 KiB}", "x".repeat(8192)),
            ("{500 levels}", "[".repeat(500) + &"]".repeat(500)),
        ])
    }

    fn define(&mut self, name: &'static str, text: String) {
        self.0.push((name, text));
    }

    fn fill(&self, template: &str) -> String {
        self.0
            .iter()
            .fold(template.to_owned(), |text, (name, value)| {
                text.replace(name, value)
            })
    }
}

/// The bytes of a request, and what lands if it is taken.
fn bytes(case: &Case, index: usize) -> (Vec<u8>, Vec<u8>) {
    let mut texts = Texts::of(index);
    let mut landing = match &case.body_hex {
        Some(hex) => hex::decode(hex).unwrap(),
        None => texts.fill(&case.body).into_bytes(),
    };
    landing.resize(landing.len().max(case.padded_to), b' ');
    let body = match case.encoding.as_deref() {
        None => landing.clone(),
        Some("gzip") => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(&landing).unwrap();
            gzip.finish().unwrap()
        }
        Some("deflate") => {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
            zlib.write_all(&landing).unwrap();
            zlib.finish().unwrap()
        }
        Some(other) => panic!("{other} is no encoding"),
    };
    let timestamp = texts.fill(&case.timestamp);
    texts.define("{timestamp}", timestamp.clone());
    texts.define("{body}", String::from_utf8_lossy(&body).into_owned());
    texts.define("{length}", body.len().to_string());
    texts.define("{length in hex}", format!("{:x}", body.len()));
    let digest = match &case.message {
        Some(message) => Signature::of_message(&case.secret, texts.fill(message).as_bytes()),
        None => Signature::new(&case.secret, &timestamp, &body),
    };
    texts.define("{hex}", digest.hex());
    texts.define("{HEX}", digest.hex().to_uppercase());
    texts.define("{base64}", digest.base64());
    let url_safe = digest.base64().replace('+', "-").replace('/', "_");
    texts.define("{base64url}", url_safe.replace('=', ""));
    let signature = texts.fill(&case.signature);
    texts.define("{signature}", signature);

    if let Some(raw) = &case.raw {
        return (texts.fill(raw).into_bytes(), landing);
    }
    let framing = if case.chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        case.framing.clone()
    };
    let headers = ["Host: localhost".to_owned()]
        .iter()
        .chain(&case.security)
        .chain(&case.headers)
        .chain(Some(&framing).filter(|framing| !framing.is_empty()))
        .map(|header| texts.fill(header) + "\r\n")
        .collect::<String>();
    let sent = match &case.sent {
        Some(sent) => texts.fill(sent).into_bytes(),
        None if case.chunked => chunks(&body),
        None => body,
    };
    let head = format!("{}\r\n{headers}\r\n", texts.fill(&case.line));
    ([head.as_bytes(), &sent].concat(), landing)
}

fn chunks(body: &[u8]) -> Vec<u8> {
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let chunks = body.chunks(30).map(chunk);
    chunks.chain([b"0\r\n\r\n".to_vec()]).flatten().collect()
}

/// The status, and the code of a refusal; or else what is wrong with how it is written.
fn outcome(answer: &Response) -> String {
    let status = answer.status;
    if status == 200 {
        return "200".to_owned();
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = body["error"].as_str().unwrap_or_default();
    let has_message = body["message"]
        .as_str()
        .is_some_and(|text| !text.is_empty());
    let is_json = answer.header("Content-Type") == Some("application/json");
    let allows = answer.header("Allow") == (status == 405).then_some("POST");
    let challenges = answer.header("WWW-Authenticate").is_some() == code.starts_with("credentials");
    if has_message && is_json && allows && challenges {
        format!("{status} {code}")
    } else {
        format!("{status} in another form: {answer:?}")
    }
}

/// Sends all requests of a file, then reads the lake.
#[track_caller]
fn check(file: &str) {
    let path = workspace_root().join("tests/requests").join(file);
    let requests: Requests = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let landfall = Landfall::new(env!("CARGO_BIN_EXE_landfall"));
    let config = landfall.write("landfall.toml", &config(&requests.settings, SINK));
    let instance = landfall.start(&config);

    let mut wrong = Vec::new();
    let mut events = Vec::new();
    let mut quarantine = Vec::new();
    for (index, case) in requests.requests.iter().enumerate() {
        let (request, landing) = bytes(case, index);
        match case.becomes {
            Fate::Landed => events.push(STANDARD.encode(landing)),
            Fate::Quarantined => quarantine.push(STANDARD.encode(landing)),
            Fate::Nothing => {}
        }
        let answer = match exchange(instance.source(), &request) {
            Ok(answer) => outcome(&answer),
            Err(error) => error.to_string(),
        };
        if answer != case.answer {
            wrong.push(format!("{}: {answer}, not {}", case.name, case.answer));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{}",
        wrong.join("\n"),
        instance.stderr()
    );

    let expected = json!({"events": events, "quarantine": quarantine});
    let expected = instance
        .landfall()
        .write("expected.json", &expected.to_string());
    let lake = instance.dir().join("lake");
    python("check_payloads.py", [lake, expected]);
}

#[test]
fn where_signatures_are_asked_for() {
    check("signed.toml");
}

#[test]
fn where_bodies_may_hold_anything() {
    check("bodies.toml");
}

#[test]
fn where_messages_are_framed_in_every_way() {
    check("framing.toml");
}

#[test]
fn where_accounts_have_keys_of_their_own() {
    check("accounts.toml");
}

#[test]
fn where_a_token_a_password_and_a_network_protect_the_door() {
    check("protected.toml");
}

#[test]
fn where_bodies_may_be_compressed() {
    check("compressed.toml");
}
