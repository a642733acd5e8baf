//! Tests of the language as a whole; each file of the module tests its own subject.

mod examples;
mod incremental;
mod refused;
mod texts;
