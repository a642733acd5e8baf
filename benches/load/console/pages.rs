//! The pages that are asked for: all of the console's, with filters that find much, little and nothing.

use super::super::management::Management;
use super::definitions::LADDER;
use super::fill::{BUSY, user};

/// A page: what it is, and where.
pub struct Page {
    pub name: &'static str,
    pub path: String,
}

/// The text at a place of an answer.
async fn found(management: &mut Management, path: &str, list: &str, field: &str) -> String {
    let answer = management.get(path).await;
    answer[list][0][field].as_str().unwrap_or_default().to_owned()
}

/// All of them.
pub async fn all(management: &mut Management, users: u64) -> Vec<Page> {
    let stalled = found(management, "/api/journeys?status=stalled&limit=1", "journeys", "id").await;
    let event = found(management, "/api/events?limit=1", "events", "eventId").await;
    let delivery = found(management, "/api/deliveries?limit=1", "deliveries", "id").await;
    let person = found(management, "/api/people", "people", "id").await;
    let (first, last, busy) = (user(10), user(users - 1), user(BUSY));
    let pages = [
        ("bare: /healthz", "/healthz".to_owned()),
        ("bare: my account", "/console/me".to_owned()),
        ("overview", "/console".to_owned()),
        ("live", "/console/live".to_owned()),
        ("live, an event's name", "/console/live?event=Order+Completed".to_owned()),
        ("live, a user of long ago", format!("/console/live?user={first}")),
        ("live, nothing is like it", "/console/live?event=Never".to_owned()),
        ("one event", format!("/console/live/{event}")),
        ("inbox", "/console/inbox".to_owned()),
        ("inbox, snoozed (none)", "/console/inbox?tab=snoozed".to_owned()),
        ("journeys", "/console/journeys".to_owned()),
        ("journeys of a flow", "/console/journeys?flow=flow_003".to_owned()),
        ("journeys in a stage", "/console/journeys?stage=cancelled".to_owned()),
        ("journeys, stalled", "/console/journeys?status=stalled".to_owned()),
        ("journeys, stalled, of a flow", "/console/journeys?status=stalled&flow=flow_003".to_owned()),
        ("journeys, completed", "/console/journeys?status=completed".to_owned()),
        ("journeys, resolved (none)", "/console/journeys?status=resolved".to_owned()),
        ("journeys of a user", format!("/console/journeys?user={first}")),
        ("journeys of a day", "/console/journeys?from=2020-01-01&to=2020-01-02".to_owned()),
        ("one journey", format!("/console/journeys/{stalled}")),
        ("flows", "/console/flows".to_owned()),
        ("flow, funnel", "/console/flows/flow_003".to_owned()),
        ("flow with 50 mails", format!("/console/flows/{LADDER}")),
        ("its editor", format!("/console/flows/{LADDER}/edit")),
        ("flow, editor", "/console/flows/flow_003/edit".to_owned()),
        ("teams", "/console/teams".to_owned()),
        ("audiences", "/console/audiences".to_owned()),
        ("one audience, members", "/console/audiences/buyers".to_owned()),
        ("one audience, by hour", "/console/audiences/buyers?per=hour".to_owned()),
        ("one audience, looked for", format!("/console/audiences/buyers?user={first}")),
        ("audience, editor", "/console/audiences/buyers/edit".to_owned()),
        ("audience, new", "/console/audiences/new".to_owned()),
        ("traits", "/console/traits".to_owned()),
        ("one trait, values", "/console/traits/orders".to_owned()),
        ("users", "/console/users".to_owned()),
        ("users, search (none)", "/console/users?q=nobody".to_owned()),
        ("users, search by e-mail", format!("/console/users?by=email&q={}@example.com", user(40))),
        ("one user", format!("/console/users/{first}")),
        ("his events", format!("/console/users/{first}/events")),
        ("his deliveries", format!("/console/users/{first}/deliveries")),
        ("deliveries of the last user", format!("/console/users/{last}/deliveries")),
        ("a busy user", format!("/console/users/{busy}")),
        ("a busy user's events", format!("/console/users/{busy}/events")),
        ("a busy user's deliveries", format!("/console/users/{busy}/deliveries")),
        ("destinations", "/console/destinations".to_owned()),
        ("one destination", "/console/destinations/crm".to_owned()),
        ("one that refuses", "/console/destinations/refusing".to_owned()),
        ("one that is gone", "/console/destinations/gone".to_owned()),
        ("one without deliveries", "/console/destinations/spare_001".to_owned()),
        ("destination, editor", "/console/destinations/crm/edit".to_owned()),
        ("destination, new", "/console/destinations/new".to_owned()),
        ("deliveries", "/console/deliveries".to_owned()),
        ("deliveries, failed", "/console/deliveries?status=failed".to_owned()),
        ("deliveries, failed, of one", "/console/deliveries?status=failed&destination=refusing".to_owned()),
        ("deliveries, failed, of none", "/console/deliveries?status=failed&destination=crm".to_owned()),
        ("deliveries, dead, of one", "/console/deliveries?status=dead&destination=gone".to_owned()),
        ("deliveries, pending", "/console/deliveries?status=pending".to_owned()),
        ("deliveries, pending, of one", "/console/deliveries?status=pending&destination=gone".to_owned()),
        ("deliveries to one", "/console/deliveries?destination=crm".to_owned()),
        ("deliveries to one without", "/console/deliveries?destination=spare_001".to_owned()),
        ("deliveries of a user", format!("/console/deliveries?userId={first}")),
        ("deliveries of nobody", "/console/deliveries?userId=nobody".to_owned()),
        ("deliveries with a text", "/console/deliveries?q=nothing+says+this".to_owned()),
        ("one delivery", format!("/console/deliveries/{delivery}")),
        ("sources", "/console/sources".to_owned()),
        ("one source", "/console/sources/http".to_owned()),
        ("source, editor", "/console/sources/http/edit".to_owned()),
        ("people", "/console/people".to_owned()),
        ("one person", format!("/console/people/{person}")),
        ("API tokens", "/console/tokens".to_owned()),
        ("audit log", "/console/audit".to_owned()),
        ("audit log, of a subject", "/console/audit?subject=flow+flow_003".to_owned()),
    ];
    pages.into_iter().map(|(name, path)| Page { name, path }).collect()
}
