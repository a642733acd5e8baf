//! What an audience has beside its definition: its members, also as a file, its size over time, what it shares with another.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::csv::{self, Csv};
use super::endpoint::Endpoint;
use super::params::{Params, invalid};
use super::state::ApiState;
use super::{Answer, listed, preview};
use crate::domain::definition::Computation;
use crate::domain::limits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::people::Scope;
use crate::domain::profile::Profile;
use crate::domain::query::Target;
use crate::domain::sizes::{Per, SizePoint};
use crate::engine::{Engine, EngineError, Member};
use crate::http::problem::ApiProblem;
use crate::http::profile_view;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        // An audience may have the key `preview`; it can't be posted to.
        Endpoint::at("/api/audiences/preview").post(Scope::Audiences, preview::preview).yielding(),
        Endpoint::at("/api/audiences/{key}/members").get(members),
        Endpoint::at("/api/audiences/{key}/members.csv").get(members_csv),
        Endpoint::at("/api/audiences/{key}/sizes").get(sizes),
        Endpoint::at("/api/audiences/{key}/overlap").get(overlap),
    ]
}

async fn members(state: web::Data<ApiState>, key: web::Path<String>, request: HttpRequest) -> Answer {
    let page = Params::read(&request, &["limit", "cursor"])?.page()?;
    let audience = audience(&state.engine, &key)?;
    let page = state.engine.members(&audience.id, &page).await?.map(|member| render(&member));
    Ok(HttpResponse::Ok().json(listed("members", page.rows, page.cursor)))
}

fn render(member: &Member) -> Value {
    let mut shown = profile_view::who(&member.user);
    // The order of the fields is that of the first version.
    shown.shift_insert(1, "since".into(), json!(member.since));
    Value::Object(shown)
}

/// Members whose profiles are read at a time for a file.
const PROFILES: usize = 100;

/// What a file of members has in its columns.
#[derive(Clone, Debug)]
enum Format {
    /// Who and since when.
    Plain,
    /// Segment's unformatted file: the key, and JSON of ids and of traits.
    Segment,
    /// Segment's formatted file: a column for each kind of id and each of these traits.
    Columns(Vec<String>),
}

/// All members as a file.
pub(in crate::http) async fn members_csv(
    state: web::Data<ApiState>,
    key: web::Path<String>,
    request: HttpRequest,
) -> Answer {
    let params = Params::read(&request, &["format", "traits", "guard"])?;
    let csv = Csv { guard: params.flag("guard")? };
    let format = format(&params)?;
    let audience = audience(&state.engine, &key)?;
    let header = csv.row(format.header(audience.target));
    let engine = state.engine.clone();
    csv::download(&key, header, move |cursor| {
        let (engine, audience, format) = (engine.clone(), Arc::clone(&audience), format.clone());
        async move { lines(&engine, &audience, &format, csv, cursor).await }
    })
    .await
}

fn format(params: &Params) -> Result<Format, ApiProblem> {
    let traits = params.list("traits");
    if traits.len() > limits::MAX_TRAIT_COLUMNS {
        return Err(invalid("traits", format!("has more than {} names", limits::MAX_TRAIT_COLUMNS)));
    }
    let named = |name: &str| match name {
        "plain" => Some(Format::Plain),
        "segment" => Some(Format::Segment),
        "columns" => Some(Format::Columns(traits.clone())),
        _ => None,
    };
    let format = params.choice("format", &["plain", "segment", "columns"], named)?.unwrap_or(Format::Plain);
    match format {
        Format::Columns(_) => Ok(format),
        Format::Plain | Format::Segment if traits.is_empty() => Ok(format),
        Format::Plain | Format::Segment => Err(invalid("traits", "goes with `format=columns` only")),
    }
}

impl Format {
    fn header(&self, target: Target) -> Vec<&str> {
        let (key, plain, kinds): (_, _, &[&str]) = match target {
            Target::Users => ("user_key", profile_view::USER_ID, &profile_view::USER_KINDS),
            Target::Accounts => ("account_key", profile_view::GROUP_ID, &profile_view::ACCOUNT_KINDS),
        };
        match self {
            Self::Plain => vec![plain, "since"],
            Self::Segment => vec![key, "external_ids", "traits"],
            Self::Columns(traits) => [key]
                .into_iter()
                .chain(kinds.iter().copied())
                .chain(traits.iter().map(String::as_str))
                .collect(),
        }
    }

    /// The cells of a member; not asked for [`Self::Plain`].
    fn cells(&self, profile: &Profile, target: Target) -> Vec<String> {
        let name = profile_view::name(&profile.key);
        let ids = profile_view::ids_by_kind(profile);
        let Self::Columns(traits) = self else {
            let traits = profile_view::traits(profile);
            return vec![name, json!(ids).to_string(), json!(traits).to_string()];
        };
        let kinds: &[&str] = match target {
            Target::Users => &profile_view::USER_KINDS,
            Target::Accounts => &profile_view::ACCOUNT_KINDS,
        };
        let first = |kind: &&str| ids.get(kind).and_then(|ids| ids.first()).cloned().unwrap_or_default();
        let value =
            |name: &String| profile.trait_value(name).map_or_else(String::new, |value| csv::cell(&value));
        [name].into_iter().chain(kinds.iter().map(first)).chain(traits.iter().map(value)).collect()
    }
}

/// The lines of one page of members.
async fn lines(
    engine: &Engine,
    audience: &Computation,
    format: &Format,
    csv: Csv,
    cursor: Option<String>,
) -> Result<Page<String>, EngineError> {
    let limit = if matches!(format, Format::Plain) { limits::MAX_PAGE } else { PROFILES };
    let page = engine.members(&audience.id, &PageRequest { limit, cursor }).await?;
    let mut lines = Vec::new();
    for member in page.rows {
        if let Format::Plain = format {
            lines.push(csv.row([profile_view::name(&member.user), member.since.to_rfc3339()]));
            continue;
        }
        let profile = engine.profile(&member.user).await?;
        // A member has a profile; should it be gone between the two reads, his line says who he was.
        let profile = profile.unwrap_or_else(|| Profile::new(member.user, member.since));
        lines.push(csv.row(format.cells(&profile, audience.target)));
    }
    Ok(Page { rows: lines, cursor: page.cursor })
}

async fn sizes(state: web::Data<ApiState>, key: web::Path<String>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &["per", "from", "to"])?;
    let audience = audience(&state.engine, &key)?;
    let named = |name: &str| Per::ALL.into_iter().find(|per| per.as_str() == name);
    let per = params.choice("per", &Per::ALL.map(Per::as_str), named)?.unwrap_or(Per::Day);
    let (from, to) = params.range()?;
    let to = to.unwrap_or_else(|| state.engine.clock().now().next());
    let shown = match per {
        Per::Hour => limits::HOURLY_SIZES_SHOWN,
        Per::Day => limits::DAILY_SIZES_SHOWN,
    };
    let from = per.start_of(from.unwrap_or_else(|| to.minus(shown)));
    let points = state.engine.audience_sizes(&audience.id, per, from, to).await?;
    let counts = state.engine.counts().await?;
    Ok(HttpResponse::Ok().json(json!({
        "per": per.as_str(),
        "points": points.iter().map(point).collect::<Vec<_>>(),
        "entered": points.iter().map(|point| point.entered).sum::<u64>(),
        "exited": points.iter().map(|point| point.exited).sum::<u64>(),
        "size": counts.members.get(&audience.id).copied().unwrap_or(0),
    })))
}

fn point(point: &SizePoint) -> Value {
    json!({ "start": point.start, "size": point.size, "entered": point.entered, "exited": point.exited })
}

async fn overlap(state: web::Data<ApiState>, key: web::Path<String>, request: HttpRequest) -> Answer {
    let params = Params::read(&request, &["with"])?;
    let one = audience(&state.engine, &key)?;
    let with = params.text("with").ok_or_else(|| invalid("with", "is missing: the other audience's key"))?;
    let other = audience(&state.engine, with)
        .map_err(|_| invalid("with", format!("there is no audience `{with}`")))?;
    if one.target != other.target {
        let message = format!(
            "`{with}` is about {}, `{key}` about {}: they can have no members in common",
            other.target.as_str(),
            one.target.as_str(),
        );
        return Err(invalid("with", message));
    }
    let _turn = state.search_turn().await?;
    let overlap = state.engine.overlap(&one.id, &other.id).await?;
    let counts = state.engine.counts().await?;
    let size = |audience: &Computation| counts.members.get(&audience.id).copied().unwrap_or(0);
    Ok(HttpResponse::Ok().json(json!({ "size": size(&one), "otherSize": size(&other), "overlap": overlap })))
}

fn audience(engine: &Engine, key: &str) -> Result<Arc<Computation>, ApiProblem> {
    let definitions = engine.definitions();
    definitions.audiences.get(key).cloned().ok_or_else(|| ApiProblem::not_found("audience", key))
}
