//! Who works with the console and the API, and what each of them may do.

mod scope;

pub use scope::{Role, Scope};
