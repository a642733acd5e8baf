//! Teams: when they work and who is on call. They are changed by a definitions file or the API.

use serde_json::json;

use super::super::page::Answer;
use super::super::visit::Visit;
use super::words;

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
