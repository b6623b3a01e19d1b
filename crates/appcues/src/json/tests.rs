#[path = "model.rs"]
mod model;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::{Field, SAMPLES};

const PATHS: [&str; 5] = ["a", "a.b", "a.c", "a.c.d", "e"];

fn read(text: &str) -> [Option<&str>; 5] {
    Paths::new(PATHS).read(text).unwrap()
}

fn assert_read_as_by_serde_json(text: &str) {
    model::assert_same(PATHS, text, Paths::new(PATHS).read(text));
}

#[test]
fn values_are_captured_as_they_are_written() {
    let text = r#" { "x" : [1e999] , "e" : [ 1, {} ] , "a" : { "b" : 1e999 , "c" : { "d" : "\ud800" } } } "#;
    let expected = [
        None,
        Some("1e999"),
        None,
        Some(r#""\ud800""#),
        Some("[ 1, {} ]"),
    ];
    assert_eq!(read(text), expected);
}

#[test]
fn the_last_of_equal_keys_wins() {
    assert_eq!(read(r#"{"e":1,"e":2}"#)[4], Some("2"));
    assert_eq!(read(r#"{"e":1,"e":null}"#)[4], None);
}

#[test]
fn a_second_object_replaces_all_of_the_first() {
    let text = r#"{"a":{"b":1,"c":{"d":2}},"a":{"c":{}}}"#;
    assert_eq!(read(text), [None; 5]);
    assert_eq!(read(r#"{"a":{"b":1},"a":null}"#), [None; 5]);
    assert_eq!(read(r#"{"a":7,"a":{"b":1}}"#)[..2], [None, Some("1")]);
}

#[test]
fn a_value_that_should_be_an_object_is_kept_in_its_place() {
    assert_eq!(read(r#"{"a":{"b":1},"a":"x"}"#)[..2], [Some("\"x\""), None]);
    assert_eq!(read(r#"{"a":1e999}"#)[0], Some("1e999"));
}

#[test]
fn keys_may_be_escaped_in_any_way() {
    assert_eq!(read(r#"{"\u0065":1,"\ud800":2}"#)[4], Some("1"));
}

#[test]
fn depth_does_not_exhaust_the_stack() {
    let deep = format!(
        r#"{{"x":{}1{},"e":2}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(read(&deep)[4], Some("2"));
}

#[test]
fn escapes_without_end_do_not_exhaust_the_stack() {
    let text = format!(r#"{{"e":"{}"}}"#, r"\n\u0000".repeat(100_000));
    assert_eq!(read(&text)[4].map(str::len), Some(800_002));
}

#[test]
fn what_is_no_object_is_told_from_what_is_no_json() {
    let error = |text| Paths::new(PATHS).read(text).unwrap_err();
    for text in ["[1e999]", "null", r#" "\ud800" "#, "0"] {
        assert!(error(text).is_data(), "{text}");
    }
    let error = error("[1,\n 2,]");
    assert!(error.is_syntax());
    assert_eq!((error.line(), error.column()), (2, 4));
}

/// Texts at the edges of the grammar, each to be read as a value and as a whole.
#[rustfmt::skip]
const EDGES: &[&str] = &[
    // Numbers.
    "0", "-0", "-", "--1", "+1", "00", "01", "-01", "1.", ".1", "-.1", "1.0", "1.e1", "0.0e0", "0e", "0e+", "0E-", "0E+0", "1e-00",
    "1e1.5", "1e999", "-1e-999", "123456789012345678901234567890", "0x1", "1_000", "NaN", "-NaN", "Infinity", "-Infinity", "1 2",
    "1a", "١",
    // Words.
    "true", "false", "null", "tru", "truee", "nul", "True", "nullnull", "undefined", "t", "f", "n",
    // Strings.
    "\"\"", "\"", "\"a", "a\"", "'a'", r#""\"#, r#""\""#, r#""\\""#, r#""\\\""#, r#""\/\b\f\n\r\t\"""#, r#""\a""#, r#""\'""#, r#""\0""#, r#""\x41""#,
    r#""\u""#, r#""\u0""#, r#""\u00""#, r#""\u000""#, r#""\u0000""#, r#""\u00AF\uabcd""#, r#""\u00g0""#, r#""\U0041""#, r#""\ud800""#, r#""\udc00\ud800""#,
    r#""\ud83d\ude00""#, r#""\ud800\n""#, r#""\ud800\""#, r#""\u+123""#, "\"\u{0}\"", "\"\u{1f}\"", "\"\u{20}\"", "\"\u{7f}\"", "\"\u{80}\"", "\"\n\"",
    "\"\t\"", "\"\r\"", "\"a\\\nb\"", "\"é\"", "\"\u{2028}\"", "\"😀\"", "\"\u{fffd}\"", "\"\u{feff}\"", "\"1234567\"", "\"12345678\"", "\"123456789\"",
    "\"1234567\u{1f}\"", "\"12345678\u{1f}\"", r#""1234567\n""#, r#""12345678\n9""#, "\"!#[]^~\"", "\"\u{1}!\"", "\"\u{100}\u{10ffff}\"",
    // Lists.
    "[]", "[ ]", "[1]", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1;2]", "[", "]", "[[]", "[]]", "[[[]]]", "[1}", "[\"a\":1]", "[1,\n]", "[null,[{}],\"]\"]",
    // Objects.
    "{}", "{ }", "{", "}", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\":1 \"b\":2}", "{\"a\" 1}", "{\"a\"::1}", "{\"a\",1}", "{a:1}", "{'a':1}", "{1:1}",
    "{null:1}", "{\"\":1}", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1},\"a\":{}}", "{\"a\":{\"c\":{\"d\":1}},\"a\":{\"c\":{}}}", "{\"a\":{\"b\":1},\"a\":null}",
    "{\"a\":{\"b\":1},\"a\":[]}", "{\"a\":{\"b\":1},\"a\":}", "{\"a.b\":1}", "{\"a\":{\"b.c\":1}}", r#"{"\u0061":{"\u0062":1}}"#, r#"{"\ud800":1,"e":2}"#, r#"{"\a":1}"#,
    r#"{"e\u0000":1}"#, "{\"e\u{1}\":1}", "{\"a\":1}}", "{}{}", "{} 1", "{},", "{\"a\":{\"b\":1}", "{\"a\":{\"b\":1,}}", "{\"a\":{,}}", "{\"a\":{]}", "{\"a\":[}",
    "{\"e\":1,\"e\":nope}", "{\"x\":{\"a\":{\"b\":1}}}", "{\"x\":[{\"a\":1,\"e\":2}],\"e\":3}",
    // White space and what is none.
    "", " ", "\n", " 1 ", "\t1\r\n", "\u{b}1", "\u{c}1", "\u{a0}1", "\u{a0}{}", "\u{2003}{\"b\":1}", "\u{feff}{}", "1\u{0}", "\u{0}", "/**/1", "1//", "# 1",
    "{ \"a\" : { \"b\" : 1 } }", "{\n\"a\"\n:\n{\n\"b\"\n:\n1\n}\n}",
];

#[test]
fn texts_at_the_edges_of_the_grammar_are_read_as_by_serde_json() {
    for edge in EDGES {
        assert_read_as_by_serde_json(edge);
        for key in ["a", "e", "x"] {
            for after in ["", ",\"e\":1", ",\"a\":{\"b\":1}"] {
                assert_read_as_by_serde_json(&format!(r#"{{"{key}":{edge}{after}}}"#));
                assert_read_as_by_serde_json(&format!(r#"{{"a":{{"{key}":[{edge}]{after}}}}}"#));
                assert_read_as_by_serde_json(&format!(
                    r#"{{"{key}":{{"x":[{{"y":{edge}}}]{after}}}"#
                ));
            }
        }
    }
}

#[test]
fn every_beginning_of_a_sample_is_read_as_by_serde_json() {
    let paths = Paths::new(Field::ALL.map(Field::path));
    for sample in SAMPLES {
        let text = str::from_utf8(sample.body).unwrap();
        for (end, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let text = &text[..end];
            model::assert_same(Field::ALL.map(Field::path), text, paths.read(text));
        }
    }
}

fn spaced(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let space = prop_oneof![4 => Just(""), 1 => select(&[" ", "\n", "\r\n\t "][..])];
    (space.clone(), text, space).prop_map(|(before, text, after)| format!("{before}{text}{after}"))
}

fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[a-z ]{0,20}",
        2 => any::<String>().prop_map(|text| text.replace(['"', '\\'], "").replace(char::is_control, "")),
        2 => select(&[r"\n", r#"\""#, r"\\", r"\u0061", r"\ud800", r"\ud83d\ude00"][..]).prop_map(str::to_owned),
    ];
    let parts = vec(part, 0..4);
    parts.prop_map(|parts| format!("\"{}\"", parts.concat()))
}

/// A text of JSON as serde_json would never write it.
fn json() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        8 => select(&["\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\"", r#""\u0061""#, "\"\""][..]).prop_map(str::to_owned),
        1 => string(),
    ];
    let leaf = prop_oneof![
        3 => string(),
        2 => r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        1 => select(&["null", "true", "false", "{}", "[]"][..]).prop_map(str::to_owned),
    ];
    let value = leaf.prop_recursive(6, 64, 6, move |value| {
        let member = (spaced(key.clone()), spaced(value.clone()));
        let member = member.prop_map(|(key, value)| format!("{key}:{value}"));
        let list =
            vec(spaced(value), 0..6).prop_map(|elements| format!("[{}]", elements.join(",")));
        let object = vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")));
        prop_oneof![1 => list, 4 => object]
    });
    spaced(value)
}

#[derive(Clone, Debug)]
enum Damage {
    Delete(Index),
    Double(Index),
    Insert(Index, char),
    Truncate(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let chars: Vec<_> = "{}[]\",:\\ \n\t\u{1}-+.eE01unltr/a😀\u{a0}"
        .chars()
        .collect();
    prop_oneof![
        any::<Index>().prop_map(Damage::Delete),
        any::<Index>().prop_map(Damage::Double),
        (any::<Index>(), select(chars)).prop_map(|(at, char)| Damage::Insert(at, char)),
        any::<Index>().prop_map(Damage::Truncate),
    ]
}

impl Damage {
    fn done_to(&self, text: &str) -> String {
        let mut chars: Vec<_> = text.chars().collect();
        let length = chars.len();
        match self {
            Self::Insert(at, char) => chars.insert(at.index(length + 1), *char),
            Self::Truncate(at) => chars.truncate(at.index(length + 1)),
            Self::Delete(at) if length > 0 => drop(chars.remove(at.index(length))),
            Self::Double(at) if length > 0 => {
                chars.insert(at.index(length), chars[at.index(length)]);
            }
            _ => {}
        }
        chars.into_iter().collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_json_is_read_as_by_serde_json(text in json()) {
        assert_read_as_by_serde_json(&text);
        prop_assert!(serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn damaged_json_is_read_as_by_serde_json(text in json(), damages in vec(damage(), 1..4)) {
        let text = damages.iter().fold(text, |text, damage| damage.done_to(&text));
        assert_read_as_by_serde_json(&text);
    }

    #[test]
    fn damaged_samples_are_read_as_by_serde_json(sample in select(&SAMPLES[..]), damages in vec(damage(), 1..4)) {
        let text = str::from_utf8(sample.body).unwrap().to_owned();
        let text = damages.iter().fold(text, |text, damage| damage.done_to(&text));
        let paths = Field::ALL.map(Field::path);
        model::assert_same(paths, &text, Paths::new(paths).read(&text));
    }

    #[test]
    fn any_json_like_text_is_read_as_by_serde_json(text in r#"[{}\[\]",:\\ua-f0-9e\-. \n\x00\x1f]{0,64}"#) {
        assert_read_as_by_serde_json(&text);
    }
}
