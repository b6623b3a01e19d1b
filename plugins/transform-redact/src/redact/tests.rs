mod arbitrary;

use landfall_appcues::SAMPLES;
use landfall_core::{Component as _, Secret};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Action, RedactConfig};
use arbitrary::{MARKER, body, mentioning, plain_body};

const KEY: &str = "0123456789abcdef";

/// An event with these other members.
fn event(members: &str) -> String {
    format!(r#"{{"id":"1","name":"appcues:flow_started","timestamp":1,{members}}}"#)
}

fn config(settings: Value) -> RedactConfig {
    let mut config: RedactConfig = serde_json::from_value(settings).unwrap();
    config.key = Some(Secret::new(KEY));
    config
}

fn redact(settings: Value) -> Redact {
    let config = config(settings);
    assert_eq!(config.validate(), [""; 0]);
    Redact::new(Rules::new(&config).unwrap(), config.hasher().unwrap())
}

/// What becomes of `body`. Whatever that is, doing it again changes nothing.
fn redacted_with(redact: &Redact, body: &str) -> String {
    let redacted = redact.redacted(body.as_bytes());
    let redacted = redacted.unwrap_or_else(|| body.to_owned());
    assert_eq!(redact.redacted(redacted.as_bytes()), None, "{redacted}");
    redacted
}

/// What becomes of an event's other members, with these settings.
#[track_caller]
fn assert_redacted(settings: Value, members: &str, expected: &str) {
    let redacted = redacted_with(&redact(settings), &event(members));
    assert_eq!(redacted, event(expected));
}

fn hash(text: &str) -> String {
    Hasher::new(&Secret::new(KEY)).hash(text.as_bytes())
}

#[test]
fn of_the_documented_events_nothing_but_what_is_personal_changes() {
    let redact = redact(json!({}));
    for sample in &SAMPLES {
        let before = str::from_utf8(sample.body).unwrap();
        let after = redacted_with(&redact, before);
        let user = convert::string(
            AppcuesEvent::parse(sample.body)
                .unwrap()
                .raw(Field::UserId)
                .unwrap(),
        );
        let user = user.unwrap().unwrap();
        let bare = user.trim_start_matches("anon:");
        let expected = before
            .replace(bare, &hash(bare))
            .replace("great stuff", REDACTED)
            .replace("\"Product Manager\"", "null");
        assert_eq!(after, expected);
        let event = AppcuesEvent::parse(after.as_bytes()).unwrap();
        assert_eq!(event.event_type(), sample.event_type);
    }
}

#[test]
fn every_one_of_equal_keys_is_redacted_however_it_is_escaped() {
    let one = hash("one-user");
    let two = hash("two-user");
    assert_redacted(
        json!({}),
        r#""us\u0065r_id":"one-user", "user_id" : "two\u002duser","user_id":null,"attributes":{"feedb\u0061ck":1,"feedback":[]}"#,
        &format!(
            r#""us\u0065r_id":"{one}", "user_id" : "{two}","user_id":null,"attributes":{{"feedb\u0061ck":"[redacted]","feedback":"[redacted]"}}"#
        ),
    );
}

#[test]
fn values_of_unexpected_types_are_redacted_too() {
    let number = hash("48213");
    let object = hash(r#"{"id": "jo@x.example"}"#);
    assert_redacted(
        json!({}),
        r#""user_id":[48213,[{"id": "jo@x.example"}],true,null],"attributes":{"a":"JO@x.example"}"#,
        &format!(
            r#""user_id":["{number}",["{object}"],"{}",null],"attributes":{{"a":"{}"}}"#,
            hash("true"),
            hash("jo@x.example"),
        ),
    );
    for (members, expected) in [
        (
            r#""attributes":"Jo was here""#,
            r#""attributes":"[redacted]""#,
        ),
        (
            r#""attributes":[["Jo"],{"interaction":{"response":"Jo"}}]"#,
            r#""attributes":[["[redacted]"],{"interaction":{"response":null}}]"#,
        ),
        (
            r#""attributes":{"interaction":{"response":{"Role?":"boss"}}}"#,
            r#""attributes":{"interaction":{"response":{"Role?":null}}}"#,
        ),
        (
            r#""attributes":{"feedback":{"text":"Jo"}}"#,
            r#""attributes":{"feedback":"[redacted]"}"#,
        ),
    ] {
        assert_redacted(json!({}), members, expected);
    }
}

#[test]
fn the_user_is_not_mentioned_anywhere_else_either() {
    let id = hash("jo@x.example");
    for (members, expected) in [
        // As a value, in a text, in a key, in other case, as a URL writes it, in JSON within a string.
        (r#""a":"jo@x.example""#, r#""a":"ID""#),
        (r#""a":["of jo@x.example's"]"#, r#""a":["of ID's"]"#),
        (r#""jo@x.example":{}"#, r#""ID":{}"#),
        (r#""a":"\u004a\u006f@x.EXAMPLE""#, r#""a":"ID""#),
        (
            r#""url":"https://y/users/jo%40x.example/edit""#,
            r#""url":"https://y/users/ID/edit""#,
        ),
        (
            r#""a":"{\"b\" : \"jo@x.example\"}""#,
            r#""a":"{\"b\" : \"ID\"}""#,
        ),
    ] {
        let user = r#","user_id":"jo@x.example""#;
        let expected = format!("{expected}{user}")
            .replace("ID", &id)
            .replace("jo@x.example", &id);
        assert_redacted(json!({}), &format!("{members}{user}"), &expected);
    }
    // Dropped ids as well.
    assert_redacted(
        json!({ "user_id": "drop" }),
        r#""user_id":"g1j77no","a":"/u/g1j77no","b":"{\"user_id\":\"g1j77no\"}""#,
        r#""user_id":null,"a":"/u/[redacted]","b":"{\"user_id\":null}""#,
    );
}

#[test]
fn an_id_that_is_short_is_found_as_a_word_and_never_takes_the_event_apart() {
    let id = hash("482");
    assert_redacted(
        json!({}),
        r#""user_id":482,"a":["/482/","1482","%2F482","482nd"],"b":482,"c":4820"#,
        &format!(r#""user_id":"{id}","a":["/{id}/","1482","%2F{id}","482nd"],"b":"{id}","c":4820"#),
    );
    let kept =
        r#""attributes":{"experienceType":"mobile","context":{"url":"/"}},"account_id":"mobile""#;
    assert_redacted(
        json!({}),
        &format!(r#"{kept},"user_id":"mobile""#),
        &format!(r#"{kept},"user_id":"{}""#, hash("mobile")),
    );
    let body = r#"{"id":"context-1","name":"context","timestamp":1,"context":{"url":"/"},"user_id":"context"}"#;
    let redacted = redacted_with(&redact(json!({})), body);
    let id = hash("context");
    let expected = format!(
        r#"{{"id":"{id}-1","name":"context","timestamp":1,"context":{{"url":"/"}},"user_id":"{id}"}}"#
    );
    assert_eq!(redacted, expected);
}

#[test]
fn scores_stay_and_comments_go_in_surveys_of_mobile_applications() {
    assert_redacted(
        json!({}),
        r#""attributes":{"interactionData":{"surveyResponses":[{"type":"nps_score","value":9},{"type":"nps_feedback","value":"I am Jo","url":"Jo","user_id":7},"Jo"]}}"#,
        &format!(
            r#""attributes":{{"interactionData":{{"surveyResponses":[{{"type":"nps_score","value":9}},{{"type":"nps_feedback","value":"[redacted]","url":"[redacted]","user_id":"{}"}},"[redacted]"]}}}}"#,
            hash("7"),
        ),
    );
}

#[test]
fn of_an_identity_stays_what_describes_the_device() {
    assert_redacted(
        json!({}),
        r#""identity":{"email":"jo@x.example"},"attributes":{"_identity":{"_osVersion":"17","_localId":"local-id","email":"jo@x.example"},"_device":{"_deviceId":"device-id","_pushToken":"token"}}"#,
        &format!(
            r#""identity":null,"attributes":{{"_identity":{{"_osVersion":"17","_localId":"{}","email":null}},"_device":{{"_deviceId":"{}","_pushToken":"{}"}}}}"#,
            hash("local-id"),
            hash("device-id"),
            hash("token"),
        ),
    );
}

#[test]
fn urls_lose_what_is_behind_the_path() {
    let members = r#""context":{"url":"/a?b#c"},"attributes":{"see":"https://jo:pw@x/a#b and","destination":"end-flow?"}"#;
    assert_redacted(
        json!({}),
        members,
        r#""context":{"url":"/a"},"attributes":{"see":"https://x/a and","destination":"end-flow"}"#,
    );
    let held = r#""url":"{\"user_id\":\"jo@x.example\"}""#;
    assert_redacted(json!({}), held, r#""url":"[redacted]""#);
    assert_redacted(json!({ "url_query": "keep" }), members, members);
    assert_redacted(
        json!({ "url_query": "hash" }),
        r#""context":{"url":["/a?b#c"]}"#,
        &format!(r#""context":{{"url":["/a?{}"]}}"#, hash("b#c")),
    );
}

#[test]
fn configured_paths_are_followed_through_lists_and_strings_that_hold_json() {
    let paths = json!({ "attributes.tags[*].name": "hash", "$..phone": "drop", "context['app.id']": "drop", "id": "hash" });
    let body = r#"{"id":"1","name":"n","timestamp":1,"context":{"app.id":7,"app_id":7},"attributes":{"tags":[{"name":"a","x":[{"phone":1}]},[{"name":["b"]}],"c"],"s":"{\"phone\":2}"}}"#;
    let [id, a, b, c] = ["1", "a", "b", "c"].map(hash);
    let expected = format!(
        r#"{{"id":"{id}","name":"n","timestamp":1,"context":{{"app.id":null,"app_id":7}},"attributes":{{"tags":[{{"name":"{a}","x":[{{"phone":null}}]}},[{{"name":["{b}"]}}],"{c}"],"s":"{{\"phone\":null}}"}}}}"#
    );
    assert_eq!(
        redacted_with(&redact(json!({ "paths": paths })), body),
        expected
    );
}

#[test]
fn what_is_kept_stays_byte_for_byte() {
    let keep = [
        "user_id",
        "group_id",
        "account_id",
        "device_id",
        "profile",
        "feedback",
        "form_values",
        "url_query",
    ];
    let keep: Value = keep.map(|name| (name, "keep")).into_iter().collect();
    let redact = redact(keep);
    for sample in &SAMPLES {
        assert_eq!(redact.redacted(sample.body), None);
    }
    // And the bytes are not even copied.
    let event = Event::new(landfall_core::Timestamp::now(), SAMPLES[0].body);
    let body = event.body.as_ptr();
    assert_eq!(redact.transform(event).unwrap().body.as_ptr(), body);
}

#[test]
fn a_body_that_is_no_event_is_withheld() {
    let redact = redact(json!({}));
    let bodies: [(&[u8], &str); 6] = [
        (b"\xff jo@x.example", "not_utf8"),
        (br#"{"user_id":"jo@x.example""#, "not_json"),
        (br#"["jo@x.example"]"#, "not_an_object"),
        (br#"{"user_id":"jo@x.example"}"#, "no_id"),
        (
            br#"{"id":"1","timestamp":1,"user_id":"jo@x.example"}"#,
            "no_name",
        ),
        (
            br#"{"id":"1","name":"n","timestamp":"jo@x.example"}"#,
            "no_timestamp",
        ),
    ];
    for (body, reason) in bodies {
        let note = redact.redacted(body).unwrap();
        let hash = redact.hasher.hash(body);
        let expected =
            json!({ "withheld": { "reason": reason, "bytes": body.len(), "hash": hash } });
        assert_eq!(serde_json::from_str::<Value>(&note).unwrap(), expected);
        assert_eq!(redact.redacted(note.as_bytes()), None);
        // Whoever makes up a note cannot hide anything in it.
        for forged in [
            note.replace(reason, "jo\\u0040x"),
            note.replace("hash-", "jo@x."),
            note.replace(":{", ": {"),
        ] {
            assert!(redact.redacted(forged.as_bytes()).is_some(), "{forged}");
        }
    }
    let many: Vec<_> = (0..=MAX_MENTIONS).map(|id| format!("user {id}")).collect();
    let body = event(&format!(r#""user_id":{}"#, json!(many)));
    assert!(
        redact
            .redacted(body.as_bytes())
            .unwrap()
            .contains("too_many_ids")
    );
}

#[test]
fn neither_depth_nor_length_nor_repetition_takes_it_apart() {
    let redact = redact(json!({ "paths": { "$..a..a..b": "drop" } }));
    let deep = |open: &str, close: &str| {
        format!(
            "{}\"user-id-1\"{}",
            open.repeat(50_000),
            close.repeat(50_000)
        )
    };
    for value in [
        deep("[", "]"),
        deep("{\"a\":{\"c\":", "}}"),
        deep("{\"a\":[{\"c\":[", "]}]}"),
    ] {
        let body = event(&format!(r#""user_id":"user-id-1","x":{value}"#));
        let expected = body.replace("user-id-1", &hash("user-id-1"));
        // Not by assert_eq, which would print them.
        assert!(
            redacted_with(&redact, &body) == expected,
            "{}",
            &value[..20]
        );
    }
    let mut held = r#"{"user_id":"user-id-1"}"#.to_owned();
    for _ in 0..8 {
        held = format!(r#"{{"a":{}}}"#, json!(held));
    }
    let redacted = redacted_with(&redact, &event(&format!(r#""x":{held}"#)));
    assert!(!redacted.contains("user-id-1"), "{redacted}");
}

#[test]
fn every_problem_of_the_settings_is_told_and_no_key() {
    for (settings, expected) in [
        (
            json!({}),
            "key: set it or key_file, to a secret of 16 bytes or more",
        ),
        (
            json!({ "key": "hunter2" }),
            "key: must have at least 16 bytes",
        ),
        (
            json!({ "key": KEY, "key_file": "k" }),
            "key_file: set either this or key",
        ),
        (
            json!({ "key": KEY, "paths": { "a[0]": "drop" } }),
            "paths.a[0]: write [*] for all elements of a list, and ['key'] for a key with . or [ in it; single elements and conditions cannot be chosen",
        ),
        (
            json!({ "key": KEY, "paths": { "$..name": "hash" } }),
            "paths.$..name: this is also the name of every event, without which it is none; begin with the object that is meant, such as attributes",
        ),
        (
            json!({ "key": KEY, "paths": { "id": "drop" } }),
            "paths.id: this is also the id of every event, without which it is none; begin with the object that is meant, such as attributes",
        ),
    ] {
        let config: RedactConfig = serde_json::from_value(settings).unwrap();
        assert_eq!(config.validate(), [expected]);
        assert!(!format!("{config:?}").contains(KEY));
    }
    assert_eq!(format!("{:?}", redact(json!({})).hasher), "Hasher(..)");
    let unknown = json!({ "user_id": "hsah" });
    assert!(serde_json::from_value::<RedactConfig>(unknown).is_err());
}

#[test]
fn the_key_may_come_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut config = RedactConfig {
        key_file: Some(file.path().to_owned()),
        ..RedactConfig::default()
    };
    assert_eq!(config.validate(), [""; 0]);
    assert_eq!(
        config.hasher().unwrap_err().to_string(),
        "key: must have at least 16 bytes"
    );
    std::fs::write(file.path(), format!("{KEY}\r\n")).unwrap();
    assert_eq!(config.hasher().unwrap().hash(b"a"), hash("a"));
    config.key_file = Some("/nowhere/key".into());
    let error = config.hasher().unwrap_err().to_string();
    assert!(
        error.starts_with("key_file: cannot read /nowhere/key: "),
        "{error}"
    );
}

/// All keys and texts of a JSON text, those of JSON in strings too.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                into.push(key.clone());
                texts(value, into);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, into)),
        Value::String(text) => {
            into.push(text.clone());
            if let Ok(held) = serde_json::from_str(text) {
                texts(&held, into);
            }
        }
        other => into.push(other.to_string()),
    }
}

fn mentions_marker(text: &str) -> bool {
    text.to_ascii_lowercase()
        .contains(&MARKER.to_ascii_lowercase())
}

/// `after` is `parts` in their order, with anything in the place of those that do not stay. The first and the last do.
fn assert_kept(parts: &[(bool, String)], after: &str) {
    let mut staying = parts.iter().filter(|(stays, _)| *stays);
    let (_, first) = staying.next().expect("the beginning stays");
    let mut rest = after
        .strip_prefix(first.as_str())
        .expect("the beginning stays");
    let last = staying.next_back();
    for (_, part) in staying {
        let (_, behind) = rest
            .split_once(part.as_str())
            .unwrap_or_else(|| panic!("{part:?} is not in {rest:?}"));
        rest = behind;
    }
    let ends = last.map_or(rest.is_empty(), |(_, last)| rest.ends_with(last.as_str()));
    assert!(ends, "{last:?} is not the end of {rest:?}");
}

proptest! {
    #[test]
    fn nothing_at_a_redacted_place_is_left_and_all_else_stays(parts in body(), drop in any::<bool>()) {
        let action = if drop { Action::Drop } else { Action::Hash };
        let settings = RedactConfig {
            user_id: action,
            group_id: action,
            device_id: action,
            profile: action,
            feedback: action,
            form_values: action,
            url_query: action,
            ..RedactConfig::default()
        };
        let redact = Redact::new(Rules::new(&settings).unwrap(), Hasher::new(&Secret::new(KEY)));
        let before: String = parts.iter().map(|(_, part)| part.as_str()).collect();
        prop_assert!(AppcuesEvent::parse(before.as_bytes()).is_ok(), "{before}");
        let after = redacted_with(&redact, &before);
        let mut found = vec![after.clone()];
        texts(&serde_json::from_str(&after).unwrap(), &mut found);
        prop_assert!(!found.iter().any(|text| mentions_marker(text)), "{before}\n{after}");
        assert_kept(&parts, &after);
        prop_assert!(AppcuesEvent::parse(after.as_bytes()).is_ok());
    }

    #[test]
    fn the_user_is_found_in_any_text(before in mentioning()) {
        let after = redacted_with(&redact(json!({})), &before);
        let mut found = vec![after.clone()];
        texts(&serde_json::from_str(&after).unwrap(), &mut found);
        prop_assert!(!found.iter().any(|text| mentions_marker(text)), "{before}\n{after}");
    }

    #[test]
    fn what_holds_nothing_personal_stays_byte_for_byte(before in plain_body()) {
        prop_assert_eq!(redact(json!({})).redacted(before.as_bytes()), None);
    }

    #[test]
    fn any_bytes_become_what_stays_the_same(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let redact = redact(json!({}));
        let after = redact.redacted(&body).unwrap();
        prop_assert_eq!(redact.redacted(after.as_bytes()), None);
    }
}

#[test]
fn ids_are_looked_for_wherever_in_the_event_they_were_found() {
    let id = hash("jo@x.example");
    for (members, expected) in [
        // In what is dropped as a whole, also in its strings.
        (
            r#""identity":{"userId":"jo@x.example"}"#,
            r#""identity":null"#,
        ),
        (
            r#""b":{"feedback":[{"c":"{\"user_id\":\"jo@x.example\"}"}]}"#,
            r#""b":{"feedback":"[redacted]"}"#,
        ),
        (
            r#""b":{"feedback":"{\"user_id\":\"jo@x.example\"}"}"#,
            r#""b":{"feedback":"[redacted]"}"#,
        ),
        // In a string that comes later.
        (
            r#""b":"{\"user_id\":\"jo@x.example\"}""#,
            r#""b":"{\"user_id\":\"ID\"}""#,
        ),
    ] {
        assert_redacted(
            json!({}),
            &format!(r#""a":"{{\"d\":\"jo@x.example\"}}","e":"of jo@x.example",{members}"#),
            &format!(r#""a":"{{\"d\":\"ID\"}}","e":"of ID",{expected}"#).replace("ID", &id),
        );
    }
    assert_redacted(
        json!({}),
        r#""user_id":-48213,"a":[-48213,"-48213"]"#,
        &r#""user_id":"ID","a":["ID","ID"]"#.replace("ID", &hash("-48213")),
    );
}

#[test]
fn json_that_was_written_as_a_string_twice_is_followed() {
    assert_redacted(
        json!({}),
        r#""a":"\"{\\\"feedback\\\":\\\"Jo\\\"}\"","b":"\"quoted\"""#,
        r#""a":"\"{\\\"feedback\\\":\\\"[redacted]\\\"}\"","b":"\"quoted\"""#,
    );
}
