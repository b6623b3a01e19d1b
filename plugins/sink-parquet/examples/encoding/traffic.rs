//! Realistic events, the same from the same seed.

use landfall_appcues::SAMPLES;
use landfall_traffic::Random;
use serde_json::{Value, json};

use crate::Options;

/// A body as Appcues would send it, and when Landfall got it.
pub(crate) struct Arrival {
    pub(crate) received_at: i64,
    pub(crate) body: Vec<u8>,
}

/// The events that were asked for.
pub(crate) fn traffic(options: &Options) -> Vec<Arrival> {
    let mut events = if options.varied {
        varied(options)
    } else {
        samples(options)
    };
    events.truncate(options.events);
    events.sort_by_key(|(received_at, _)| *received_at);
    let arrival = |(received_at, event): (i64, Value)| Arrival {
        received_at,
        body: if options.pretty {
            serde_json::to_vec_pretty(&event).unwrap_or_default()
        } else {
            serde_json::to_vec(&event).unwrap_or_default()
        },
    };
    events.into_iter().map(arrival).collect()
}

/// The documented bodies in sessions of up to 24, each with an id, times, a session and a user of its own. Half of the
/// users are anonymous, which makes gzip take about 56 bytes an event: what was found of such traffic elsewhere.
fn samples(options: &Options) -> Vec<(i64, Value)> {
    let random = &mut Random::new(options.seed);
    let samples: Vec<Value> = SAMPLES
        .iter()
        .filter_map(|sample| serde_json::from_slice(sample.body).ok())
        .collect();
    let users: Vec<String> = (0..options.users)
        .map(|n| match random.below(2) {
            0 => format!("anon:{}", random.uuid()),
            _ => format!("user-{}", 10_000 + n),
        })
        .collect();
    let window = options.secs as i64 * 1000;
    let mut events = Vec::with_capacity(options.events + 24);
    while events.len() < options.events {
        let user = random.pick(&users).clone();
        let start = START + random.between(-300_000, window);
        let mut now = start;
        for _ in 0..1 + random.below(24) {
            now += random.delay(200, 15_000.0, 300_000);
            if !(START..START + window).contains(&now) {
                continue;
            }
            let ingested = now + random.between(60, 160);
            let mut event = random.pick(&samples).clone();
            event["id"] = json!(random.uuid());
            event["user_id"] = json!(user);
            event["timestamp"] = json!(now);
            event["ingested_at"] = json!(ingested);
            if let Some(session) = event["attributes"].get_mut("sessionId") {
                *session = json!(start);
            }
            events.push((ingested + random.between(30, 120), event));
        }
    }
    events
}

/// Sessions of users who begin at any time and do a few things each, cut to the window: many flows, checklists,
/// pins and surveys with names, steps, versions and pages of their own.
fn varied(options: &Options) -> Vec<(i64, Value)> {
    let random = &mut Random::new(options.seed);
    let users: Vec<(String, Option<String>)> = (0..options.users)
        .map(|n| match random.below(20) {
            0 => (
                format!("user-{}", 10_000 + n),
                Some(format!("company-{}", n % 300)),
            ),
            1 => (format!("{:024x}", random.next_u64()), None),
            2 => (
                format!("g{:x}", random.next_u64() >> 40),
                Some(format!("company-{}", n % 300)),
            ),
            _ => (format!("anon:{}", random.uuid()), None),
        })
        .collect();
    let pages: Vec<String> = (0..400)
        .map(|_| {
            let depth = 1 + random.below(3);
            let path: Vec<_> = (0..depth).map(|_| *random.pick(WORDS)).collect();
            format!(
                "https://app.example.com/{}/{}",
                path.join("/"),
                random.below(1000)
            )
        })
        .collect();
    let mut make = |count: usize, least: usize, more: usize| -> Vec<Experience> {
        let steps: Vec<usize> = (0..count).map(|_| least + random.below(more)).collect();
        steps
            .into_iter()
            .map(|steps| experience(random, steps))
            .collect()
    };
    let flows = make(250, 1, 5);
    let checklists = make(40, 4, 5);
    let pins = make(60, 1, 1);
    let mobile = make(30, 2, 4);
    let surveys = make(5, 1, 1);

    let window = options.secs as i64 * 1000;
    let mut events: Vec<(i64, Value)> = Vec::with_capacity(options.events * 11 / 10);
    // A session lasts up to half an hour, so those that began before the window reach into it, as others reach out of it.
    let lead = 30 * 60 * 1000;
    let target = options.events;
    while events.len() < target {
        let (user, group) = &users[random.skewed(users.len())];
        let start = START + random.between(-lead, window);
        let mut now = start;
        let is_mobile = random.percent(4);
        let mut push =
            |random: &mut Random, now: i64, name: &str, attributes: Value, url: Option<String>| {
                if !(START..START + window).contains(&now) {
                    return;
                }
                // One in 200 waited on a device that was offline.
                let held = if random.below(200) == 0 {
                    random.between(0, 600_000)
                } else {
                    0
                };
                let occurred = now - held;
                let ingested = now + random.delay(90, 250.0, 8_000);
                let received = ingested + random.delay(40, 60.0, 3_000);
                let mut event = json!({
                    "account_id": "94742",
                    "attributes": attributes,
                    "group_id": group,
                    "id": random.uuid(),
                    "ingested_at": ingested,
                    "name": name,
                    "timestamp": occurred,
                    "user_id": user,
                });
                if let Some(url) = url {
                    event["context"] = json!({ "url": url });
                    if random.percent(30) {
                        event["source"] = Value::Null;
                    }
                }
                events.push((received, event));
            };
        let query = match random.below(100) {
            0..6 => format!("?id={}", random.below(100_000)),
            6..16 => format!("?tab={}", random.pick(&["all", "open", "settings", "team"])),
            _ => String::new(),
        };
        let page = |url: usize| Some(format!("{}{query}", pages[url]));
        let visits = 1 + random.skewed(4);
        for _ in 0..visits {
            now += random.delay(500, 60_000.0, 600_000);
            if is_mobile {
                let flow = &mobile[random.skewed(mobile.len())];
                let step = &flow.steps[0];
                let attributes = json!({
                    "experienceId": flow.id, "experienceName": flow.name, "experienceType": "mobile",
                    "interactionType": "Button Tapped", "stepId": step.id, "stepType": "modal",
                    "version": flow.versions[0],
                });
                push(random, now, "appcues:v2:step_interaction", attributes, None);
                continue;
            }
            match random.below(100) {
                0..8 => {
                    let pin = &pins[random.skewed(pins.len())];
                    let attributes = json!({
                        "experienceId": pin.id, "experienceName": pin.name, "experienceType": "persistent",
                        "interactionType": "Button Pin Clicked", "stepId": pin.steps[0].id,
                        "stepName": pin.steps[0].name, "stepType": "button",
                    });
                    push(
                        random,
                        now,
                        "appcues:v2:step_interaction",
                        attributes,
                        page(pin.url),
                    );
                }
                8..22 => {
                    let checklist = &checklists[random.skewed(checklists.len())];
                    let base = json!({
                        "checklistId": checklist.id, "checklistName": checklist.name, "sessionId": start,
                    });
                    push(
                        random,
                        now,
                        "appcues:checklist_shown",
                        base.clone(),
                        page(checklist.url),
                    );
                    let items = random.below(checklist.steps.len() + 1);
                    for (index, item) in checklist.steps.iter().take(items).enumerate() {
                        now += random.delay(1_000, 20_000.0, 300_000);
                        let mut attributes = base.clone();
                        attributes["itemId"] = json!(item.id);
                        attributes["itemIndex"] = json!(index);
                        attributes["itemLabel"] = json!(item.question);
                        push(
                            random,
                            now,
                            "appcues:checklist_item_completed",
                            attributes,
                            page(item.options.len() * 7),
                        );
                    }
                    if items == checklist.steps.len() {
                        push(
                            random,
                            now - 1,
                            "appcues:checklist_completed",
                            base,
                            page(35),
                        );
                    } else if random.percent(15) {
                        push(
                            random,
                            now + 4_000,
                            "appcues:checklist_skipped",
                            base,
                            page(35),
                        );
                    }
                }
                22..26 => {
                    let survey = &surveys[random.skewed(surveys.len())];
                    let base = json!({
                        "flowId": survey.id, "flowName": survey.name, "flowType": "satisfaction-survey",
                        "flowVersion": survey.versions[0], "localeId": "default", "localeName": "default",
                        "sessionId": start,
                    });
                    push(
                        random,
                        now,
                        "appcues:flow_started",
                        base.clone(),
                        page(survey.url),
                    );
                    now += random.delay(2_000, 8_000.0, 120_000);
                    if random.percent(60) {
                        let before = random.percent(40).then(|| random.below(11));
                        let mut attributes = base.clone();
                        attributes["score"] = json!(10 - random.skewed(11));
                        attributes["_prev_nps_score"] = json!(before);
                        attributes["_prev_nps_score_time"] =
                            json!(before.map(|_| START - random.between(0, 9_000_000_000)));
                        push(
                            random,
                            now,
                            "appcues:nps_score",
                            attributes,
                            page(survey.url),
                        );
                        if random.percent(50) {
                            let mut attributes = base;
                            attributes["feedback"] = json!(random.words(2, 25));
                            push(
                                random,
                                now + 9_000,
                                "appcues:nps_score",
                                attributes,
                                page(survey.url),
                            );
                        }
                    }
                }
                _ => {
                    let flow = &flows[random.skewed(flows.len())];
                    // Most see the version that was published last.
                    let version = flow.versions[random.skewed(flow.versions.len())];
                    let base = json!({
                        "flowId": flow.id, "flowName": flow.name, "flowType": "journey", "flowVersion": version,
                        "sessionId": start,
                    });
                    push(
                        random,
                        now,
                        "appcues:flow_started",
                        base.clone(),
                        page(flow.url),
                    );
                    for (number, step) in flow.steps.iter().enumerate() {
                        now += random.delay(800, 6_000.0, 200_000);
                        let mut attributes = base.clone();
                        attributes["stepId"] = json!(step.id);
                        attributes["stepNumber"] = json!(number);
                        if random.percent(22) {
                            push(
                                random,
                                now,
                                "appcues:flow_skipped",
                                attributes,
                                page(flow.url),
                            );
                            break;
                        }
                        attributes["stepChildId"] = json!(step.child_id);
                        attributes["stepChildNumber"] = json!(0);
                        attributes["stepType"] = json!(step.kind);
                        if number == 1 && flow.url % 5 == 0 {
                            let mut submitted = attributes.clone();
                            submitted["interactionType"] = json!("submit");
                            let fields: Vec<Value> = (0..1 + flow.url % 3)
                                .map(|field| json!({
                                    "fieldId": flow.steps[field % flow.steps.len()].child_id,
                                    "fieldRequired": field == 0,
                                    "fieldType": "null",
                                    "label": flow.steps[field % flow.steps.len()].question,
                                    "value": if field < 2 { random.pick(&step.options).clone() } else { random.words(2, 12) },
                                }))
                                .collect();
                            submitted["interaction"] =
                                json!({ "category": "form", "formId": null, "response": fields });
                            push(
                                random,
                                now - 14,
                                "appcues:form_submitted",
                                submitted,
                                page(flow.url),
                            );
                        }
                        attributes["interactionType"] = json!("click");
                        attributes["interaction"] = json!({
                            "category": if step.destination.starts_with("http") { "link" } else { "internal" },
                            "destination": step.destination,
                            "text": step.button,
                        });
                        attributes["context"] = json!({ "url": page(flow.url) });
                        push(random, now, "appcues:step_interacted", attributes, None);
                        if number + 1 == flow.steps.len() {
                            push(
                                random,
                                now + 40,
                                "appcues:flow_completed",
                                base.clone(),
                                page(flow.url),
                            );
                        }
                    }
                }
            }
        }
    }
    events
}

/// A flow, checklist, pin or mobile flow.
struct Experience {
    id: String,
    name: String,
    versions: Vec<i64>,
    steps: Vec<Step>,
    /// Where it shows.
    url: usize,
}

struct Step {
    id: String,
    child_id: String,
    name: String,
    kind: &'static str,
    button: &'static str,
    destination: String,
    question: String,
    options: Vec<String>,
}

/// When the events begin: 2026-11-23T08:00Z.
const START: i64 = 1_795_420_800_000;

fn experience(random: &mut Random, steps: usize) -> Experience {
    let versions = 1 + random.below(3);
    Experience {
        id: random.uuid(),
        name: random.words(2, 5),
        versions: (0..versions)
            .map(|_| START - random.between(86_400_000, 40_000_000_000))
            .collect(),
        steps: (0..steps)
            .map(|_| Step {
                id: random.uuid(),
                child_id: random.uuid(),
                name: random.words(1, 3),
                kind: random.pick::<&str>(&["modal", "modal", "tooltip", "slideout", "hotspot"]),
                button: random.pick::<&str>(&[
                    "Next",
                    "Got it",
                    "Start",
                    "Show me",
                    "Skip",
                    "Done",
                    "Learn more",
                ]),
                destination: match random.below(4) {
                    0 => format!("https://app.example.com/{}", random.pick(WORDS)),
                    1 => "end-flow".to_owned(),
                    _ => "next-step".to_owned(),
                },
                question: random.words(4, 9) + "?",
                options: (0..5).map(|_| random.words(1, 3)).collect(),
            })
            .collect(),
        url: random.below(400),
    }
}

trait Habits {
    /// A delay in milliseconds with a long tail.
    fn delay(&mut self, least: i64, mean: f64, most: i64) -> i64;

    /// From `least` to `most` words.
    fn words(&mut self, least: usize, most: usize) -> String;
}

impl Habits for Random {
    fn delay(&mut self, least: i64, mean: f64, most: i64) -> i64 {
        (least + (-(1.0 - self.fraction()).ln() * mean) as i64).min(most)
    }

    fn words(&mut self, least: usize, most: usize) -> String {
        let count = least + self.below(most - least + 1);
        let words: Vec<_> = (0..count).map(|_| *self.pick(WORDS)).collect();
        words.join(" ")
    }
}

const WORDS: &[&str] = &[
    "the",
    "new",
    "report",
    "is",
    "great",
    "but",
    "I",
    "could",
    "not",
    "find",
    "export",
    "button",
    "please",
    "add",
    "dark",
    "mode",
    "love",
    "it",
    "too",
    "slow",
    "when",
    "loading",
    "dashboard",
    "team",
    "invite",
    "billing",
    "works",
    "well",
    "for",
    "us",
    "confusing",
    "menu",
    "after",
    "update",
    "thanks",
    "support",
    "helped",
    "quickly",
    "would",
    "like",
    "more",
    "integrations",
    "with",
    "our",
    "tools",
    "search",
    "never",
    "finds",
    "what",
    "need",
    "nice",
    "and",
    "easy",
    "to",
    "use",
    "price",
    "high",
    "small",
    "companies",
    "calendar",
    "mobile",
    "app",
    "crashes",
    "sometimes",
];
