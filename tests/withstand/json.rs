//! Bodies that are signed and strange. Whoever has the secret is believed: everything is kept.

use crate::lake::landed_ids;
use crate::{event, signed, start};

/// Bodies that hold an event, whatever else is in them.
fn events() -> Vec<Vec<u8>> {
    let with = |id: &str, more: &str| {
        let event = event(id);
        let event = event.strip_suffix('}').unwrap();
        format!("{event},{more}}}").into_bytes()
    };
    let long = "x".repeat(1_000_000);
    let deep = format!(r#""attributes":{}1{}"#, "[".repeat(100), "]".repeat(100));
    vec![
        with(
            "duplicate keys",
            r#""name":"appcues:b","attributes":{"a":1,"a":2}"#,
        ),
        with(
            "huge numbers",
            r#""attributes":{"score":1e400,"stepNumber":99999999999999999999999999}"#,
        ),
        with(
            "tiny numbers",
            r#""attributes":{"score":-0.0,"stepNumber":1e-400}"#,
        ),
        with(
            "a lone surrogate",
            r#""user_id":"\ud800","attributes":{"flowName":"\udc00\ud800"}"#,
        ),
        with("NUL", r#""user_id":"a\u0000b""#),
        with(
            "a long string",
            &format!(r#""attributes":{{"flowName":"{long}"}}"#),
        ),
        with("depth", &deep),
        with(
            "wrong types",
            r#""account_id":[],"user_id":{},"attributes":"no","context":[1]"#,
        ),
        with(
            "nothing but null",
            r#""attributes":null,"context":null,"account_id":null"#,
        ),
        format!(" \r\n\t{}\n ", event("white space")).into_bytes(),
    ]
}

/// Bodies that hold none.
fn others() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str| {
        let depth = 100_000;
        format!("{}{}", open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    let inside = event("inside");
    vec![
        b"{}".to_vec(),
        b"".to_vec(),
        b"null".to_vec(),
        b"\0".to_vec(),
        b"\"text\"".to_vec(),
        format!("[{inside},{inside}]").into_bytes(),
        format!("{inside}{inside}").into_bytes(),
        format!("{inside}\n{inside}\n").into_bytes(),
        format!("\u{feff}{inside}").into_bytes(),
        [inside.as_bytes(), b"\0"].concat(),
        br#"{"id":"invalid UTF-8","name":"a","timestamp":1,"user_id":""#
            .iter()
            .chain(b"\xff\xfe\"}")
            .copied()
            .collect(),
        br#"{"id":"an overlong slash","name":"a","timestamp":1,"user_id":""#
            .iter()
            .chain(b"\xc0\xaf\"}")
            .copied()
            .collect(),
        br#"{"id":"cut off","name":"a","timestamp":1,"attributes":{"a":"#.to_vec(),
        br#"{"id":"a trailing comma","name":"a","timestamp":1,}"#.to_vec(),
        br#"{'id':'quotes','name':'a','timestamp':1}"#.to_vec(),
        br#"{"id":"not a number","name":"a","timestamp":NaN}"#.to_vec(),
        deep("[", "]"),
        deep(r#"{"a":"#, "}"),
        deep("[", ""),
    ]
}

#[test]
fn every_signed_body_is_answered_200_and_stands_in_the_lake() {
    let mut instance = start("");
    let (events, others) = (events(), others());
    let count = events.len() + others.len();
    for body in events.iter().chain(&others) {
        let answer = signed(body).send(instance.source());
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(answer.status, 200, "{start}: {}", answer.text());
    }
    instance.wait_until("all of it has landed", |instance| {
        instance.metric_with("component_sent_events_total", r#"component_kind="sink""#)
            >= count as f64
    });
    let landed = landed_ids(&instance.dir().join("lake"));
    assert_eq!(landed.len(), events.len(), "{:?}", landed.keys());
    assert!(
        !instance.stderr().contains("panicked"),
        "{}",
        instance.stderr()
    );
}
