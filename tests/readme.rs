//! What README says is held to the code where that is possible.

use stagepost::config::settings;

const README: &str = include_str!("../README.md");

#[test]
fn the_table_of_settings_is_the_codes() {
    let (_, rest) = README.split_once("<!-- settings").expect("README marks the table of settings");
    let (_, rest) = rest.split_once("-->\n").expect("the mark ends");
    let (table, _) = rest.split_once("<!-- /settings -->").expect("the table ends");
    assert_eq!(table.trim(), settings::markdown().trim(), "copy the right-hand side into README.md");
}

#[test]
fn the_definitions_in_readme_are_right() {
    let blocks: Vec<&str> =
        README.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "README shows definitions");
    let text = blocks.concat();
    let file = stagepost::file::File::parse("README.md", &text, &|name| Some(format!("{name}-for-the-test")));
    assert_eq!(file.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(file.definitions.len(), 4, "a source, a flow, a destination, an audience");
}
