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
fn an_nps_response_in_any_shape_is_one_event() {
    let combined = "appcues:nps_score_and_feedback";
    let both = r#"{"score":9,"feedback":"x"}"#;
    assert_eq!(type_of(combined, both), "nps_score");
    assert_eq!(type_of(combined, r#"{"feedback":"x"}"#), "nps_feedback");
    assert_eq!(type_of(combined, "{}"), "nps_score");

    let survey = |responses: &str| {
        let attributes = format!(
            r#"{{"experienceType":"nps","interactionData":{{"surveyResponses":{responses}}}}}"#
        );
        type_of("appcues:v2:step_interaction", &attributes)
    };
    let score = r#"{"type":"nps_score","value":"9"}"#;
    let feedback = r#"{"value":"x","type":"nps_feedback"}"#;
    assert_eq!(survey(&format!("[{score}]")), "nps_score");
    assert_eq!(survey(&format!("[{feedback},{score}]")), "nps_score");
    assert_eq!(survey(&format!("[7,null,{feedback}]")), "nps_feedback");
    let unanswered = r#"{"type":"nps_score","value":null}"#;
    assert_eq!(survey(&format!("[{unanswered}]")), "nps_interacted");
    assert_eq!(
        survey(&format!("[{unanswered},{feedback}]")),
        "nps_feedback"
    );
    assert_eq!(survey("7"), "nps_interacted");
}

#[test]
fn the_kind_of_experience_gives_its_events_their_names() {
    let type_of = |name: &str, attributes: &str| {
        type_of(
            &format!("appcues:v2:{name}"),
            &format!("{{{}}}", attributes.replace('\'', "\"")),
        )
    };
    let kinds = [
        ("mobile", "mobile_flow"),
        ("persistent", "pin"),
        ("nps", "nps"),
        ("banner", "banner"),
        ("embed", "experience"),
    ];
    for (kind, prefix) in kinds {
        let attributes = format!("'experienceType':'{kind}'");
        for end in ["started", "completed", "dismissed", "error", "recovered"] {
            let found = type_of(&format!("experience_{end}"), &attributes);
            assert_eq!(found, format!("{prefix}_{end}"));
        }
        for end in ["seen", "completed", "error", "recovered"] {
            let found = type_of(&format!("step_{end}"), &attributes);
            assert_eq!(found, format!("experience_step_{end}"));
        }
        let interacted = type_of("step_interaction", &attributes);
        assert_eq!(interacted, format!("{prefix}_interacted"));
    }
    let unusual = ["", "'experienceType':null", "'experienceType':['mobile']"];
    for attributes in unusual {
        assert_eq!(
            type_of("experience_started", attributes),
            "experience_started"
        );
        assert_eq!(
            type_of("step_interaction", attributes),
            "experience_interacted"
        );
    }
    let interaction = |kind| {
        let attributes = format!("'experienceType':'mobile','interactionType':'{kind}'");
        type_of("step_interaction", &attributes)
    };
    assert_eq!(interaction("Button Tapped"), "mobile_flow_started");
    assert_eq!(interaction("Form Submitted"), "mobile_flow_form_submitted");
    assert_eq!(interaction("Target Tapped"), "mobile_flow_interacted");
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
    assert_eq!(type_of("appcues:something_new", "{}"), "other");
    assert_eq!(type_of("appcues:v2:something_new", "{}"), "other");
    assert_eq!(type_of("flow_started", "{}"), "other");
    assert_eq!(type_of("", "{}"), "other");
}

/// Attributes that make `test` hold.
fn attributes_for(test: &Test) -> String {
    let member = |field: &Field, value: &str| {
        let key = field.path().strip_prefix("attributes.").unwrap();
        format!(r#""{key}":"{value}""#)
    };
    match test {
        Has(field) => member(field, "x"),
        Is(field, text) => member(field, text),
        Answers(kind) => {
            format!(r#""interactionData":{{"surveyResponses":[{{"type":"{kind}","value":"x"}}]}}"#)
        }
        Lacks(field) => format!(r#""{}":null"#, field.path()),
    }
}

#[test]
fn each_rule_is_reached_and_gives_its_type() {
    for event_type in EVENT_TYPES {
        for (name, tests) in event_type.rules {
            let attributes: Vec<_> = tests.iter().map(attributes_for).collect();
            let attributes = format!("{{{}}}", attributes.join(","));
            assert_eq!(
                type_of(name, &attributes),
                event_type.name,
                "{name} {attributes}"
            );
        }
    }
}

#[test]
fn each_type_has_one_line_and_the_last_is_that_of_all_others() {
    let names: std::collections::BTreeSet<_> = EVENT_TYPES.iter().map(|line| line.name).collect();
    assert_eq!(names.len(), EVENT_TYPES.len());
    let (last, named) = EVENT_TYPES.split_last().unwrap();
    assert_eq!((last.name, last.rules.len()), (OTHER, 0));
    assert!(named.iter().all(|event_type| !event_type.rules.is_empty()));
}

#[test]
fn the_documented_types_are_those_of_the_samples() {
    let documented = EVENT_TYPES
        .iter()
        .filter(|event_type| event_type.origin == Page);
    let samples = SAMPLES.map(|sample| sample.event_type);
    assert_eq!(
        documented.map(|line| line.name).collect::<Vec<_>>(),
        samples
    );
}
