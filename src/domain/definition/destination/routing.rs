//! Which events a destination gets, and what is left out of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::fql::Fql;

/// Which events a destination gets, beside [`super::EventsWanted`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Keys of the sources whose events it gets; `None` for all. What stagepost computes has no source.
    #[serde(default)]
    pub sources: Option<Vec<String>>,
    /// Only what matches is sent, as it is after the filters.
    #[serde(default)]
    pub trigger: Option<Fql>,
    /// Applied one after the other, before the trigger.
    #[serde(default, rename = "filter")]
    pub filters: Vec<Filter>,
    /// Traits of the profile that a call carries beside its own, under `profile.traits`.
    #[serde(default)]
    pub profile_traits: Vec<String>,
}

/// What is done to events that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Which events; `None` for every one.
    #[serde(default)]
    pub when: Option<Fql>,
    /// What is done.
    pub effect: Effect,
}

/// The parts of an event of which a filter can say what stays.
pub const ALLOWED_SECTIONS: [&str; 3] = ["properties", "traits", "context"];

/// What a filter does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The event is not sent.
    DropEvent,
    /// The fields at these paths (`properties.card.number`, `context.ip`) are left out. A name that is looked for in a list
    /// is looked for in each of its entries, a number is an entry's place; `\.` is a dot in a name.
    DropFields(Vec<String>),
    /// Of each of [`ALLOWED_SECTIONS`] that is named (`properties.total`), only the fields at these paths stay.
    AllowFields(Vec<String>),
}

/// The first name of a field's path, and the rest of the path: names with dots between them, a backslash before what belongs
/// to a name.
pub fn cut_path(path: &str) -> (Cow<'_, str>, Option<&str>) {
    let mut is_escaped = false;
    let end = path.find(|character| {
        let ends = character == '.' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    });
    let (name, rest) = end.map_or((path, None), |end| (&path[..end], Some(&path[end + 1..])));
    if !name.contains('\\') {
        return (Cow::Borrowed(name), rest);
    }
    let mut plain = String::with_capacity(name.len());
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    (Cow::Owned(plain), rest)
}
