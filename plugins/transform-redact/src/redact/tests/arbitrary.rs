//! Bodies of all shapes, with personal data where the transform must find it.

use proptest::collection::vec;
use proptest::prelude::*;

/// Stands for what is personal: in whatever is to be redacted, and nowhere else.
pub(super) const MARKER: &str = "Zq7@Marker";

#[derive(Clone, Debug)]
enum Json {
    Bare(&'static str),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    /// A string that holds JSON.
    Held(Box<Json>),
    /// What is redacted.
    Personal(Box<Json>),
}

use Json::{Bare, Held, List, Object, Personal, Text};

/// Places of the ready-made rules, below whose last key everything is redacted.
const PLACES: &[&[&str]] = &[
    &["user_id"],
    &["attributes", "userId"],
    &["attributes", "x", "user_id"],
    &["group_id"],
    &["identity"],
    &["attributes", "feedback"],
    &["x", "y", "feedback"],
    &["attributes", "_device", "_deviceId"],
    &["attributes", "_identity", "email"],
    &["attributes", "interaction", "response", "value"],
    &["attributes", "interactionData", "formResponse", "values"],
    &["attributes", "interactionData", "surveyResponses", "value"],
];

/// Places of objects. What stands in place of these is redacted.
const OBJECTS: &[&[&str]] = &[
    &["attributes"],
    &["attributes", "interaction"],
    &["attributes", "interaction", "response"],
    &["attributes", "interactionData"],
    &["attributes", "_identity"],
];

/// An event, in parts that stay and parts that do not.
pub(super) fn body() -> impl Strategy<Value = Vec<(bool, String)>> {
    let members = vec(
        prop_oneof![4 => placed(), 1 => in_place(), 1 => url(), 1 => member()],
        1..6,
    );
    (members, any::<u64>()).prop_map(|(members, seed)| {
        let mut parts = vec![(true, String::new())];
        Writer(seed).write(&event(members), true, &mut parts);
        parts
    })
}

/// An event whose user is mentioned at places that no rule names.
pub(super) fn mentioning() -> impl Strategy<Value = String> {
    let around = || "[ /\\\\\"{é?=&.:]{0,3}";
    let form = prop_oneof![
        Just(MARKER.to_owned()),
        Just(MARKER.to_ascii_uppercase()),
        Just(MARKER.replace('@', "%40")),
        Just(format!("anon:{MARKER}")),
    ];
    let mention = (around(), form, around())
        .prop_map(|(before, form, after)| format!("{before}{form}{after}"));
    let text = mention.clone().prop_map(Text);
    let value = prop_oneof![
        text.clone(),
        (text.clone(), plain()).prop_map(|(text, plain)| List(vec![plain, text])),
        (mention, plain()).prop_map(|(mention, plain)| Object(vec![(mention, plain)])),
        text.prop_map(|text| Held(Box::new(List(vec![text])))),
    ];
    let member = ("[k-m]{1,3}", value);
    let user = prop_oneof![Just(MARKER.to_owned()), Just(format!("anon:{MARKER}"))];
    (
        vec(prop_oneof![member, self::member()], 1..5),
        user,
        0..5_usize,
        any::<u64>(),
    )
        .prop_map(|(mut members, user, at, seed)| {
            members.insert(at.min(members.len()), ("user_id".to_owned(), Text(user)));
            Writer(seed).text(&event(members))
        })
}

/// An event with nothing to redact.
pub(super) fn plain_body() -> impl Strategy<Value = String> {
    (vec(member(), 0..6), any::<u64>())
        .prop_map(|(members, seed)| Writer(seed).text(&event(members)))
}

fn event(mut members: Vec<(String, Json)>) -> Json {
    let envelope = [
        ("id", Text("1".to_owned())),
        ("name", Text("n".to_owned())),
        ("timestamp", Bare("1")),
    ];
    let envelope = envelope.map(|(key, value)| (key.to_owned(), value));
    let middle = members.len() / 2;
    members.splice(middle..middle, envelope);
    Object(members)
}

/// A member that no rule names.
fn member() -> impl Strategy<Value = (String, Json)> {
    ("[k-m\"é]{1,3}", plain())
}

fn plain() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "0", "-1.5e3", "1e99"]).prop_map(Bare),
        "[a-c{}\\[\\]:,\" \\\\é\u{1F600}]{0,6}".prop_map(Text),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(List),
            vec(("[k-m\"é]{1,3}", inner.clone()), 0..3).prop_map(Object),
            inner.prop_map(|inner| Held(Box::new(List(vec![inner])))),
        ]
    })
}

/// Something personal, of any type.
fn personal() -> impl Strategy<Value = Json> {
    let text = || {
        ("[a-c \"\\\\é]{0,3}", "[a-c \"\\\\é]{0,3}")
            .prop_map(|(before, after)| format!("{before}{MARKER}{after}"))
    };
    let leaf = prop_oneof![4 => text().prop_map(Text), 1 => Just(Bare("98765432109"))];
    let whole = leaf.prop_recursive(2, 6, 3, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(List),
            vec((text(), inner), 0..3).prop_map(Object),
        ]
    });
    whole.prop_map(|whole| Personal(Box::new(whole)))
}

/// A member of the body in which something personal stands at one of the places.
fn placed() -> impl Strategy<Value = (String, Json)> {
    (
        prop::sample::select(PLACES),
        personal(),
        any::<u64>(),
        vec(member(), 0..3),
    )
        .prop_map(|(place, value, seed, siblings)| around(place, value, seed, &siblings))
}

fn in_place() -> impl Strategy<Value = (String, Json)> {
    let text = Just(Personal(Box::new(Text(format!("{{{MARKER}")))));
    (
        prop::sample::select(OBJECTS),
        text,
        any::<u64>(),
        vec(member(), 0..3),
    )
        .prop_map(|(place, value, seed, siblings)| around(place, value, seed, &siblings))
}

/// A URL with something personal behind its path, at a place for URLs, or with a scheme anywhere.
fn url() -> impl Strategy<Value = (String, Json)> {
    let tail = ("[?#]", "[a-c&=?# ]{0,4}")
        .prop_map(|(separator, more)| format!("{separator}{more}{MARKER}"));
    let tail = (tail, vec(member(), 0..2), any::<u64>());
    tail.prop_map(|(tail, siblings, seed)| {
        let (place, url) = match seed % 3 {
            0 => (["context", "url"], format!("/a/b{tail}")),
            1 => (
                ["attributes", "destination"],
                format!("https://a.example{tail}"),
            ),
            _ => (
                ["k", "l"],
                format!(
                    "see https://jo:{MARKER}@a.example/b{}",
                    tail.replace(' ', "")
                ),
            ),
        };
        around(&place, Personal(Box::new(Text(url))), seed, &siblings)
    })
}

/// `value` at `place`, with siblings, and in lists and strings here and there.
fn around(place: &[&str], value: Json, seed: u64, siblings: &[(String, Json)]) -> (String, Json) {
    let mut dice = Writer(seed);
    let (top, below) = place.split_first().unwrap();
    let mut value = value;
    for key in below.iter().rev() {
        let mut members = siblings.to_vec();
        // What is beside an answer is redacted too.
        if matches!(*key, "value" | "values" | "email") {
            members.clear();
        }
        let at = dice.roll(members.len() + 1);
        members.insert(at, ((*key).to_owned(), value));
        value = Object(members);
        value = match dice.roll(6) {
            0 => List(vec![Object(Vec::new()), value]),
            1 => Held(Box::new(value)),
            _ => value,
        };
    }
    ((*top).to_owned(), value)
}

/// Writes JSON in all the ways that say the same; its state is what decides on them.
struct Writer(u64);

impl Writer {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn text(&mut self, json: &Json) -> String {
        let mut parts = vec![(true, String::new())];
        self.write(json, true, &mut parts);
        parts.into_iter().map(|(_, part)| part).collect()
    }

    fn write(&mut self, json: &Json, stays: bool, parts: &mut Vec<(bool, String)>) {
        self.space(stays, parts);
        match json {
            Bare(text) => push(stays, text, parts),
            Text(text) => self.string(text, stays, parts),
            List(elements) => {
                push(stays, "[", parts);
                for (index, element) in elements.iter().enumerate() {
                    push(stays, if index == 0 { "" } else { "," }, parts);
                    self.write(element, stays, parts);
                }
                push(stays, "]", parts);
            }
            Object(members) => {
                push(stays, "{", parts);
                for (index, (key, value)) in members.iter().enumerate() {
                    push(stays, if index == 0 { "" } else { "," }, parts);
                    self.space(stays, parts);
                    self.string(key, stays, parts);
                    self.space(stays, parts);
                    push(stays, ":", parts);
                    self.write(value, stays, parts);
                }
                push(stays, "}", parts);
            }
            Held(json) => {
                let is_changed = holds_personal(json);
                let held = self.text(json);
                self.string(&held, stays && !is_changed, parts);
            }
            Personal(json) => self.write(json, false, parts),
        }
        self.space(stays, parts);
    }

    fn space(&mut self, stays: bool, parts: &mut Vec<(bool, String)>) {
        let space = [" ", "\n", "\t\r", "", "", "", "", ""][self.roll(8)];
        push(stays, space, parts);
    }

    fn string(&mut self, text: &str, stays: bool, parts: &mut Vec<(bool, String)>) {
        push(stays, "\"", parts);
        for c in text.chars() {
            let mut buffer = [0; 2];
            let must = matches!(c, '"' | '\\') || c < ' ';
            if must || self.roll(8) == 0 {
                for unit in c.encode_utf16(&mut buffer) {
                    push(stays, &format!("\\u{unit:04x}"), parts);
                }
            } else {
                push(stays, c.encode_utf8(&mut [0; 4]), parts);
            }
        }
        push(stays, "\"", parts);
    }
}

fn holds_personal(json: &Json) -> bool {
    match json {
        Bare(_) | Text(_) => false,
        List(elements) => elements.iter().any(holds_personal),
        Object(members) => members.iter().any(|(_, value)| holds_personal(value)),
        Held(json) => holds_personal(json),
        Personal(_) => true,
    }
}

fn push(stays: bool, text: &str, parts: &mut Vec<(bool, String)>) {
    match parts.last_mut() {
        Some((last, part)) if *last == stays => part.push_str(text),
        _ => parts.push((stays, text.to_owned())),
    }
}
