//! What a destination that is not saved yet would send of a sample. Nothing is sent.

use serde_json::{Map, Value, json};

use super::super::form::Fields;
use super::super::page::in_words;
use super::super::texts::filled;
use super::super::visit::Visit;
use crate::clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::definition::plan::plan;
use crate::domain::definition::{Definition, Problem};
use crate::domain::ids::IdSource;
use crate::engine::{ApplyOptions, EngineError};
use crate::http::api::test_send;

/// The request, or why there is none, as the API shows a test.
///
/// # Errors
/// What would be wrong with the definition if it were saved.
pub(super) async fn of(visit: &Visit, wanted: Definition, fields: &Fields) -> Result<Value, Vec<Problem>> {
    let options = ApplyOptions { dry_run: true, ..ApplyOptions::default() };
    let problem = match visit.engine().apply(vec![wanted.clone()], options).await {
        Ok(_) => None,
        Err(EngineError::Invalid(problems)) => return Err(of_one(problems)),
        Err(error) => Some(in_words(&error.into())),
    };
    let typed = [("type", fields.text("sample_type")), ("event", fields.text("sample_event"))];
    let mut shown = match problem {
        Some(problem) => json!({ "problem": problem }),
        None => mapped(visit, wanted, fields).await?,
    };
    for (name, text) in typed {
        shown[format!("sample_{name}")] = text.into();
    }
    Ok(shown)
}

async fn mapped(visit: &Visit, wanted: Definition, fields: &Fields) -> Result<Value, Vec<Problem>> {
    let Definition::Destination(destination) = with_kept(visit, wanted)? else { return Ok(json!({})) };
    let sample = match sample(fields) {
        Ok(sample) => sample,
        Err(problem) => return Ok(json!({ "problem": problem })),
    };
    let shown = test_send::map_out(&visit.state, &destination, sample).await;
    Ok(shown.unwrap_or_else(|problem| json!({ "problem": in_words(&problem) })))
}

/// The definition as it would be saved, with the secrets that are kept.
fn with_kept(visit: &Visit, wanted: Definition) -> Result<Definition, Vec<Problem>> {
    let (definitions, mut ids) = (visit.engine().definitions(), IdSource::new(clock::entropy()));
    // Where it may send to was looked at by the engine.
    let policy = AddressPolicy::allow_all();
    let mut planned =
        plan(&definitions, vec![wanted.clone()], false, visit.now, &mut ids, &policy).map_err(of_one)?;
    let unchanged = || definitions.get(wanted.kind(), wanted.key());
    Ok(planned.puts.pop().map(|put| put.definition).or_else(unchanged).unwrap_or(wanted))
}

fn of_one(problems: Vec<Problem>) -> Vec<Problem> {
    problems.into_iter().map(Problem::of_one).collect()
}

/// What to map: an event that was written, or else a sample of the type that was chosen.
fn sample(fields: &Fields) -> Result<Map<String, Value>, String> {
    let mut wanted = Map::new();
    if let Some(event) = fields.given("sample_event") {
        let event: Value = serde_json::from_str(event)
            .map_err(|error| filled("definition.no_json", &[("why", &error.to_string())]))?;
        wanted.insert("event".to_owned(), event);
    } else if let Some(name) = fields.given("sample_type") {
        wanted.insert("type".to_owned(), name.into());
    }
    Ok(wanted)
}
