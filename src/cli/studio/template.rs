//! `stagepost studio template`: a whole flow with its posts.

use serde_json::Value;

use super::arguments::TemplateArguments;
use super::failure::Failure;
use super::{address, put_out, tell};
use crate::domain::studio_flow::{PostAddress, Settings, StudioFlow, instrument};

/// The flow's name, that of the starter definitions.
pub(super) const NAME: &str = "appointment_confirmation";

const TEXT: &str = include_str!("../../../templates/studio/appointment_confirmation.json");
/// Who was reminded in vain has not replied, whatever became of the reminder.
const STAGES: [(&str, &str); 1] = [("remind/deliveryFailure", "no_reply")];

pub(super) fn run(arguments: &TemplateArguments) -> Result<(), Failure> {
    let address = address(&arguments.post)?;
    let flow = made(address, &arguments.flow, arguments.from.as_deref())?;
    put_out(&flow, arguments.output.as_deref())?;
    tell("In Studio: create a flow, choose \"Import from JSON\", paste this. docs/STUDIO.md has the rest.\n");
    Ok(())
}

/// The flow, which sends from `from` or else from where a run is started.
pub(super) fn made(address: PostAddress, name: &str, from: Option<&str>) -> Result<StudioFlow, Failure> {
    let mut document: Value = serde_json::from_str(TEXT).expect("the template is JSON, a test reads it");
    if let Some(from) = from {
        for state in document["states"].as_array_mut().into_iter().flatten() {
            if let Some(sender) = state["properties"].get_mut("from") {
                *sender = Value::from(from);
            }
        }
    }
    let wrong = |problems| Failure::problems("template", problems);
    let flow = StudioFlow::from_value(document).map_err(wrong)?;
    let stages = STAGES.map(|(place, stage)| (place.to_owned(), stage.to_owned())).to_vec();
    let settings = Settings { stages, ..Settings::new(address, name) };
    Ok(instrument(&flow, &settings).map_err(wrong)?.flow)
}
