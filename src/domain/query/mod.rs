//! placeholder, replaced by the query branch
#![allow(missing_docs)]
use crate::domain::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query(String);
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeafSpec {
    pub event: String,
    pub window: Option<Span>,
    pub keep: u32,
}
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeafState(Vec<i64>);
#[derive(Debug, Clone, PartialEq)]
pub struct QueryError {
    pub message: String,
}
impl std::fmt::Display for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
impl Query {
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Ok(Self(text.to_owned()))
    }
    pub fn leaves(&self) -> Vec<LeafSpec> {
        Vec::new()
    }
}
impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl LeafState {
    pub fn add(&mut self, _s: &LeafSpec, at: Timestamp, _n: Timestamp) {
        self.0.push(at.millis())
    }
}
