//! `/api/audit`: who changed what, when, and what it was before.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::params::Params;
use super::state::ApiState;
use super::{Answer, listed};
use crate::domain::people::{AuditEntry, AuditFilter, Scope};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint::at("/api/audit").get_as(Scope::People, list)]
}

async fn list(state: web::Data<ApiState>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &["by", "subject", "from", "to", "limit", "cursor"])?;
    let (from, to) = params.range()?;
    let filter =
        AuditFilter { by: params.owned("by"), subject: params.owned("subject"), from, to, looks: None };
    let page = state.engine.audit(&filter, &params.page()?).await?;
    let rows: Vec<Value> = page.rows.iter().map(shown).collect();
    Ok(HttpResponse::Ok().json(listed("entries", rows, page.cursor)))
}

fn shown(entry: &AuditEntry) -> Value {
    json!({
        "id": entry.id,
        "at": entry.at,
        "by": entry.by,
        "via": entry.via,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
    })
}
