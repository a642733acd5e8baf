//! stub until the define branch lands
#![allow(missing_docs)]
use super::{Definition, Definitions, Kind, Problem};
use crate::domain::{ids::IdSource, time::Timestamp};
pub struct Put {
    pub definition: Definition,
    pub recompute: bool,
}
#[derive(Default)]
pub struct Plan {
    pub puts: Vec<Put>,
    pub deletes: Vec<(Kind, String)>,
    pub created: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
    pub unchanged: Vec<String>,
}
pub fn plan(
    _e: &Definitions,
    wanted: Vec<Definition>,
    _p: bool,
    _n: Timestamp,
    _i: &mut IdSource,
) -> Result<Plan, Vec<Problem>> {
    Ok(Plan {
        puts: wanted.into_iter().map(|definition| Put { definition, recompute: true }).collect(),
        ..Plan::default()
    })
}
