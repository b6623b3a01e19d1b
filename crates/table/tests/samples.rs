//! What Appcues' 13 samples look like in the table, written down by hand from the samples.

mod row;

use landfall_appcues::{AppcuesEvent, SAMPLES};
use landfall_core::Timestamp;
use landfall_table::EventsBuilder;

/// What is the same in all samples, unless a sample says otherwise.
const COMMON: &[(&str, &str)] = &[
    ("account_id", "94742"),
    ("is_anonymous", "true"),
    ("received_at", "2026-11-23T00:00:00Z"),
];

const ANON: (&str, &str) = ("user_id", "anon:1c499266-100c-477a-93cb-025fe02a9589");
const URL: (&str, &str) = ("url", "https://appcues.github.io/flow-testbench/");

/// The NPS survey of two samples.
const SURVEY: &[(&str, &str)] = &[
    ("event_id", "7ed17098-dcb0-4602-a9d7-8e7605577f19"),
    ("event_name", "appcues:nps_score"),
    ("occurred_at", "2023-05-18T19:48:36.293Z"),
    ("ingested_at", "2023-05-18T19:48:36.408Z"),
    ("user_id", "anon:a24a871a-74f2-450e-b079-95672ac6ba52"),
    URL,
    ("session_id", "1670422599749"),
    ("locale_id", "default"),
    ("locale_name", "default"),
    ("experience_id", "c32fb928-7a1a-4feb-8993-696aa68fe5fb"),
    ("experience_name", "NPS Survey"),
    ("experience_type", "satisfaction-survey"),
    ("experience_version", "1664820161117"),
];

/// The flow of five samples.
const FLOW: &[(&str, &str)] = &[
    URL,
    ("experience_id", "daf26add-b4ec-466e-92a7-349defcd55fa"),
    ("experience_name", "Modal Test"),
    ("experience_type", "journey"),
    ("experience_version", "1684507357284"),
];

/// The step of two samples.
const STEP: &[(&str, &str)] = &[
    ANON,
    ("session_id", "1684868063974"),
    ("ingested_at", "2023-05-23T18:54:29.159Z"),
    ("step_id", "69bf781b-a660-43ea-8f2f-7580dfc4eee3"),
    ("step_type", "modal"),
    ("step_number", "0"),
    ("step_child_id", "fe3e9b79-2e90-488b-a698-7440229820c9"),
    ("step_child_number", "0"),
];

/// The checklist of four samples.
const CHECKLIST: &[(&str, &str)] = &[
    URL,
    ("experience_id", "cb4f19a2-43a7-42ea-a860-16c9be3cfe43"),
    ("experience_name", "Journeys checklist"),
    ("experience_type", "checklist"),
];

/// Each sample: what it has in common with others, and what it has alone.
type Expected = (
    &'static str,
    &'static [&'static [(&'static str, &'static str)]],
);

#[rustfmt::skip]
const EXPECTED: [Expected; 13] = [
    ("nps_score", &[SURVEY, &[("nps_score", "10")]]),
    ("nps_feedback", &[SURVEY, &[("nps_feedback", "great stuff")]]),
    ("web_flow_completed", &[FLOW, &[ANON,
        ("event_id", "7e691fdc-842a-4b39-9288-3bfa76084b75"),
        ("event_name", "appcues:flow_completed"),
        ("occurred_at", "2023-05-23T18:57:31.905Z"),
        ("ingested_at", "2023-05-23T18:57:31.991Z"),
        ("session_id", "1684868248856"),
    ]]),
    ("web_flow_started", &[FLOW, &[
        ("event_id", "0deb801e-d48b-4610-9c8a-bf333b9a5cda"),
        ("event_name", "appcues:flow_started"),
        ("occurred_at", "2023-05-23T18:44:31.283Z"),
        ("ingested_at", "2023-05-23T18:44:31.407Z"),
        ("user_id", "anon:7def0d8b-00e9-4a96-9399-67ce2b1252fd"),
        ("session_id", "1684867470575"),
    ]]),
    ("web_flow_button_clicked", &[FLOW, STEP, &[
        ("event_id", "0125feb0-2f14-4f83-a820-b971243c3ebf"),
        ("event_name", "appcues:step_interacted"),
        ("occurred_at", "2023-05-23T18:54:29.07Z"),
        ("interaction_type", "click"),
        ("interaction_category", "internal"),
        ("interaction_destination", "end-flow"),
        ("interaction_text", "Next"),
    ]]),
    ("web_flow_form_submitted", &[FLOW, STEP, &[
        ("event_id", "0129c911-380b-4554-ab84-0e1cab7919eb"),
        ("event_name", "appcues:form_submitted"),
        ("occurred_at", "2023-05-23T18:54:29.056Z"),
        ("interaction_type", "submit"),
        ("interaction_category", "form"),
        ("form_responses", "[{field_id: 83038f4a-2505-47fb-9092-ec72ca3eb981, field_type: null, field_required: false, \
            label: What's your role at the company?, value: Product Manager}]"),
    ]]),
    ("web_flow_skipped", &[FLOW, &[ANON,
        ("event_id", "e313efaa-a621-4db4-be99-012928c47722"),
        ("event_name", "appcues:flow_skipped"),
        ("occurred_at", "2023-05-23T18:59:30.285Z"),
        ("ingested_at", "2023-05-23T18:59:30.405Z"),
        ("session_id", "1684868368272"),
        ("step_id", "69bf781b-a660-43ea-8f2f-7580dfc4eee3"),
        ("step_number", "0"),
    ]]),
    ("checklist_item_completed", &[CHECKLIST, &[ANON,
        ("event_id", "76ccf047-c216-4324-add5-32bf6b780172"),
        ("event_name", "appcues:checklist_item_completed"),
        ("occurred_at", "2023-05-23T19:04:03.142Z"),
        ("ingested_at", "2023-05-23T19:04:03.253Z"),
        ("session_id", "1684868642856"),
        ("item_id", "05be3915-7e70-4b2d-ae4b-f3f56b91e061"),
        ("item_label", "Complete tutorial"),
        ("item_index", "0"),
    ]]),
    ("checklist_completed", &[CHECKLIST, &[ANON,
        ("event_id", "21430f65-65ac-48a2-a671-1c9e0ff31c8b"),
        ("event_name", "appcues:checklist_completed"),
        ("occurred_at", "2023-05-23T19:04:03.141Z"),
        ("ingested_at", "2023-05-23T19:04:03.252Z"),
        ("session_id", "1684868642856"),
    ]]),
    ("checklist_skipped", &[CHECKLIST, &[
        ("event_id", "6ece7bef-64ac-489d-8ac4-03323af01110"),
        ("event_name", "appcues:checklist_skipped"),
        ("occurred_at", "2023-05-18T20:27:38.013Z"),
        ("ingested_at", "2023-05-18T20:27:38.142Z"),
        ("user_id", "anon:061e8c23-a2db-4dad-b538-6dd9932461f8"),
        ("session_id", "1684441654617"),
    ]]),
    ("checklist_shown", &[CHECKLIST, &[ANON,
        ("event_id", "baef6f24-5e56-4ea6-b064-b65cbb5b00c4"),
        ("event_name", "appcues:checklist_shown"),
        ("occurred_at", "2023-05-23T19:04:04.274Z"),
        ("ingested_at", "2023-05-23T19:04:04.394Z"),
        ("session_id", "1684868642856"),
    ]]),
    ("mobile_flow_started", &[&[
        ("event_id", "bf1baa7e-0c61-4d9d-a437-37bef45566b0"),
        ("event_name", "appcues:v2:step_interaction"),
        ("occurred_at", "2023-05-23T19:14:47.097Z"),
        ("ingested_at", "2023-05-23T19:14:55.614Z"),
        ("user_id", "g1j77no"),
        ("is_anonymous", "false"),
        ("experience_id", "5e9e9ab6-4dca-4596-b52d-d59052f96892"),
        ("experience_name", "Mobile Control"),
        ("experience_type", "mobile"),
        ("experience_version", "1684442952071"),
        ("interaction_type", "Button Tapped"),
        ("step_id", "25e1c534-8c6b-47fc-a343-6fb22d179d74"),
        ("step_type", "modal"),
    ]]),
    ("pin_interacted", &[&[ANON, URL,
        ("event_id", "b0f11cb2-f3d7-4b5b-b70e-80a46ad58a2a"),
        ("event_name", "appcues:v2:step_interaction"),
        ("occurred_at", "2023-05-23T19:12:52.76Z"),
        ("ingested_at", "2023-05-23T19:12:53.769Z"),
        ("experience_id", "df38c205-aef4-45e0-91e6-e848b117899c"),
        ("experience_name", "Pin A Condition"),
        ("experience_type", "persistent"),
        ("interaction_type", "Button Pin Clicked"),
        ("step_id", "3b188f86-d230-4fbb-8e9f-1133b09f8023"),
        ("step_name", "Pin 1"),
        ("step_type", "button"),
    ]]),
];

#[test]
fn each_sample_fills_these_columns_and_no_other() {
    let received_at = Timestamp::from_millis(1_795_392_000_000);
    for ((name, groups), sample) in EXPECTED.iter().zip(&SAMPLES) {
        assert_eq!(*name, sample.name);
        let mut builder = EventsBuilder::new();
        builder.append(&AppcuesEvent::parse(sample.body).unwrap(), received_at);
        let mut actual = row::read(&builder.finish(), 0);
        assert_eq!(actual.remove("payload").unwrap().as_bytes(), sample.body);

        let groups = [COMMON].iter().chain(*groups);
        let mut expected: row::Row = groups
            .flat_map(|group| group.iter())
            .map(|(column, value)| (column.to_string(), value.to_string()))
            .collect();
        expected.insert("event_type".to_owned(), sample.event_type.to_owned());
        assert_eq!(actual, expected, "{name}");
    }
}
