//! The definitions that an empty store begins with when none are given.

use crate::domain::definition::Definition;
use crate::file::{File, FileProblem};

/// The text of the starter definitions.
pub const STARTER: &str = include_str!("starter.toml");

/// The starter definitions.
///
/// # Errors
/// Never, as a test holds; the text is data like any other file's.
pub fn starter() -> Result<Vec<Definition>, Vec<FileProblem>> {
    let file = File::parse("starter.toml", STARTER, &|_| None);
    if file.problems.is_empty() { Ok(file.definitions) } else { Err(file.problems) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address_policy::AddressPolicy;
    use crate::domain::definition::Kind;
    use crate::file::Bundle;

    #[test]
    fn the_starter_definitions_are_right() {
        let definitions = starter().unwrap();
        let named: Vec<(Kind, &str)> = definitions.iter().map(|d| (d.kind(), d.key())).collect();
        assert_eq!(
            named,
            [
                (Kind::Source, "studio"),
                (Kind::Source, "http"),
                (Kind::Flow, "appointment_confirmation"),
                (Kind::Audience, "order_completed_last_30days"),
            ]
        );
        let file = File::parse("starter.toml", STARTER, &|_| None);
        assert!(file.settings.is_empty());
        assert_eq!(Bundle::new(vec![file]).loose_ends(&AddressPolicy::public_only()), []);
    }
}
