//! What is wrong with a definition, beside the fields of its form.

use std::collections::BTreeMap;

use super::texts::filled;
use crate::domain::definition::Problem;

/// What is wrong, by the field that it stands beside; what belongs to none is under the empty name. `field` knows the field of a
/// path, and the line of it.
pub(super) fn by_field(
    problems: &[Problem],
    field: impl Fn(&str) -> (String, Option<usize>),
) -> BTreeMap<String, String> {
    let mut faults: BTreeMap<String, String> = BTreeMap::new();
    for problem in problems {
        let (field, line) = field(&problem.field);
        let message = match line {
            Some(line) => filled("definition.line", &[("n", &line.to_string()), ("what", &problem.message)]),
            None => problem.message.clone(),
        };
        let said = faults.entry(field).or_default();
        if !said.is_empty() {
            said.push('\n');
        }
        said.push_str(&message);
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_one_field_stands_together() {
        let field = |path: &str| (path.trim_end_matches("[0]").to_owned(), path.ends_with(']').then_some(1));
        let problems = [Problem::new("terminal[0]", "is odd"), Problem::new("terminal", "is long")];
        assert_eq!(by_field(&problems, field)["terminal"], "Line 1: is odd\nis long");
    }
}
