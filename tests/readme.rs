//! What README and docs say is held to the code where that is possible.

use stagepost::config::settings;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::definition::Definition;
use stagepost::domain::limits::{MAX_NAME_BYTES, MAX_STUDIO_FLOW_BYTES, MAX_STUDIO_STATES};
use stagepost::domain::preset;
use stagepost::domain::query::Query;
use stagepost::file::{Bundle, File};

const README: &str = include_str!("../README.md");
const AUDIENCES: &str = include_str!("../docs/AUDIENCES.md");
const TEAMS: &str = include_str!("../docs/TEAMS.md");
const TWILIO: &str = include_str!("../docs/TWILIO.md");
const DESTINATIONS: &str = include_str!("../docs/DESTINATIONS.md");
const STUDIO: &str = include_str!("../docs/STUDIO.md");

#[test]
fn the_table_of_settings_is_the_codes() {
    let (_, rest) = README.split_once("<!-- settings").expect("README marks the table of settings");
    let (_, rest) = rest.split_once("-->\n").expect("the mark ends");
    let (table, _) = rest.split_once("<!-- /settings -->").expect("the table ends");
    assert_eq!(table.trim(), settings::markdown().trim(), "copy the right-hand side into README.md");
}

/// The definitions that a page shows, all of them together; `variable` answers the environment.
fn definitions_in(name: &str, page: &str, variable: &dyn Fn(&str) -> String) -> File {
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "{name} shows definitions");
    let file = File::parse(name, &blocks.concat(), &|name| Some(variable(name)));
    assert_eq!(file.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    file
}

#[test]
fn the_definitions_in_readme_are_right() {
    let file = definitions_in("README.md", README, &|name| format!("{name}-for-the-test"));
    assert_eq!(file.definitions.len(), 5, "a source, a flow, a destination, an audience, a trait");
}

#[test]
fn the_teams_and_flows_in_the_docs_are_right() {
    let variable = |name: &str| match name {
        "TWILIO_ACCOUNT_SID" => format!("AC{:032x}", 1),
        _ => format!("{name}-for-the-test"),
    };
    let file = definitions_in("docs/TEAMS.md", TEAMS, &variable);
    let [Definition::Team(team), Definition::Flow(flow), Definition::Destination(_)] =
        file.definitions.as_slice()
    else {
        panic!("a team, a flow and Twilio: {:?}", file.definitions)
    };
    assert_eq!((team.on_call.len(), flow.escalation.len()), (2, 2));
    let missing = Bundle::new(vec![file]).loose_ends(&AddressPolicy::public_only());
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_twilio_in_the_docs_is_right() {
    let variable = |name: &str| match name {
        "TWILIO_ACCOUNT_SID" => format!("AC{:032x}", 1),
        _ => format!("{name}-for-the-test"),
    };
    let file = definitions_in("docs/TWILIO.md", TWILIO, &variable);
    let [Definition::Destination(destination)] = file.definitions.as_slice() else {
        panic!("one destination: {:?}", file.definitions)
    };
    assert_eq!((destination.key.as_str(), destination.kind.as_str()), ("twilio", "twilio"));
}

#[test]
fn the_destinations_in_the_docs_are_right() {
    let variable = |name: &str| match name {
        "PENDO_API_KEY" => "0123456789abcdef0123456789abcdef".to_owned(),
        "SLACK_WEBHOOK_URL" | "TEAMS_WEBHOOK_URL" => "https://hooks.example.com/s3cret?sig=x".to_owned(),
        "CRM_SIGNING_NEW" | "CRM_SIGNING_OLD" => "whsec_MDEyMzQ1Njc4OWFiY2RlZg==".to_owned(),
        _ => format!("{name}-for-the-test"),
    };
    let file = definitions_in("docs/DESTINATIONS.md", DESTINATIONS, &variable);
    let kinds: Vec<&str> = file
        .definitions
        .iter()
        .filter_map(|it| match it {
            Definition::Destination(destination) => Some(destination.kind.as_str()),
            Definition::Source(_)
            | Definition::Team(_)
            | Definition::Flow(_)
            | Definition::Audience(_)
            | Definition::Trait(_) => None,
        })
        .collect();
    assert_eq!(kinds, ["webhook", "webhook_action", "webhook", "pendo", "hello_customer", "slack", "teams"]);
    assert!(Bundle::new(vec![file]).loose_ends(&AddressPolicy::public_only()).is_empty());
}

#[test]
fn the_flow_in_the_docs_for_authors_is_right() {
    let file = definitions_in("docs/STUDIO.md", STUDIO, &|name| format!("{name}-for-the-test"));
    let [Definition::Flow(flow), Definition::Flow(own)] = file.definitions.as_slice() else {
        panic!("{:?}", file.definitions)
    };
    assert_eq!((flow.escalation.len(), own.escalation.len()), (3, 2));
    assert!(STUDIO.contains(&format!("{MAX_STUDIO_STATES} (Studio's)")));
    assert!(STUDIO.contains(&format!("| {MAX_NAME_BYTES} bytes |")));
    assert!(STUDIO.contains(&format!("| {} MiB |", MAX_STUDIO_FLOW_BYTES / 1024 / 1024)));
}

#[test]
fn every_preset_is_in_the_docs() {
    for preset in preset::all() {
        assert!(DESTINATIONS.contains(&format!("kind = \"{}\"", preset.key)));
        for setting in preset.settings.iter().filter(|it| it.required) {
            assert!(DESTINATIONS.contains(&setting.key), "{}", setting.key);
        }
    }
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
