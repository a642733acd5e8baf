//! Tests of the language as a whole; each file of the module tests its own subject.

mod builder;
mod examples;
mod histories;
mod listed;
mod names;
mod plain;
mod refused;
mod texts;
mod values;
mod windows;
