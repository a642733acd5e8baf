//! Tests of the language as a whole; each file of the module tests its own subject.

mod refused;
mod texts;
