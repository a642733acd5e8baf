//! `/api/presets`: the destinations that come with stagepost, their settings, and each as a webhook action to be copied.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::Answer;
use super::endpoint::Endpoint;
use super::params::NoParams;
use crate::domain::preset::{self, Preset, Setting};
use crate::http::problem::ApiProblem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/presets").get(list), Endpoint::at("/api/presets/{key}").get(get)]
}

async fn list(_: NoParams) -> Answer {
    let presets: Vec<Value> = preset::all().iter().map(|preset| render(preset).into()).collect();
    Ok(HttpResponse::Ok().json(json!({ "presets": presets })))
}

async fn get(key: web::Path<String>, _: NoParams) -> Answer {
    let preset = preset::find(&key).ok_or_else(|| ApiProblem::not_found("preset", &key))?;
    let mut shown = render(preset);
    shown.insert("definition".to_owned(), preset.as_action().into());
    Ok(HttpResponse::Ok().json(shown))
}

fn render(preset: &Preset) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("key".to_owned(), preset.key.as_str().into());
    shown.insert("name".to_owned(), preset.name.as_str().into());
    shown.insert("description".to_owned(), preset.description.as_str().into());
    shown.insert("integrations".to_owned(), preset.integrations().collect());
    shown.insert("settings".to_owned(), preset.settings.iter().map(setting).collect());
    shown
}

fn setting(setting: &Setting) -> Value {
    let choices: Vec<&str> = setting.choices.keys().map(String::as_str).collect();
    json!({
        "key": setting.key,
        "help": setting.help,
        "type": setting.form.as_str(),
        "required": setting.required,
        "secret": setting.secret,
        "default": setting.default,
        "choices": choices,
    })
}
