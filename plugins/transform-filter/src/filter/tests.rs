use std::collections::{BTreeSet, HashMap};

use landfall_appcues::SAMPLES;
use landfall_core::Component as _;
use serde_json::{Value, json};

use super::*;

fn config(settings: Value) -> FilterConfig {
    serde_json::from_value(settings).unwrap()
}

fn passes(settings: Value, body: &[u8]) -> bool {
    Filter::new(&config(settings)).passes(body)
}

fn passing_samples(settings: Value) -> BTreeSet<&'static str> {
    let filter = Filter::new(&config(settings));
    let passing = SAMPLES.iter().filter(|sample| filter.passes(sample.body));
    passing.map(|sample| sample.name).collect()
}

/// The body of event `id` of `user`.
fn event(user: &Value, id: u32) -> Vec<u8> {
    let event = json!({ "id": id.to_string(), "name": "appcues:flow_started", "timestamp": 1, "user_id": user });
    event.to_string().into_bytes()
}

#[test]
fn types_pass_by_what_the_event_is_and_not_by_its_name_alone() {
    // Both are named appcues:nps_score.
    let only = json!({ "event_types": { "allow": ["nps_feedback"] } });
    assert_eq!(passing_samples(only), BTreeSet::from(["nps_feedback"]));
    let but = json!({ "event_types": { "deny": ["nps_feedback", "pin_interacted"] } });
    let passing = passing_samples(but);
    assert_eq!(passing.len(), 11);
    assert!(passing.contains("nps_score"));
}

#[test]
fn accounts_are_known_by_text_or_number_and_an_event_without_one_is_on_no_list() {
    let of_account = |account: Value| {
        json!({ "id": "1", "name": "n", "timestamp": 1, "account_id": account }).to_string()
    };
    let allow = json!({ "accounts": { "allow": ["94742"] } });
    let deny = json!({ "accounts": { "deny": ["94742"] } });
    for (account, allowed, not_denied) in [
        (json!("94742"), true, false),
        (json!(94742), true, false),
        (json!("9474"), false, true),
        (Value::Null, false, true),
        (json!({}), false, true),
    ] {
        let body = of_account(account);
        assert_eq!(passes(allow.clone(), body.as_bytes()), allowed, "{body}");
        assert_eq!(passes(deny.clone(), body.as_bytes()), not_denied, "{body}");
    }
}

#[test]
fn everything_that_is_set_must_let_an_event_pass() {
    let both =
        json!({ "event_types": { "allow": ["nps_score"] }, "accounts": { "deny": ["94742"] } });
    assert_eq!(passing_samples(both), BTreeSet::new());
}

#[test]
fn what_is_no_event_passes_unless_it_is_to_be_discarded() {
    let types = json!({ "event_types": { "allow": ["nps_score"] } });
    let discard = json!({ "not_events": "discard" });
    for body in [
        b"\xff".as_slice(),
        b"",
        b"no JSON",
        b"[]",
        br#"{"id":"1","name":"n"}"#,
    ] {
        assert!(passes(types.clone(), body));
        assert!(!passes(discard.clone(), body));
    }
    assert_eq!(passing_samples(discard).len(), 13);
}

#[test]
fn a_sample_is_about_its_part_of_the_users_with_all_of_their_events() {
    let filter = Filter::new(&config(json!({ "sample": { "rate": 10 } })));
    let mut chosen = HashMap::new();
    for id in 0..12_000 {
        let user = json!(format!("user {}", id % 6_000));
        let passes = filter.passes(&event(&user, id));
        assert_eq!(*chosen.entry(user.to_string()).or_insert(passes), passes);
    }
    let chosen = chosen.into_values().filter(|passes| *passes).count();
    // 600 are expected; this is 6 standard deviations.
    assert!((460..740).contains(&chosen), "{chosen}");
}

#[test]
fn a_sample_is_another_one_with_another_seed_and_goes_by_the_id_where_there_is_no_user() {
    let chosen = |user: Value, sample: Value| {
        let filter = Filter::new(&config(json!({ "sample": sample })));
        let passing = (0..200_u32).filter(|id| filter.passes(&event(&user, *id)));
        passing.collect::<Vec<_>>()
    };
    let one = json!({ "rate": "4", "key_field": "event_id" });
    let other = json!({ "rate": 4, "key_field": "event_id", "seed": "other" });
    let user = json!("anon:1");
    assert_eq!(
        chosen(user.clone(), one.clone()),
        chosen(user.clone(), one.clone())
    );
    assert_ne!(
        chosen(user.clone(), one.clone()),
        chosen(user.clone(), other)
    );
    assert_eq!(chosen(Value::Null, json!({ "rate": 4 })), chosen(user, one));
}

#[test]
fn every_problem_of_the_settings_is_told_with_its_place_and_a_remedy() {
    for (settings, expected) in [
        (
            json!({ "event_types": { "allow": ["nps_scor"] } }),
            "event_types.allow[0]: there is no event type \"nps_scor\"; did you mean nps_score?",
        ),
        (
            json!({ "event_types": { "deny": ["appcues:flow_started"] } }),
            "event_types.deny[0]: there is no event type \"appcues:flow_started\"; did you mean web_flow_started?",
        ),
        (
            json!({ "event_types": { "deny": ["q"] } }),
            "event_types.deny[0]: there is no event type \"q\"; docs/catalogue.md has them all",
        ),
        (
            json!({ "accounts": { "allow": ["1"], "deny": ["1"] } }),
            "accounts: \"1\" is on allow and on deny; take it off one",
        ),
        (
            json!({ "sample": { "rate": 0 } }),
            "sample.rate: must be at least 1, which lets all pass",
        ),
        (
            json!({}),
            "event_types: everything would pass; set this, accounts, sample or not_events",
        ),
    ] {
        assert_eq!(config(settings).validate(), [expected]);
    }
    let unknown = json!({ "sample": { "rate": 2, "ratio": 1 } });
    assert!(serde_json::from_value::<FilterConfig>(unknown).is_err());
}
