use std::borrow::Cow;

use hmac::{Hmac, KeyInit as _, Mac as _};
use landfall_appcues::{AppcuesEvent, Field, convert};
use landfall_core::{Event, Transform};
use sha2::Sha256;

use crate::{FilterConfig, KeyField, List, NotEvents, Sample};

#[derive(Debug)]
pub(crate) struct Filter {
    event_types: List,
    accounts: List,
    sampler: Option<Sampler>,
    not_events: NotEvents,
}

impl Filter {
    pub(crate) fn new(config: &FilterConfig) -> Self {
        Self {
            event_types: config.event_types.clone(),
            accounts: config.accounts.clone(),
            sampler: config.sample.as_ref().map(Sampler::new),
            not_events: config.not_events,
        }
    }

    fn passes(&self, body: &[u8]) -> bool {
        let Ok(event) = AppcuesEvent::parse(body) else {
            return self.not_events == NotEvents::Pass;
        };
        self.event_types.lets_pass(Some(event.event_type()))
            && self.accounts.lets_pass(event.account_id().as_deref())
            && self.sampler.as_ref().is_none_or(|it| it.chooses(&event))
    }
}

impl Transform for Filter {
    fn transform(&self, event: Event) -> Option<Event> {
        self.passes(&event.body).then_some(event)
    }
}

impl List {
    fn lets_pass(&self, name: Option<&str>) -> bool {
        let is_on = |list: &[String]| name.is_some_and(|name| list.iter().any(|on| on == name));
        (self.allow.is_empty() || is_on(&self.allow)) && !is_on(&self.deny)
    }
}

/// Chooses by a keyed hash, so that neither the order of events nor a restart makes a difference.
#[derive(Debug)]
struct Sampler {
    hmac: Hmac<Sha256>,
    rate: u64,
    key_field: KeyField,
}

impl Sampler {
    #[expect(clippy::expect_used, reason = "stated invariant")]
    fn new(sample: &Sample) -> Self {
        Self {
            hmac: Hmac::new_from_slice(sample.seed.as_bytes())
                .expect("HMAC takes keys of any length"),
            rate: sample.rate.max(1),
            key_field: sample.key_field,
        }
    }

    fn chooses(&self, event: &AppcuesEvent<'_>) -> bool {
        let field = match self.key_field {
            KeyField::UserId => Field::UserId,
            KeyField::GroupId => Field::GroupId,
            KeyField::AccountId => Field::AccountId,
            KeyField::EventId => Field::Id,
        };
        let value = event
            .raw(field)
            .and_then(|raw| convert::string(raw).ok().flatten())
            .unwrap_or(Cow::Borrowed(event.id()));
        let digest = self.hmac.clone().chain_update(value.as_bytes()).finalize();
        let leading = digest.into_bytes().into_iter().take(8);
        let number = leading.fold(0, |number, byte| (number << 8) | u64::from(byte));
        number.is_multiple_of(self.rate)
    }
}

#[cfg(test)]
mod tests;
