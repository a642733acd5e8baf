//! What README and docs say is held to the code where that is possible.

use stagepost::config::settings;
use stagepost::domain::query::Query;

const README: &str = include_str!("../README.md");
const AUDIENCES: &str = include_str!("../docs/AUDIENCES.md");

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
    assert_eq!(file.definitions.len(), 5, "a source, a flow, a destination, an audience, a trait");
}

#[test]
fn the_queries_in_the_docs_are_right() {
    let (_, table) =
        AUDIENCES.split_once("| question | query |\n|---|---|\n").expect("the table of questions");
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 8, "{rows:?}");
    for row in rows {
        let query = row.split('`').nth(1).expect("a query in each row");
        if let Err(error) = Query::parse(query) {
            panic!("{error}\n{}", error.caret(query));
        }
    }
}
