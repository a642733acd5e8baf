//! Whom a level reaches: resolved when it fires.

use std::collections::HashSet;

use super::Decision;
use super::stall::Stall;
use crate::domain::definition::document::check_email;
use crate::domain::definition::{JourneyField, Recipient};
use crate::domain::limits;

/// What is needed of a recipient.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Mail,
    Phone,
}

/// Whether the rota had somebody for this hour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCall {
    Somebody,
    /// Nobody was on call, so everybody in the table is told, and that it is so.
    Nobody,
}

/// Whom something goes to.
pub(super) struct Recipients {
    /// Each once, in the order in which they are written.
    pub to: Vec<String>,
    pub on_call: OnCall,
    /// Those of them that are the journey's own, and nobody's of the team: the person that it is about reads there.
    pub own: HashSet<String>,
    /// Why there is nobody, where there is nobody.
    pub missing: Option<String>,
}

impl Decision<'_> {
    pub(super) fn recipients(&self, stall: &Stall<'_>, wanted: &[Recipient], address: Address) -> Recipients {
        let mut found =
            Recipients { to: Vec::new(), on_call: OnCall::Somebody, own: HashSet::new(), missing: None };
        let mut own: Vec<String> = Vec::new();
        for recipient in wanted {
            match recipient {
                Recipient::Address(text) => found.to.push(text.clone()),
                Recipient::OnCall(team) => self.people_on_call(team, address, &mut found),
                Recipient::Field(field) => {
                    let address = field_of(stall, field, address);
                    own.extend(address.clone());
                    found.to.extend(address);
                }
            }
        }
        let count = |all: &[String], one: &String| all.iter().filter(|it| *it == one).count();
        found.own = own.iter().filter(|it| count(&own, it) == count(&found.to, it)).cloned().collect();
        let mut known = HashSet::new();
        found.to.retain(|to| known.insert(to.clone()));
        if found.to.is_empty() {
            let wanted: Vec<_> = wanted.iter().cloned().map(String::from).collect();
            found.missing = Some(format!(
                "nobody to reach: at that time none of its recipients ({}) had {}",
                wanted.join(", "),
                match address {
                    Address::Mail => "a mail address",
                    Address::Phone => "a telephone number",
                }
            ));
        }
        found
    }

    /// Those of the team who are on call; everybody in its table where nobody is, so that an alarm is never lost.
    fn people_on_call(&self, team: &str, address: Address, found: &mut Recipients) {
        let Some(team) = self.rules.definitions.teams.get(team) else { return };
        let mut shifts = team.on_call(self.now);
        if shifts.is_empty() {
            found.on_call = OnCall::Nobody;
            shifts = team.on_call.iter().collect();
        }
        found.to.extend(shifts.into_iter().flat_map(|shift| match address {
            Address::Mail => shift.email.iter().cloned(),
            Address::Phone => shift.phone.iter().cloned(),
        }));
    }
}

/// What a journey, or its user, has there; nothing where that is no address.
fn field_of(stall: &Stall<'_>, field: &JourneyField, address: Address) -> Option<String> {
    let text = match field {
        JourneyField::PhoneNumber => stall.journey.phone_number.clone(),
        JourneyField::UserId => stall.journey.user.user_id().map(str::to_owned),
        JourneyField::Trait(name) => match stall.profile.trait_value(name)?.into_owned() {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        },
    }?;
    let text = text.trim();
    let is_one = match address {
        Address::Mail => check_email(text).is_ok(),
        // What Twilio takes as a contact has many forms: +3247…, whatsapp:+3247…, client:ada.
        Address::Phone => !text.is_empty() && text.len() <= limits::MAX_ADDRESS_BYTES,
    };
    is_one.then(|| text.to_owned())
}
