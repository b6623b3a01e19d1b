//! The rules of single columns.

#![allow(clippy::unwrap_used, reason = "the bodies are written here")]

mod row;

use landfall_appcues::{AppcuesEvent, SAMPLES};
use landfall_core::Timestamp;
use landfall_table::{EventsBuilder, QuarantineBuilder};

/// The row of an event with `members` besides the required ones.
fn row_of(name: &str, members: &str) -> row::Row {
    let body = format!(r#"{{"id":"1","name":"{name}","timestamp":0,{members}}}"#);
    let mut builder = EventsBuilder::new();
    let event = AppcuesEvent::parse(body.as_bytes()).unwrap();
    builder.append(&event, Timestamp::from_millis(0));
    row::read(&builder.finish(), 0)
}

/// One column of an event with these attributes, and its conversion errors.
fn column(name: &str, attributes: &str) -> (Option<String>, Option<String>) {
    let mut row = row_of("appcues:x", &format!(r#""attributes":{attributes}"#));
    (row.remove(name), row.remove("conversion_errors"))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_value_that_can_be_read_is_read() {
    assert_eq!(column("nps_score", r#"{"score":"10"}"#), (some("10"), None));
    assert_eq!(
        column("step_number", r#"{"stepNumber":1e1}"#),
        (some("10"), None)
    );
    assert_eq!(
        column("session_id", r#"{"sessionId":1e999}"#),
        (some("1e999"), None)
    );
    assert_eq!(
        column("trigger", r#"{"trigger":"caf\u00e9"}"#),
        (some("café"), None)
    );
}

#[test]
fn a_value_that_cannot_be_read_leaves_null_and_an_error() {
    let error = r#"[attributes.score: expected an integer, got "ten"]"#;
    assert_eq!(
        column("nps_score", r#"{"score":"ten"}"#),
        (None, some(error))
    );
    let error = r#"[attributes.stepIndex: expected a string, got [0,0]]"#;
    assert_eq!(
        column("step_index", r#"{"stepIndex":[0,0]}"#),
        (None, some(error))
    );
    let row = row_of("appcues:x", r#""ingested_at":"now""#);
    let error = r#"[ingested_at: expected a time (epoch ms or RFC 3339), got "now"]"#;
    assert_eq!(row["conversion_errors"], error);
}

#[test]
fn a_second_path_is_taken_if_the_first_is_absent_or_does_not_fit() {
    let both = r#"{"flowVersion":1,"version":"x"}"#;
    assert_eq!(column("experience_version", both), (some("1"), None));
    let second = r#"{"flowVersion":null,"version":2}"#;
    assert_eq!(column("experience_version", second), (some("2"), None));
    let unfit = r#"{"flowVersion":"x","version":2}"#;
    let error = r#"[attributes.flowVersion: expected an integer, got "x"]"#;
    assert_eq!(
        column("experience_version", unfit),
        (some("2"), some(error))
    );
    let identity = r#"{"_identity":{"_sessionId":"s"}}"#;
    assert_eq!(column("session_id", identity), (some("s"), None));
    assert_eq!(
        column("workflow_id", r#"{"workflow_id":"w"}"#),
        (some("w"), None)
    );
    let push = r#"{"push_notification_id":"p"}"#;
    assert_eq!(column("push_notification_id", push), (some("p"), None));
}

#[test]
fn what_should_be_an_object_and_is_not_is_an_error_of_its_own() {
    let row = row_of("appcues:x", r#""attributes":"x","context":[]"#);
    let errors =
        r#"[context: expected an object, got [], attributes: expected an object, got "x"]"#;
    assert_eq!(row["conversion_errors"], errors);
}

#[test]
fn an_experience_is_a_checklist_only_if_it_is_nothing_else() {
    let kind = |attributes| column("experience_type", attributes).0;
    assert_eq!(kind(r#"{"checklistId":"c"}"#), some("checklist"));
    assert_eq!(kind(r#"{"checklistId":"c","flowId":"f"}"#), None);
    assert_eq!(
        kind(r#"{"checklistId":"c","flowType":"journey"}"#),
        some("journey")
    );
    assert_eq!(kind(r#"{"checklistId":null}"#), None);
}

#[test]
fn a_user_is_anonymous_by_their_id() {
    let anonymous = |members| row_of("appcues:x", members).remove("is_anonymous");
    assert_eq!(anonymous(r#""user_id":"anon:1""#), some("true"));
    assert_eq!(anonymous(r#""user_id":"\u0061non:1""#), some("true"));
    assert_eq!(anonymous(r#""user_id":7"#), some("false"));
    assert_eq!(anonymous(r#""user_id":null"#), None);
    let row = row_of("appcues:x", r#""user_id":{}"#);
    assert_eq!(
        row["conversion_errors"],
        "[user_id: expected a string, got {}]"
    );
}

#[test]
fn only_error_events_have_an_error() {
    let members = r#""attributes":{"errorId":"e","message":"m"}"#;
    let row = row_of("appcues:v2:step_error", members);
    assert_eq!(
        (row["error_id"].as_str(), row["error_message"].as_str()),
        ("e", "m")
    );
    let row = row_of("appcues:v2:step_seen", members);
    assert!(!row.contains_key("error_id") && !row.contains_key("error_message"));
}

#[test]
fn survey_responses_give_score_and_feedback() {
    let survey = |responses: &str| {
        let attributes = format!(r#"{{"interactionData":{{"surveyResponses":{responses}}}}}"#);
        let mut row = row_of("appcues:x", &format!(r#""attributes":{attributes}"#));
        let mut take = |column| row.remove(column).unwrap_or_default();
        [
            take("nps_score"),
            take("nps_feedback"),
            take("conversion_errors"),
        ]
    };
    let both = r#"[{"type":"nps_feedback","value":"good"},{"type":"nps_score","value":"9"}]"#;
    assert_eq!(survey(both), ["9", "good", ""]);
    let path = "attributes.interactionData.surveyResponses";
    let unfit = r#"[7,null,{"type":"nps_score","value":"x"},{"type":"nps_score","value":8}]"#;
    let errors = format!(
        r#"[{path}[0]: expected an object, got 7, {path}[2].value: expected an integer, got "x"]"#
    );
    assert_eq!(survey(unfit), ["8", "", &errors]);
    assert_eq!(
        survey("7"),
        ["", "", &format!("[{path}: expected a list, got 7]")]
    );
}

#[test]
fn the_score_of_the_attributes_comes_before_that_of_a_survey() {
    let both =
        r#"{"score":3,"interactionData":{"surveyResponses":[{"type":"nps_score","value":9}]}}"#;
    assert_eq!(column("nps_score", both), (some("3"), None));
}

#[test]
fn each_answer_of_a_form_stands_for_itself() {
    let answers = r#"{"interaction":{"response":[
        {"fieldId":"a","fieldRequired":"true","value":["x", "y"]},
        7, null,
        {"fieldId":{},"fieldRequired":"maybe","value":1.50},
        {"label":"l","value":{"a":1}}
    ]}}"#;
    let expected = "[\
        {field_id: a, field_type: <null>, field_required: true, label: <null>, value: [\"x\", \"y\"]}, \
        <null>, <null>, \
        {field_id: <null>, field_type: <null>, field_required: <null>, label: <null>, value: 1.50}, \
        {field_id: <null>, field_type: <null>, field_required: <null>, label: l, value: <null>}]";
    let path = "attributes.interaction.response";
    let errors = format!(
        "[{path}[1]: expected an object, got 7, \
        {path}[3].fieldId: expected a string, got {{}}, \
        {path}[3].fieldRequired: expected true or false, got \"maybe\", \
        {path}[4].value: expected a string, got {{\"a\":1}}]"
    );
    assert_eq!(
        column("form_responses", answers),
        (some(expected), Some(errors))
    );
}

#[test]
fn a_mobile_form_has_its_answers_elsewhere() {
    let answers = r#"{"interactionData":{"formResponse":[]},"interaction":{"response":"x"}}"#;
    let error = r#"[attributes.interaction.response: expected a list, got "x"]"#;
    assert_eq!(column("form_responses", answers), (some("[]"), some(error)));
}

#[test]
fn errors_are_limited_so_that_they_cannot_outgrow_the_body() {
    let answers = vec!["7"; 10_000].join(",");
    let (_, errors) = column(
        "form_responses",
        &format!(r#"{{"interaction":{{"response":[{answers}]}}}}"#),
    );
    let errors = errors.unwrap();
    assert_eq!(errors.matches("expected an object").count(), 64);
    assert!(errors.ends_with("and more]"));
}

#[test]
fn rows_are_sorted_by_occurrence_and_equal_ones_stay_in_order() {
    let mut builder = EventsBuilder::new();
    for (id, time) in [("a", 3), ("b", 1), ("c", 2), ("d", 1), ("e", 3)] {
        let body = format!(r#"{{"id":"{id}","name":"n","timestamp":{time}}}"#);
        builder.append(
            &AppcuesEvent::parse(body.as_bytes()).unwrap(),
            Timestamp::from_millis(0),
        );
    }
    let batch = builder.finish();
    let ids: Vec<_> = (0..5)
        .map(|index| row::read(&batch, index)["event_id"].clone())
        .collect();
    assert_eq!(ids, ["b", "d", "c", "a", "e"]);
}

#[test]
fn a_builder_starts_anew_after_it_has_finished() {
    let mut builder = EventsBuilder::new();
    for round in 0..2 {
        assert!(builder.is_empty());
        assert_eq!(builder.byte_size(), 0);
        for sample in &SAMPLES {
            builder.append(
                &AppcuesEvent::parse(sample.body).unwrap(),
                Timestamp::from_millis(round),
            );
        }
        assert_eq!(builder.len(), 13);
        let payloads: usize = SAMPLES.iter().map(|sample| sample.body.len()).sum();
        assert!((payloads..4 * payloads).contains(&builder.byte_size()));
        assert_eq!(builder.finish().num_rows(), 13);
    }
    assert_eq!(builder.finish().num_rows(), 0);
}

#[test]
fn the_quarantine_keeps_bytes_as_they_came() {
    let mut builder = QuarantineBuilder::new();
    builder.append(Timestamp::from_millis(5), "not_utf8", b"\xff\0");
    assert_eq!((builder.len(), builder.byte_size() > 0), (1, true));
    let batch = builder.finish();
    let payload = arrow_array::cast::AsArray::as_binary::<i32>(batch.column(2));
    assert_eq!(payload.value(0), b"\xff\0");
    assert!(builder.is_empty());
}
