//! `stagepost presets`: the destinations that come with stagepost, and how to make one's own of one.

use std::process::ExitCode;

use super::FAILED;
use super::args::PresetsArguments;
use crate::domain::definition::document::did_you_mean;
use crate::domain::preset::{self, Preset, variable};
use crate::file::write;

pub(super) fn run(arguments: &PresetsArguments) -> ExitCode {
    let Some(key) = &arguments.preset else {
        print!("{}", listed());
        return ExitCode::SUCCESS;
    };
    match preset::find(key) {
        Some(preset) => {
            print!("{}", copied(preset));
            ExitCode::SUCCESS
        }
        None => {
            let hint = did_you_mean(key, preset::all().iter().map(|it| it.key.as_str()));
            eprintln!("there is no preset `{key}`{hint}; `stagepost presets` lists them");
            ExitCode::from(FAILED)
        }
    }
}

/// Every preset with its settings.
pub(super) fn listed() -> String {
    let mut text = String::new();
    for preset in preset::all() {
        text.push_str(&format!("kind = \"{}\"  {}\n  {}\n", preset.key, preset.name, preset.description));
        for setting in &preset.settings {
            let need = if setting.required { "required" } else { "optional" };
            text.push_str(&format!("    {:<15} {need}. {}\n", setting.key, setting.help));
        }
        text.push('\n');
    }
    text.push_str("`stagepost presets NAME` prints one as a webhook_action, to be copied and changed.\n");
    text
}

/// A preset as a destination of one's own, in TOML.
pub(super) fn copied(preset: &Preset) -> String {
    let mut text = format!("# {}: a copy of stagepost's preset, to be changed.\n", preset.name);
    for setting in preset.given() {
        text.push_str(&format!("# {}: {}\n", variable(&preset.key, &setting.key), setting.help));
    }
    text.push('\n');
    text.push_str(&write::definition("destination", &preset.as_action()));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::domain::definition::{Definition, Routing, document};
    use crate::domain::preset::{Form, Setting};
    use crate::file::File;

    #[test]
    fn a_copy_that_is_applied_is_the_preset() {
        for preset in preset::all() {
            let value_of = |setting: &Setting| match setting.form {
                Form::Webhook => "https://hooks.example.com/x?y=z".to_owned(),
                _ => format!("0123456789abcdef0123456789-{:_<9}", setting.key)[..36].to_owned(),
            };
            let settings: Map<String, Value> =
                preset.given().map(|it| (it.key.clone(), Value::from(value_of(it)))).collect();
            let variables: Vec<(String, String)> =
                preset.given().map(|it| (variable(&preset.key, &it.key), value_of(it))).collect();
            let text = copied(preset);
            let file = File::parse("copy.toml", &text, &|name| {
                variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            });
            assert!(file.problems.is_empty(), "{:?}\n{text}", file.problems);
            let [Definition::Destination(copy)] = file.definitions.as_slice() else { panic!("{text}") };
            let made = document::read_preset(&preset.key, &settings).unwrap();
            assert_eq!(copy.kind.as_str(), "webhook_action");
            assert_eq!(copy.kind.action(), made.kind.action(), "{text}");
            assert_eq!(copy.routing.trigger.as_ref(), made.kind.only(), "{text}");
            let routing = Routing { trigger: None, ..copy.routing.clone() };
            assert_eq!((&routing, copy.rate_limit), (&made.routing, made.rate_limit), "{text}");
            assert_eq!((&copy.rate_key, &copy.integration_names), (&made.rate_key, &made.integration_names));
            // Also the order of the body's keys.
            let data = |it: &crate::domain::definition::Destination| {
                it.kind.action().unwrap().data.to_json().to_string()
            };
            assert_eq!(data(copy), data(&made));
        }
    }

    #[test]
    fn a_copy_has_a_place_for_what_may_be_given() {
        let survey = copied(preset::find("hello_customer").unwrap());
        assert!(survey.contains("keyValues = {}\n"), "{survey}");
    }

    #[test]
    fn all_are_listed_with_their_settings() {
        let text = listed();
        for preset in preset::all() {
            assert!(text.contains(&format!("kind = \"{}\"", preset.key)), "{text}");
        }
        assert!(text.contains("api_key"), "{text}");
    }
}
