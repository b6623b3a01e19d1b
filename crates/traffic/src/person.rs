use serde_json::{Value, json};

use crate::content::{BUTTONS, CHECKLISTS, COMMENTS, Checklist, Flow, MOBILE_FLOWS, WEB_FLOWS};
use crate::{DAY_MS, Random, Request};

const HOUR_MS: i64 = 3_600_000;

/// Somebody who uses the application.
pub(crate) struct Person {
    random: Random,
    user_id: String,
    group_id: Option<String>,
    is_mobile: bool,
    /// On how many of 100 weekdays they come.
    diligence: usize,
    /// What they would answer on average, 0 to 10.
    mood: i64,
    /// The score that they gave last, and when.
    scored: Option<(i64, i64)>,
    /// How many items of each checklist they have done; all of them too once they have dismissed it.
    done: [usize; CHECKLISTS.len()],
}

/// Where a person is in time, and which session it is.
struct Session {
    now: i64,
    id: Value,
    /// How long the device holds back what happens.
    held_ms: i64,
}

impl Person {
    pub(crate) fn new(mut random: Random, number: u32) -> Self {
        let is_anonymous = random.percent(25);
        let user_id = if is_anonymous {
            format!("anon:{}", random.uuid())
        } else {
            format!("user-{}", 1000 + number)
        };
        let group_id = (!is_anonymous).then(|| format!("company-{}", 1 + random.skewed(12)));
        Self {
            user_id,
            group_id,
            is_mobile: random.percent(30),
            diligence: 10 + random.below(70),
            mood: 10 - random.skewed(9) as i64,
            scored: None,
            done: [0; CHECKLISTS.len()],
            random,
        }
    }

    /// What they do on the day that begins at `midnight`.
    pub(crate) fn live_through(&mut self, midnight: i64, requests: &mut Vec<Request>) {
        // 1970 began on a Thursday.
        let is_weekend = matches!((midnight / DAY_MS + 3) % 7, 5 | 6);
        let chance = if is_weekend {
            self.diligence / 5
        } else {
            self.diligence
        };
        if !self.random.percent(chance) {
            return;
        }
        let now = midnight + self.random.between(7 * HOUR_MS, 20 * HOUR_MS);
        let held_ms = if self.is_mobile && self.random.percent(10) {
            self.random.between(HOUR_MS, 48 * HOUR_MS)
        } else {
            0
        };
        let id = if self.is_mobile {
            json!(self.random.uuid())
        } else {
            json!(now)
        };
        let session = &mut Session { now, id, held_ms };
        self.send(session, "session_started", json!({}), requests);
        for _ in 0..=self.random.below(3) {
            session.now += self.random.between(5_000, 900_000);
            match self.random.below(100) {
                0..50 if self.is_mobile => self.see_mobile_flow(session, requests),
                0..50 => self.see_web_flow(session, requests),
                50..75 => self.see_checklist(session, requests),
                75..88 => self.see_survey(session, requests),
                88..94 => self.see_banner(session, requests),
                _ => self.use_pin(session, requests),
            }
        }
    }

    fn see_web_flow(&mut self, session: &mut Session, requests: &mut Vec<Request>) {
        let flow = self.random.pick(WEB_FLOWS);
        let about = json!({
            "flowId": flow.id, "flowName": flow.name, "flowType": "journey", "flowVersion": flow.version,
        });
        self.send(session, "flow_started", about.clone(), requests);
        if self.random.percent(2) {
            let error = with(
                &about,
                json!({"message": "Selector not found", "errorId": self.random.uuid()}),
            );
            return self.send(session, "flow_error", error, requests);
        }
        for step in 0..flow.steps {
            session.now += self.random.between(900, 60_000);
            let about_step = with(
                &about,
                json!({"stepId": format!("{}-{step}", flow.id), "stepNumber": step}),
            );
            if !self.random.percent(flow.go_on) {
                return self.send(session, "flow_skipped", about_step, requests);
            }
            let about_step = with(
                &about_step,
                json!({
                    "stepType": "modal", "stepChildId": format!("{}-{step}-0", flow.id), "stepChildNumber": 0,
                }),
            );
            if let Some(response) = self.fill_in(flow, step) {
                let form = json!({"category": "form", "formId": null, "response": response});
                let submitted = json!({"interactionType": "submit", "interaction": form});
                self.send(
                    session,
                    "form_submitted",
                    with(&about_step, submitted),
                    requests,
                );
                session.now += 14;
            }
            let (text, category, destination) = if step + 1 == flow.steps {
                ("Done", "internal", "end-flow")
            } else {
                *self.random.pick(BUTTONS)
            };
            let clicked = json!({
                "interactionType": "click",
                "interaction": {"category": category, "destination": destination, "text": text},
            });
            self.send(
                session,
                "step_interacted",
                with(&about_step, clicked),
                requests,
            );
        }
        session.now += 40;
        self.send(session, "flow_completed", about, requests);
    }

    fn see_mobile_flow(&mut self, session: &mut Session, requests: &mut Vec<Request>) {
        let flow = self.random.pick(MOBILE_FLOWS);
        let about = json!({
            "experienceId": flow.id, "experienceName": flow.name, "experienceType": "mobile",
            "experienceInstanceId": self.random.uuid(), "version": flow.version,
        });
        let trigger = json!({"trigger": "qualification"});
        self.send(
            session,
            "v2:experience_started",
            with(&about, trigger),
            requests,
        );
        for step in 0..flow.steps {
            let about_step = with(
                &about,
                json!({
                    "stepId": format!("{}-{step}", flow.id), "stepIndex": format!("{step},0"), "stepType": "modal",
                }),
            );
            self.send(session, "v2:step_seen", about_step.clone(), requests);
            session.now += self.random.between(900, 60_000);
            if !self.random.percent(flow.go_on) {
                return self.send(session, "v2:experience_dismissed", about_step, requests);
            }
            if let Some(response) = self.fill_in(flow, step) {
                let submitted = json!({"interactionType": "Form Submitted", "interactionData": {"formResponse": response}});
                self.send(
                    session,
                    "v2:step_interaction",
                    with(&about_step, submitted),
                    requests,
                );
            }
            let tapped = json!({
                "interactionType": "Button Tapped",
                "interactionData": {"category": "internal", "destination": "+1", "text": "Next"},
            });
            self.send(
                session,
                "v2:step_interaction",
                with(&about_step, tapped),
                requests,
            );
            self.send(session, "v2:step_completed", about_step, requests);
        }
        self.send(session, "v2:experience_completed", about, requests);
    }

    /// The answers of the form that this step of the flow has, if it has one.
    fn fill_in(&mut self, flow: &Flow, step: usize) -> Option<Value> {
        let (_, questions) = flow.form.filter(|(at, _)| *at == step)?;
        let answer = |question: &crate::content::Question| {
            json!({
                "fieldId": question.id, "fieldType": "null", "fieldRequired": false, "label": question.label,
                "value": self.random.pick(question.answers),
            })
        };
        Some(questions.iter().map(answer).collect())
    }

    fn see_checklist(&mut self, session: &mut Session, requests: &mut Vec<Request>) {
        let number = self.random.below(CHECKLISTS.len());
        let Checklist { id, name, items } = &CHECKLISTS[number];
        let about = json!({"checklistId": id, "checklistName": name});
        let first = self.done[number];
        if first == items.len() {
            return;
        }
        self.send(session, "checklist_shown", about.clone(), requests);
        for (index, (item, label)) in items.iter().enumerate().skip(first) {
            session.now += self.random.between(5_000, 300_000);
            if !self.random.percent(65) {
                break;
            }
            let item = json!({"itemId": item, "itemLabel": label, "itemIndex": index});
            self.send(
                session,
                "checklist_item_completed",
                with(&about, item),
                requests,
            );
            self.done[number] = index + 1;
        }
        if self.done[number] == items.len() {
            session.now -= 1;
            self.send(session, "checklist_completed", about, requests);
        } else if self.random.percent(30) {
            self.send(session, "checklist_skipped", about, requests);
            self.done[number] = items.len();
        }
    }

    /// A survey in one of its three shapes, unless they were asked less than three days ago.
    fn see_survey(&mut self, session: &mut Session, requests: &mut Vec<Request>) {
        if self
            .scored
            .is_some_and(|(_, at)| session.now - at < 3 * DAY_MS)
        {
            return;
        }
        let score = (self.mood + self.random.between(-2, 3)).clamp(0, 10);
        let liking = match score {
            9.. => 0,
            7..9 => 1,
            _ => 2,
        };
        let comment = self
            .random
            .percent(60)
            .then(|| *self.random.pick(COMMENTS[liking]));
        session.now += self.random.between(2_000, 20_000);
        if self.is_mobile {
            let value = if self.random.percent(50) {
                json!(score)
            } else {
                json!(score.to_string())
            };
            let mut responses = vec![json!({"type": "nps_score", "value": value})];
            responses
                .extend(comment.map(|comment| json!({"type": "nps_feedback", "value": comment})));
            let response = json!({
                "experienceId": "mobile-nps", "experienceName": "Mobile NPS", "experienceType": "nps",
                "experienceInstanceId": self.random.uuid(), "interactionType": "Survey Submitted",
                "interactionData": {"surveyResponses": responses},
            });
            self.send(session, "v2:step_interaction", response, requests);
        } else {
            let about = json!({
                "flowId": "nps", "flowName": "NPS survey", "flowType": "satisfaction-survey", "flowVersion": 1_759_312_800_009_i64,
                "localeId": "default", "localeName": "default",
            });
            let (before, before_at) = self.scored.unzip();
            let given = json!({"score": score, "_prev_nps_score": before, "_prev_nps_score_time": before_at});
            match comment {
                Some(comment) if self.random.percent(40) => {
                    let both = with(&with(&about, given), json!({"feedback": comment}));
                    self.send(session, "nps_score_and_feedback", both, requests);
                }
                comment => {
                    let id = self.random.uuid();
                    self.send_as(&id, session, "nps_score", with(&about, given), requests);
                    if let Some(comment) = comment {
                        let feedback = with(&about, json!({"feedback": comment}));
                        // The pair of Appcues' page shares id and time; a slow writer's comment is an event of its own.
                        if self.random.percent(50) {
                            self.send_as(&id, session, "nps_score", feedback, requests);
                        } else {
                            session.now += self.random.between(5_000, 120_000);
                            self.send(session, "nps_feedback", feedback, requests);
                        }
                    }
                }
            }
        }
        self.scored = Some((score, session.now));
    }

    fn see_banner(&mut self, session: &mut Session, requests: &mut Vec<Request>) {
        let about = json!({
            "experienceId": "maintenance", "experienceName": "Maintenance", "experienceType": "banner",
            "experienceInstanceId": self.random.uuid(),
        });
        self.send(session, "v2:experience_started", about.clone(), requests);
        if self.random.percent(50) {
            session.now += self.random.between(1_000, 30_000);
            self.send(session, "v2:experience_dismissed", about, requests);
        }
    }

    fn use_pin(&mut self, session: &mut Session, requests: &mut Vec<Request>) {
        let attributes = json!({
            "experienceId": "filter-pin", "experienceName": "Filter pin", "experienceType": "persistent",
            "interactionType": "Button Pin Clicked", "stepId": "filter-pin-0", "stepName": "Pin 1", "stepType": "button",
        });
        self.send(session, "v2:step_interaction", attributes, requests);
    }

    fn send(
        &mut self,
        session: &Session,
        name: &str,
        attributes: Value,
        requests: &mut Vec<Request>,
    ) {
        let id = self.random.uuid();
        self.send_as(&id, session, name, attributes, requests);
    }

    fn send_as(
        &mut self,
        id: &str,
        session: &Session,
        name: &str,
        mut attributes: Value,
        requests: &mut Vec<Request>,
    ) {
        let ingested_at = session.now + session.held_ms + self.random.between(90, 2_000);
        let sent_at = ingested_at + self.random.between(40, 1_500);
        let mut event = json!({
            "account_id": "20250", "group_id": self.group_id, "id": id, "ingested_at": ingested_at,
            "name": format!("appcues:{name}"), "timestamp": session.now, "user_id": self.user_id,
        });
        if self.is_mobile {
            attributes["_identity"] = json!({
                "_sessionId": session.id, "_operatingSystem": "ios", "_osVersion": "18.1", "_appId": "mobile-app",
                "_appVersion": "4.2.0", "_sdkVersion": "4.3.1", "_deviceType": "phone",
            });
        } else {
            attributes["sessionId"] = session.id.clone();
            event["context"] = json!({"url": "https://app.example.com/reports"});
        }
        event["attributes"] = attributes;
        let body = event.to_string();
        if self.random.percent(2) {
            let again = sent_at + self.random.between(1_000, 60_000);
            requests.push(Request {
                sent_at: again,
                body: body.clone(),
            });
        }
        requests.push(Request { sent_at, body });
    }
}

/// `base` with further members.
fn with(base: &Value, more: Value) -> Value {
    let mut all = base.clone();
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}
