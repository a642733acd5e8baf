//! The list of teams: when they work, who is on call, and the flows that go by their hours.

use serde_json::json;

use super::super::flows::words;
use super::super::page::Answer;
use super::super::visit::Visit;

pub(super) async fn list(visit: Visit) -> Answer {
    let definitions = visit.engine().definitions();
    let teams: Vec<_> = definitions
        .teams
        .values()
        .map(|team| {
            let flows = definitions.flows.values().filter(|flow| flow.team.as_ref() == Some(&team.key));
            let mut shown = words::team(team, visit.now);
            shown["flows"] = flows.map(|flow| flow.name.as_str()).collect();
            shown
        })
        .collect();
    Ok(visit.page("teams.html", json!({ "teams": teams })))
}
