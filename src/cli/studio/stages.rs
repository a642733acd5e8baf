//! The file that says which stage is posted where.

use std::fs;
use std::path::Path;

use super::failure::Failure;
use crate::domain::definition::Problem;

/// Stages by place, in the order of the file.
pub(super) fn read(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Refused(format!("{name}: can't be read: {error}")))?;
    parse(&text).map_err(|problems| Failure::problems(&name, problems))
}

pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| vec![Problem::new("", error.to_string())])?;
    let (mut stages, mut problems) = (Vec::new(), Vec::new());
    for (place, stage) in table {
        match stage {
            toml::Value::String(stage) => stages.push((place, stage.trim().to_owned())),
            _ => {
                problems.push(Problem::new(place, "must be a stage, as in \"send_1/timeout\" = \"no_reply\""))
            }
        }
    }
    if problems.is_empty() { Ok(stages) } else { Err(problems) }
}
