//! The audit log: who changed what, when, and what is different since.

use actix_web::http::StatusCode;
use actix_web::web;
use serde_json::{Value, json};

use super::Faults;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::{Action, AuditEntry, AuditFilter, Difference, Scope, differences};
use crate::domain::time::{Span, Timestamp};
use crate::http::console::page::{Answer, Page, Refusal};
use crate::http::console::render::segment;
use crate::http::console::texts::text;
use crate::http::console::visit::Visit;

/// Entries of one page.
const ENTRIES: usize = 50;
/// Most entries that are looked at for one page: what is rare is looked for on the next one.
const LOOKED_AT: usize = 1000;
/// Differences of one entry that are shown; the API has them all.
const SHOWN: usize = 40;
/// Differences that are shown without being asked for.
const OPEN: usize = 3;
const DAY: Span = Span::from_days(1);

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/audit").route(web::get().to(list)));
}

async fn list(visit: Visit) -> Answer {
    visit.needs(Scope::People)?;
    let mut faults = Faults::default();
    let from = faults.take("from", day(visit.asked("from"))).flatten();
    let to = faults.take("to", day(visit.asked("to"))).flatten();
    let owned = |name: &str| visit.asked(name).map(str::to_owned);
    // The last day is meant, too.
    let to = to.map(|to| to.plus(DAY));
    let is_filtered = ["by", "subject", "from", "to"].iter().any(|name| visit.asked(name).is_some());
    let filter = AuditFilter { by: owned("by"), subject: owned("subject"), from, to, looks: Some(LOOKED_AT) };
    let mut context = json!({
        "asked": { "by": filter.by, "subject": filter.subject, "from": visit.asked("from"), "to": visit.asked("to") },
        "is_filtered": is_filtered, "days": limits::AUDIT_KEPT.millis() / DAY.millis(), "entries": [], "next": null,
    });
    if faults.0.is_empty() {
        let page = PageRequest { limit: ENTRIES, cursor: owned("cursor") };
        let page = visit.engine().audit(&filter, &page).await.map_err(|error| Refusal::of(&visit, error))?;
        context["entries"] = page.rows.iter().map(|entry| shown(&visit, entry)).collect();
        context["next"] = json!(visit.next(page.cursor.as_deref()));
    }
    let status = if faults.0.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    context["faults"] = Value::Object(faults.0);
    Ok(Page::new("people/audit.html", context).status(status).of(&visit))
}

fn day(text: Option<&str>) -> Result<Option<Timestamp>, String> {
    let Some(text) = text else { return Ok(None) };
    Timestamp::parse_lenient(text).map(Some).ok_or_else(|| self::text("audit.no_day"))
}

fn shown(visit: &Visit, entry: &AuditEntry) -> Value {
    let changes = differences(entry.before.as_ref(), entry.after.as_ref());
    let more = changes.len().saturating_sub(SHOWN);
    let is_change = entry.before.is_some() && entry.after.is_some();
    let changes: Vec<Value> = changes.iter().take(SHOWN).map(told).collect();
    json!({
        "at": entry.at,
        "by": entry.by,
        "by_place": visit.with(&[("by", Some(&entry.by)), ("cursor", None), ("said", None)]),
        "via": entry.via,
        "action": entry.action,
        "subject": entry.subject,
        "place": (entry.action != Action::Removed).then(|| place(&entry.subject)),
        "reason": entry.reason,
        "is_change": is_change,
        "is_short": is_change && changes.len() <= OPEN,
        "changes": changes,
        "more": more,
    })
}

fn told(change: &Difference) -> Value {
    json!({ "place": change.place, "before": plain(change.before.as_ref()), "after": plain(change.after.as_ref()) })
}

/// Texts as they are, the rest as JSON.
fn plain(value: Option<&Value>) -> Value {
    match value {
        None => Value::Null,
        Some(Value::String(text)) => json!(text),
        Some(other) => json!(other.to_string()),
    }
}

/// The page of what an entry is about, such as `audience big_spenders`; `None` where it has none.
fn place(subject: &str) -> Option<String> {
    let (kind, key) = subject.split_once(' ')?;
    let section = match kind {
        "source" => "sources",
        "flow" => "flows",
        "destination" => "destinations",
        "audience" => "audiences",
        "trait" => "traits",
        "journey" => "journeys",
        "delivery" => "deliveries",
        "user" => "users",
        "person" => "people",
        "team" | "token" => return Some(format!("/console/{kind}s")),
        _ => return None,
    };
    Some(format!("/console/{section}/{}", segment(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_lead_to_their_pages() {
        for (subject, expected) in [
            ("audience big_spenders", Some("/console/audiences/big_spenders")),
            ("flow a b/c", Some("/console/flows/a%20b%2Fc")),
            ("person ann+x@example.com", Some("/console/people/ann%2Bx%40example.com")),
            ("token ci", Some("/console/tokens")),
            ("team desk", Some("/console/teams")),
            ("admin token", None),
            ("replay rpl_1", None),
        ] {
            assert_eq!(place(subject).as_deref(), expected, "{subject}");
        }
    }
}
