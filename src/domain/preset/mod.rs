//! Presets: destinations that come with stagepost, as data over the webhook action.
//!
//! A preset is a file under `templates/destination/`: settings, and the definition of a webhook action in the shape in
//! which a user writes one, with `${setting}` where a setting goes. A text that is only `${setting}` becomes the setting's
//! value as it is, table or list included, and is left out where that is not set; inside a longer text a list is written as
//! JSON. To add a preset is to add a file and name it below; no code knows any of them.
//!
//! What is stored of a destination are the settings: whoever changes a preset must see to it that it still takes those that
//! it took before, since a store that holds others is not opened.

mod copy;
mod expand;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use copy::variable;

const FILES: [&str; 4] = [
    include_str!("../../../templates/destination/pendo.toml"),
    include_str!("../../../templates/destination/hello_customer.toml"),
    include_str!("../../../templates/destination/slack.toml"),
    include_str!("../../../templates/destination/teams.toml"),
];

static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let read = |text| toml::from_str(text).expect("presets are built in, and a test reads all of them");
    FILES.into_iter().map(read).collect()
});

/// A destination that comes with stagepost.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its key, which is the `kind` of destinations that use it.
    pub key: String,
    /// What the service behind it is called.
    pub name: String,
    /// What it does, in a sentence or two.
    pub description: String,
    /// The condition, in FQL and with `${setting}` in it, that holds beside a destination's own trigger.
    #[serde(default)]
    only: Option<String>,
    /// What is filled in, in the order in which it is told of.
    #[serde(rename = "setting")]
    pub settings: Vec<Setting>,
    /// The definition of a webhook action, with `${setting}` in it.
    #[serde(rename = "destination")]
    definition: Map<String, Value>,
}

/// One thing that is filled in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its key in the definition.
    pub key: String,
    /// What it is, in a sentence.
    pub help: String,
    /// What is written there.
    #[serde(default, rename = "type")]
    pub form: Form,
    /// Whether there is no destination without it.
    #[serde(default)]
    pub required: bool,
    /// Whether it is never shown.
    #[serde(default)]
    pub secret: bool,
    /// What it is where nothing is written; may name settings above it.
    #[serde(default)]
    pub default: Option<Value>,
    /// The words that it may be, each with what comes in its place; of a list, the words that it may hold. Empty for any.
    #[serde(default)]
    pub choices: IndexMap<String, String>,
    /// The lengths that it may have, in characters. Empty for any.
    #[serde(default)]
    pub lengths: Vec<usize>,
}

/// What is written for a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Any text that a header could hold.
    #[default]
    Text,
    /// A text of letters, digits, `-` and `_`, which can stand in an address.
    Word,
    /// An http or https URL; a slash at its end makes no difference.
    Url,
    /// A whole http or https URL, query included.
    Webhook,
    /// A list of texts.
    List,
    /// Names and their values; a value may hold directives.
    Table,
}

impl Preset {
    /// The names by which Segment's `integrations` object knows the service.
    pub fn integrations(&self) -> impl Iterator<Item = &str> {
        let names = self.definition.get("integration_names").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str)
    }
}

impl Form {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Word => "word",
            Self::Url => "url",
            Self::Webhook => "webhook",
            Self::List => "list",
            Self::Table => "table",
        }
    }
}

impl Preset {
    /// Whether the setting with that key is never shown.
    pub fn is_secret(&self, setting: &str) -> bool {
        self.settings.iter().any(|it| it.key == setting && it.secret)
    }
}

/// Every preset, in the order in which they are listed.
pub fn all() -> &'static [Preset] {
    &PRESETS
}

/// The preset with that key.
pub fn find(key: &str) -> Option<&'static Preset> {
    all().iter().find(|preset| preset.key == key)
}
