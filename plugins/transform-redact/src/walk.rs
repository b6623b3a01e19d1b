//! One walk over a JSON text, which finds what the rules match, and all other texts in it.

use std::ops::Range;

use crate::json::{content, leaf, skip_space};
use crate::rules::{Effect, Rules};

/// What a walk has found, in the order of the text.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Lists and objects that are replaced as a whole, each with the index of its rule.
    pub(crate) wholes: Vec<(Range<usize>, usize)>,
    /// Everything else that may have to be changed.
    pub(crate) leaves: Vec<Leaf>,
    /// The ids that are looked for in the leaves, with what is done with them.
    pub(crate) sought: Vec<(Range<usize>, Effect)>,
}

/// A key, or a value that is neither a list nor an object.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) span: Range<usize>,
    pub(crate) role: Role,
    /// How far paths have been followed, where it may be a string that holds JSON.
    pub(crate) places: Vec<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Key,
    /// A rule is meant for it, by index.
    Meant(usize),
    /// A rule is meant for something in the object that should stand here.
    InPlaceOf(usize),
    /// No rule is meant for it, and it says what kind of event this is.
    Kind,
    /// No rule is meant for it.
    Free,
    /// It is in something that is replaced as a whole. Ids in it are looked for elsewhere all the same.
    Replaced,
}

/// How far a path has been followed: the next step of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    rule: usize,
    step: usize,
    /// Whether the path leads to this very value, and not only past it.
    here: bool,
}

/// Where a body begins.
pub(crate) fn top(rules: &Rules) -> Vec<Place> {
    let place = |rule| Place {
        rule,
        step: 0,
        here: false,
    };
    rules.beginning_at_top().map(place).collect()
}

/// Values of these keys are Appcues' own words, and decide on the type of an event.
const KINDS: [&str; 3] = ["experienceType", "interactionType", "type"];

/// At the top of a body, what makes it an event and whose it is: nothing is looked for in these.
const FIXED: [&str; 3] = ["name", "timestamp", "account_id"];

/// Walks over `text`, where `places` lead on. `None` if it is no JSON after all.
pub(crate) fn walk(text: &str, rules: &Rules, places: &[Place], is_body: bool) -> Option<Found> {
    let mut walk = Walk {
        text,
        at: skip_space(text, 0),
        rules,
        places: places.to_vec(),
        frames: Vec::new(),
        found: Found::default(),
        is_body,
    };
    walk.value(Context::default(), Some(Role::Free))?;
    while let Some(frame) = walk.frames.last().copied() {
        walk.at = skip_space(text, walk.at);
        match text.as_bytes().get(walk.at)? {
            b'}' | b']' => walk.leave(&frame),
            b',' => walk.at += 1,
            b'"' if frame.is_object => walk.member(frame.context)?,
            _ if frame.is_object => return None,
            _ => walk.value(frame.context, Some(Role::Free))?,
        }
    }
    (skip_space(text, walk.at) == text.len()).then_some(walk.found)
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    rules: &'a Rules,
    /// How far paths have been followed: those of an open list or object after those of what is around it. The rules that
    /// begin anywhere are not among them, since they do at every object.
    places: Vec<Place>,
    /// The open lists and objects. A stack of its own, since a body may be as deep as it is long.
    frames: Vec<Frame>,
    found: Found,
    is_body: bool,
}

#[derive(Clone, Copy)]
struct Frame {
    is_object: bool,
    context: Context,
    /// Where it begins, if it is replaced as a whole.
    replaced_from: Option<usize>,
    /// How many places there are once it is left.
    places_before: usize,
}

/// What holds for a value because of where it stands.
#[derive(Clone, Copy, Default)]
struct Context {
    /// Where its places begin; they are the last ones.
    places: usize,
    /// The rule that is meant for it.
    rule: Option<usize>,
    /// What is done with it, if it is an id that is looked for in the rest too.
    sought: Option<Effect>,
    /// Whether it is in something that is replaced as a whole.
    is_replaced: bool,
}

impl Walk<'_> {
    /// A key with its value, or with the beginning of one that is a list or an object.
    fn member(&mut self, parent: Context) -> Option<()> {
        let span = leaf(self.text, self.at)?;
        // Behind the colon.
        self.at = skip_space(self.text, span.end) + 1;
        self.at = skip_space(self.text, self.at);
        let text = self.text;
        let key = content(&text[span.clone()]);
        if !parent.is_replaced {
            self.found.leaves.push(Leaf {
                span,
                role: Role::Key,
                places: Vec::new(),
            });
        }
        let places_before = self.places.len();
        let context = self.follow(parent, &key);
        let is_top = self.is_body && self.frames.len() == 1;
        let role = match &*key {
            key if is_top && FIXED.contains(&key) => None,
            key if KINDS.contains(&key) => Some(Role::Kind),
            _ => Some(Role::Free),
        };
        let frames = self.frames.len();
        self.value(context, role)?;
        match self.frames.get_mut(frames) {
            Some(frame) => frame.places_before = places_before,
            None => self.places.truncate(places_before),
        }
        Some(())
    }

    /// From an object to the value of `key` in it.
    fn follow(&mut self, parent: Context, key: &str) -> Context {
        let rules = self.rules;
        let mut context = Context {
            places: self.places.len(),
            // What is in the place of a URL may hold URLs.
            rule: parent.rule,
            sought: parent.sought.filter(|_| parent.is_replaced),
            is_replaced: parent.is_replaced,
        };
        for rule in rules.anywhere() {
            self.step(&mut context, *rule, 0, key);
        }
        for index in parent.places..context.places {
            let Place { rule, step, .. } = self.places[index];
            if rules.rule(rule).steps[step].anywhere {
                self.add(context, rule, step, false);
            }
            self.step(&mut context, rule, step, key);
        }
        context
    }

    /// Takes a step of a rule, if it leads to `key`.
    fn step(&mut self, context: &mut Context, index: usize, step: usize, key: &str) {
        let rule = self.rules.rule(index);
        if !rule.steps[step].takes(key) {
            return;
        }
        if step + 1 < rule.steps.len() {
            self.add(*context, index, step + 1, true);
            return;
        }
        context.rule = Some(context.rule.map_or(index, |first| first.min(index)));
        if rule.sought {
            context.sought = Some(rule.effect);
        }
    }

    fn add(&mut self, context: Context, rule: usize, step: usize, here: bool) {
        let of_value = &mut self.places[context.places..];
        // Else their number could grow with the depth.
        match of_value
            .iter_mut()
            .find(|place| (place.rule, place.step) == (rule, step))
        {
            Some(place) => place.here |= here,
            None => self.places.push(Place { rule, step, here }),
        }
    }

    /// A value that is neither list nor object, or the beginning of one; without a role it is left alone.
    fn value(&mut self, context: Context, role: Option<Role>) -> Option<()> {
        let is_object = match self.text.as_bytes().get(self.at)? {
            b'{' => true,
            b'[' => false,
            _ => return self.leaf(context, role),
        };
        let effect = context.rule.map(|rule| self.rules.rule(rule).effect);
        // Of a list each element is hashed, so that ids can be counted there too.
        let is_whole = !context.is_replaced
            && effect
                .is_some_and(|effect| effect.replaces() && (is_object || effect != Effect::Hash));
        self.frames.push(Frame {
            is_object,
            context: Context {
                is_replaced: context.is_replaced || is_whole,
                ..context
            },
            replaced_from: is_whole.then_some(self.at),
            places_before: self.places.len(),
        });
        self.at += 1;
        Some(())
    }

    fn leave(&mut self, frame: &Frame) {
        self.at += 1;
        self.frames.pop();
        self.places.truncate(frame.places_before);
        if let (Some(start), Some(rule)) = (frame.replaced_from, frame.context.rule) {
            self.found.wholes.push((start..self.at, rule));
        }
    }

    fn leaf(&mut self, context: Context, role: Option<Role>) -> Option<()> {
        let span = leaf(self.text, self.at)?;
        self.at = span.end;
        let raw = &self.text[span.clone()];
        if raw == "null" {
            return Some(());
        }
        if let Some(effect) = context.sought {
            self.found.sought.push((span.clone(), effect));
        }
        let places = &self.places[context.places..];
        let beyond = places.iter().filter(|place| place.here);
        let role = match (context.rule, beyond.map(|place| place.rule).min()) {
            _ if context.is_replaced => Some(Role::Replaced),
            (Some(rule), _) => Some(Role::Meant(rule)),
            (None, Some(rule)) => Some(Role::InPlaceOf(rule)),
            (None, None) => role,
        };
        let may_hold_json =
            raw.starts_with('"') && raw[1..].trim_start().starts_with(['{', '[', '\\']);
        let places = if may_hold_json {
            places.to_vec()
        } else {
            Vec::new()
        };
        self.found
            .leaves
            .extend(role.map(|role| Leaf { span, role, places }));
        Some(())
    }
}
