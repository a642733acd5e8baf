//! One audience, or computed trait: its size over time, who is in and with which value, who uses it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::chart::{self, Axis, Series};
use super::super::form::Form;
use super::super::page::{Answer, Refusal};
use super::super::texts::text;
use super::super::visit::Visit;
use super::super::{render, see, users};
use super::{found, list, place, sizes};
use crate::domain::definition::{Class, Computation, Definition, History, Status};
use crate::domain::figures::Grain;
use crate::domain::ids::UserKey;
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::Scope;
use crate::domain::profile::{Computed, Profile};
use crate::domain::query::Target;
use crate::domain::sizes::Per;
use crate::engine::EngineError;
use crate::http::api::{definitions, traits};
use crate::http::profile_view;

/// Members, or values, on a page.
const ROWS: usize = 50;
/// Hours and days that the charts show.
const HOURS: usize = 72;
const DAYS: usize = 60;
/// What the id of a visitor begins with, as it is shown.
const ANONYMOUS: &str = "anonymous:";

pub(super) async fn page(visit: &Visit, class: Class, key: &str) -> Answer {
    let it = found(visit, class, key)?;
    let context = context(visit, &it).await.map_err(|error| Refusal::of(visit, error))?;
    Ok(visit.page("audience.html", context))
}

async fn context(visit: &Visit, it: &Arc<Computation>) -> Result<Value, EngineError> {
    let counts = visit.engine().counts().await?;
    let shown = definitions::beside(visit.engine(), it, &counts);
    let mut context = json!({
        "class": it.class.as_str(), "place": place(it.class), "key": it.key, "name": it.name,
        "description": it.description, "query": it.query.to_string(), "state": list::state(it),
        "enabled": it.enabled, "is_leaving": it.status == Status::Leaving, "is_moving": list::is_moving(it),
        "progress": list::progress(shown.progress.as_ref()),
        "target": it.target.as_str(), "emit": it.emit.iter().map(|emit| emit.as_str()).collect::<Vec<_>>(),
        "destinations": it.destinations, "history": history(it), "include_anonymous": it.include_anonymous,
        "created": it.created_at, "updated": it.updated_at, "used_by": used_by(visit, it),
        "sought": visit.asked("user"), "found": sought(visit, it).await?,
    });
    match it.class {
        Class::Audience => {
            context["size"] = shown.size.into();
            let charts = charts(visit, it, shown.size, &mut context).await?;
            context["charts"] = charts;
            let page = visit.engine().members(&it.id, &request(visit)).await?;
            context["next"] = json!(visit.next(page.cursor.as_deref()));
            context["rows"] = page
                .rows
                .iter()
                .map(|member| {
                    let mut row = named(&member.user);
                    row["since"] = json!(member.since);
                    row
                })
                .collect();
        }
        Class::Trait => {
            let _turn = visit.state.search_turn().await?;
            let show = |profile: &Profile, computed: &Computed| {
                let mut row = named(&profile.key);
                row["value"] = computed.value.clone();
                row["since"] = json!(computed.since);
                row
            };
            let page =
                traits::holders(visit.engine(), it, &request(visit), limits::MAX_SCAN_SHOWN, show).await?;
            context["next"] = json!(visit.next(page.cursor.as_deref()));
            context["rows"] = page.rows.into();
        }
    }
    Ok(context)
}

/// Who it is, and where his page is.
pub(super) fn named(key: &UserKey) -> Value {
    json!({ "id": profile_view::name(key), "href": users::place(key) })
}

fn request(visit: &Visit) -> PageRequest {
    PageRequest { limit: ROWS, cursor: visit.asked("cursor").map(str::to_owned) }
}

/// Size, and who came and went; how it changed stands in `context`.
async fn charts(
    visit: &Visit,
    it: &Computation,
    now: u64,
    context: &mut Value,
) -> Result<Value, EngineError> {
    let (per, grain, steps) = match visit.asked("per") {
        Some("hour") => (Per::Hour, Grain::Hour, HOURS),
        _ => (Per::Day, Grain::Day, DAYS),
    };
    let axis = Axis::newest(grain, steps, visit.now);
    let points = visit.engine().audience_sizes(&it.id, per, axis.from(), axis.to()).await?;
    let course = sizes::course(&points, &axis, now);
    context["per"] = per.as_str().into();
    context["change"] = list::signed(now, course.before).into();
    let series = |name: &str, counts: Vec<u64>| Series::new(text(name), counts);
    let (size, moved) = (text("audiences.size_chart"), text("audiences.moved_chart"));
    let moves = [series("overview.entered", course.entered), series("overview.exited", course.exited)];
    Ok(json!({
        "size": chart::line(&size, &text("audiences.unit"), &axis, &series("audiences.size", course.sizes)),
        "moved": chart::columns(&moved, &text(&format!("audiences.per_{}", per.as_str())), &axis, &moves),
    }))
}

/// How much of the past counts, in words.
fn history(it: &Computation) -> Value {
    match it.history {
        History::All => json!({ "kind": "all" }),
        History::Off => json!({ "kind": "off" }),
        History::Last(span) => {
            json!({ "kind": "last", "span": render::lasting(span.to_std().as_secs_f64()) })
        }
    }
}

/// Other audiences and traits that ask about it.
pub(super) fn used_by(visit: &Visit, it: &Computation) -> Vec<Value> {
    let definitions = visit.engine().definitions();
    let asking = definitions.computations().filter(|other| other.key != it.key && other.asks_about(&it.key));
    asking.map(|other| json!({ "place": place(other.class), "key": other.key, "name": other.name })).collect()
}

/// Whether the one that is looked for is in, or which value he has.
async fn sought(visit: &Visit, it: &Computation) -> Result<Value, EngineError> {
    let Some(id) = visit.asked("user").map(str::trim).filter(|id| !id.is_empty()) else {
        return Ok(Value::Null);
    };
    let key = match (it.target, id.strip_prefix(ANONYMOUS)) {
        (Target::Accounts, _) => UserKey::group(id),
        (Target::Users, Some(visitor)) => UserKey::anonymous(visitor),
        (Target::Users, None) => UserKey::user(id),
    };
    let Some(profile) = visit.engine().profile(&key).await? else { return Ok(json!({ "is": "unknown" })) };
    let mut shown = named(&profile.key);
    let (is, since) = match it.class {
        Class::Audience => {
            match profile.memberships.get(&it.key).filter(|known| known.audience_id == it.id) {
                Some(known) if known.member => ("in", Some(known.since)),
                Some(known) => ("out", Some(known.since)),
                None => ("never", None),
            }
        }
        Class::Trait => match profile.values.get(&it.key).filter(|known| known.computation_id == it.id) {
            Some(known) if !known.value.is_null() => {
                shown["value"] = known.value.clone();
                ("valued", Some(known.since))
            }
            _ => ("without", None),
        },
    };
    shown["is"] = is.into();
    shown["since"] = json!(since);
    Ok(shown)
}

/// Enables or disables it.
pub(super) async fn turn(visit: &Visit, class: Class, key: &str, form: &Form) -> Answer {
    let fields = form.admitted(visit, Scope::Audiences)?;
    let enabled = fields.text("enabled") == "true";
    let changed = Computation { enabled, ..(*found(visit, class, key)?).clone() };
    definitions::apply_one(&visit.engine().acting(visit.caller.by()), Definition::from(changed))
        .await
        .map_err(|problem| Refusal::of(visit, problem))?;
    let said = if enabled { "enabled" } else { "disabled" };
    Ok(see(&format!("/console/{}/{}?said={said}", place(class), render::segment(key))))
}
