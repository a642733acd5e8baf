//! Tests of the language as a whole; each file of the module tests its own subject.

mod cases;
mod random;
mod refused;
mod values;
