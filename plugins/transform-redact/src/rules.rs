//! Which values are redacted, and how: the ready-made rules, and those of the configured paths.

use landfall_appcues::Field;

use crate::path::{self, Key, Step};
use crate::{Action, RedactConfig};

/// What is done with the values at a path.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) steps: Vec<Step>,
    pub(crate) effect: Effect,
    /// Whether the value is looked for in the rest of the body too.
    pub(crate) sought: bool,
    /// Whether whole numbers from 0 to 10 stay: they are scores.
    pub(crate) spares_scores: bool,
}

/// What is done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// It is replaced by a text that says so. That it was there decides the type of an NPS event.
    Blank,
    /// It is replaced by null.
    Drop,
    /// It is replaced by its hash.
    Hash,
    /// It is a URL, of which all behind the path is cut off.
    DropQuery,
    /// The same, and the hash of what was cut off stands in its place.
    HashQuery,
}

impl Effect {
    /// Whether nothing of the value is left.
    pub(crate) fn replaces(self) -> bool {
        match self {
            Self::Blank | Self::Drop | Self::Hash => true,
            Self::DropQuery | Self::HashQuery => false,
        }
    }
}

/// All rules. Of several that are meant for a value the first counts.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// The rules whose first step may be taken anywhere.
    anywhere: Vec<usize>,
    /// What is done with URLs in texts that no rule names.
    pub(crate) urls: Option<Effect>,
}

const USER_ID: &[&str] = &["$..user_id", "$..userId", "$..userID", "$.._userId"];
const GROUP_ID: &[&str] = &["$..group_id", "$..groupId"];
const ACCOUNT_ID: &[&str] = &["$..account_id", "$..accountId"];
const DEVICE_ID: &[&str] = &[
    "$.._deviceId",
    "$.._localId",
    "$.._pushToken",
    "$..deviceId",
    "$..device_id",
    "$..pushToken",
];
/// The first ones lead through objects that must be there: what stands in place of these is redacted as a whole.
const FEEDBACK: &[&str] = &[
    "attributes.feedback",
    "$..feedback",
    "$..nps_feedback",
    "$..npsFeedback",
];
const SURVEY_RESPONSES: &[&str] = &[
    "attributes.interactionData.surveyResponses",
    "$..surveyResponses",
    "$..survey_responses",
];
const FORM_RESPONSES: &[&str] = &[
    "attributes.interaction.response",
    "attributes.interactionData.formResponse",
    "$..response",
    "$..formResponse",
    "$..form_response",
];
/// Where URLs without a host are found too. Whole ones are recognised anywhere.
const URLS: &[&str] = &[
    "$..url",
    "$..uri",
    "$..href",
    "$..link",
    "$..path",
    "$..search",
    "$..referrer",
    "$..referer",
    "$..destination",
];

/// What a form's entry holds beside the answer.
const QUESTION: &[&str] = &["fieldId", "fieldType", "fieldRequired", "label"];

/// What a survey's entry holds beside the answer.
const SURVEY_QUESTION: &[&str] = &["type"];

/// Without these at the top of a body there is no event.
const ENVELOPE: [&str; 3] = ["id", "name", "timestamp"];

impl Rules {
    /// # Errors
    /// Everything that is wrong with the configured paths.
    pub(crate) fn new(config: &RedactConfig) -> Result<Self, Vec<String>> {
        let mut rules = Vec::new();
        for (action, paths) in [
            (config.user_id, USER_ID),
            (config.group_id, GROUP_ID),
            (config.account_id, ACCOUNT_ID),
            (config.device_id, DEVICE_ID),
        ] {
            let ids = ready_made(paths, action, Effect::Drop, None);
            rules.extend(ids.map(|rule| Rule {
                sought: true,
                ..rule
            }));
        }
        let profile = config.profile;
        rules.extend(ready_made(&["identity"], profile, Effect::Drop, None));
        let identity = ["attributes._identity", "$.._identity"];
        rules.extend(ready_made(
            &identity,
            profile,
            Effect::Drop,
            Some(described()),
        ));
        rules.extend(ready_made(FEEDBACK, config.feedback, Effect::Blank, None));
        let answers = ready_made(
            SURVEY_RESPONSES,
            config.feedback,
            Effect::Blank,
            Some(SURVEY_QUESTION.to_vec()),
        );
        rules.extend(answers.map(|rule| Rule {
            spares_scores: true,
            ..rule
        }));
        rules.extend(ready_made(
            FORM_RESPONSES,
            config.form_values,
            Effect::Drop,
            Some(QUESTION.to_vec()),
        ));
        let urls = effect(config.url_query, Effect::DropQuery, Effect::HashQuery);
        rules.extend(
            URLS.iter()
                .filter_map(|path| Some(Rule::new(parsed(path), urls?))),
        );

        let mut problems = Vec::new();
        for (path, action) in &config.paths {
            match configured(path, *action) {
                Ok(rule) => rules.extend(rule),
                Err(problem) => problems.push(format!("paths.{path}: {problem}")),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // A user's id is one also where a score could stand.
        rules.sort_by_key(|rule| (!rule.effect.replaces(), rule.spares_scores, rule.effect));
        let is_anywhere = |rule: &usize| rules[*rule].steps[0].anywhere;
        let anywhere = (0..rules.len()).filter(is_anywhere).collect();
        Ok(Self {
            rules,
            anywhere,
            urls,
        })
    }

    pub(crate) fn rule(&self, index: usize) -> &Rule {
        &self.rules[index]
    }

    /// The rules whose first step may be taken anywhere, by index.
    pub(crate) fn anywhere(&self) -> &[usize] {
        &self.anywhere
    }

    /// The other rules, which begin at the top of a body alone.
    pub(crate) fn beginning_at_top(&self) -> impl Iterator<Item = usize> {
        (0..self.rules.len()).filter(|rule| !self.rules[*rule].steps[0].anywhere)
    }
}

impl Rule {
    fn new(steps: Vec<Step>, effect: Effect) -> Self {
        Self {
            steps,
            effect,
            sought: false,
            spares_scores: false,
        }
    }
}

/// The rules for ready-made `paths`; with `but`, for what is in the objects there but under these keys.
fn ready_made<'a>(
    paths: &'a [&str],
    action: Action,
    drop: Effect,
    but: Option<Vec<&'static str>>,
) -> impl Iterator<Item = Rule> + use<'a> {
    let effect = effect(action, drop, Effect::Hash);
    paths.iter().filter_map(move |path| {
        let mut steps = parsed(path);
        steps.extend(but.clone().map(|names| Step {
            anywhere: false,
            key: Key::IsNot(names),
        }));
        Some(Rule::new(steps, effect?))
    })
}

fn effect(action: Action, drop: Effect, hash: Effect) -> Option<Effect> {
    match action {
        Action::Hash => Some(hash),
        Action::Drop => Some(drop),
        Action::Keep => None,
    }
}

#[expect(clippy::expect_used, reason = "stated invariant")]
fn parsed(path: &str) -> Vec<Step> {
    path::parse(path).expect("ready-made paths are paths")
}

/// The rule for a path of the configuration; `None` if it keeps what is there.
fn configured(path: &str, action: Action) -> Result<Option<Rule>, String> {
    let steps = path::parse(path)?;
    let taken_away = |key: &&str| match *key {
        // A hash of the id is an id.
        "id" if action == Action::Hash => false,
        key => steps.len() == 1 && steps[0].takes(key),
    };
    if let Some(key) = ENVELOPE.iter().find(|key| taken_away(key)) {
        return Err(format!(
            "this is also the {key} of every event, without which it is none; begin with the object that is meant, such as attributes"
        ));
    }
    let effect = effect(action, Effect::Drop, Effect::Hash);
    Ok(effect.map(|effect| Rule::new(steps, effect)))
}

/// The keys of `_identity` that describe application, SDK and device.
fn described() -> Vec<&'static str> {
    let prefix = format!("{}.", Field::Identity.path());
    let fields = Field::ALL.into_iter().map(Field::path);
    fields
        .filter_map(|path| path.strip_prefix(&*prefix))
        .collect()
}
