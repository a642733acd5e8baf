//! A preset as a webhook action of one's own, to be copied and changed.

use serde_json::{Map, Value};

use super::{Preset, Setting};

impl Preset {
    /// The definition of a webhook action that does what the preset does, with its defaults, and with the environment's
    /// variables (`${PENDO_API_KEY}`) in place of the settings that everybody has to give.
    pub fn as_action(&self) -> Map<String, Value> {
        let given = self.given().map(|setting| {
            (setting.key.clone(), Value::from(format!("${{{}}}", variable(&self.key, &setting.key))))
        });
        let given = given.collect();
        let mut definition = Map::new();
        definition.insert("key".into(), self.key.as_str().into());
        definition.insert("kind".into(), "webhook_action".into());
        definition.extend(self.condition(&given).map(|condition| ("trigger".into(), condition.into())));
        definition.extend(self.expand(&given));
        definition
    }

    /// The settings that everybody has to give.
    pub fn given(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter().filter(|setting| setting.required && setting.default.is_none())
    }
}

/// The variable that stands for a setting in a copied definition: `PENDO_API_KEY`.
pub fn variable(preset: &str, setting: &str) -> String {
    format!("{preset}_{setting}").to_ascii_uppercase()
}
