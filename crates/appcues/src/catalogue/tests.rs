use super::*;
use crate::SAMPLES;

fn type_of(name: &str, attributes: &str) -> &'static str {
    let body = format!(r#"{{"id":"1","name":"{name}","timestamp":1,"attributes":{attributes}}}"#);
    AppcuesEvent::parse(body.as_bytes()).unwrap().event_type()
}

#[test]
fn every_sample_is_recognised() {
    for sample in &SAMPLES {
        let event = AppcuesEvent::parse(sample.body).unwrap();
        assert_eq!(event.event_type(), sample.event_type, "{}", sample.name);
    }
}

#[test]
fn feedback_under_the_name_of_the_score_is_feedback() {
    assert_eq!(
        type_of("appcues:nps_score", r#"{"feedback":"x"}"#),
        "nps_feedback"
    );
    assert_eq!(
        type_of("appcues:nps_score", r#"{"feedback":"x","score":null}"#),
        "nps_feedback"
    );
    assert_eq!(
        type_of("appcues:nps_score", r#"{"feedback":"x","score":9}"#),
        "nps_score"
    );
    assert_eq!(
        type_of("appcues:nps_score", r#"{"feedback":null}"#),
        "nps_score"
    );
}

#[test]
fn feedback_under_its_own_name_is_feedback() {
    assert_eq!(type_of("appcues:nps_feedback", "{}"), "nps_feedback");
}

#[test]
fn the_experience_type_tells_mobile_flows_from_pins() {
    let name = "appcues:v2:step_interaction";
    let mobile = r#"{"experienceType":"mobile","interactionType":"Button Tapped"}"#;
    assert_eq!(type_of(name, mobile), "mobile_flow_started");
    let pin = r#"{"experienceType":"persistent","interactionType":"anything"}"#;
    assert_eq!(type_of(name, pin), "pin_interacted");
    let form = r#"{"experienceType":"mobile","interactionType":"Form Submitted"}"#;
    assert_eq!(type_of(name, form), "other");
    assert_eq!(type_of(name, "null"), "other");
}

#[test]
fn a_mobile_flow_also_starts_as_the_sdks_say() {
    let name = "appcues:v2:experience_started";
    assert_eq!(
        type_of(name, r#"{"experienceType":"mobile"}"#),
        "mobile_flow_started"
    );
    assert_eq!(type_of(name, r#"{"experienceType":"banner"}"#), "other");
}

#[test]
fn a_step_interaction_is_a_click_even_if_it_submits() {
    let submit = r#"{"interactionType":"submit","interaction":{"category":"form"}}"#;
    assert_eq!(
        type_of("appcues:step_interacted", submit),
        "web_flow_button_clicked"
    );
    assert_eq!(
        type_of("appcues:form_submitted", "{}"),
        "web_flow_form_submitted"
    );
}

#[test]
fn an_unknown_name_is_normal() {
    assert_eq!(type_of("appcues:email_opened", "{}"), "other");
    assert_eq!(type_of("", "{}"), "other");
}

#[test]
fn each_rule_gives_a_listed_type_and_each_type_is_given() {
    let listed = EVENT_TYPES.map(|(event_type, _)| event_type);
    let given: Vec<_> = RULES.iter().map(|(_, _, event_type)| *event_type).collect();
    assert!(given.iter().all(|event_type| listed.contains(event_type)));
    let never = listed
        .iter()
        .filter(|event_type| !given.contains(event_type));
    assert_eq!(never.collect::<Vec<_>>(), [&"other"]);
}
