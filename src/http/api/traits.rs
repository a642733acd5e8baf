//! What a computed trait has beside its definition: everybody's values, also as a file in Segment's formats.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::csv::{self, Csv};
use super::endpoint::Endpoint;
use super::params::Params;
use super::state::ApiState;
use super::{Answer, listed};
use crate::domain::definition::Computation;
use crate::domain::limits;
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::{Computed, Profile};
use crate::engine::{Among, Engine, EngineError};
use crate::http::problem::ApiProblem;
use crate::http::profile_view;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/api/traits/{key}/values").get(values),
        Endpoint::at("/api/traits/{key}/values.csv").get(values_csv),
    ]
}

async fn values(state: web::Data<ApiState>, key: web::Path<String>, request: HttpRequest) -> Answer {
    let page = Params::read(&request, &["limit", "cursor"])?.page()?;
    let computed = computed_trait(&state.engine, &key)?;
    let _turn = state.search_turn().await?;
    let page = holders(&state.engine, &computed, &page, limits::MAX_SCAN, render).await?;
    Ok(HttpResponse::Ok().json(listed("values", page.rows, page.cursor)))
}

fn render(profile: &Profile, computed: &Computed) -> Value {
    let mut shown = profile_view::who(&profile.key);
    shown.insert("value".into(), computed.value.clone());
    shown.insert("since".into(), json!(computed.since));
    Value::Object(shown)
}

/// What `show` makes of those who have a value; a page looks at `most` profiles at most.
pub(in crate::http) async fn holders<T: Send + 'static>(
    engine: &Engine,
    definition: &Arc<Computation>,
    page: &PageRequest,
    most: usize,
    show: impl Fn(&Profile, &Computed) -> T + Send + 'static,
) -> Result<Page<T>, EngineError> {
    let (among, definition) = (Among::subjects_of(definition), Arc::clone(definition));
    let see = move |profile: &Profile| {
        let own = profile.values.get(&definition.key)?;
        let has_value = own.computation_id == definition.id && !own.value.is_null();
        (has_value && definition.is_about(&profile.key)).then(|| show(profile, &own))
    };
    engine.look_through(among, page, most, see).await
}

/// Holders whose lines are made at a time. One may have a hundred ids, and in format `c` a line for each with all of them in it.
const HOLDERS: usize = 100;
/// The same for format `c`.
const HOLDERS_LONG: usize = 10;

/// Segment's three forms of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    /// Key, value and all external ids as JSON.
    Plain,
    /// Also a column for each id: `email`, `email_1`, …; so many of each kind.
    Wide(BTreeMap<&'static str, usize>),
    /// Also a column for each kind of id; further ids have lines of their own.
    Long(Vec<&'static str>),
}

/// All values as a file.
pub(in crate::http) async fn values_csv(
    state: web::Data<ApiState>,
    key: web::Path<String>,
    request: HttpRequest,
) -> Answer {
    let params = Params::read(&request, &["format", "guard"])?;
    let csv = Csv { guard: params.flag("guard")? };
    let letter = |name: &str| ["a", "b", "c"].into_iter().find(|letter| *letter == name);
    let letter = params.choice("format", &["a", "b", "c"], letter)?.unwrap_or("a");
    let definition = computed_trait(&state.engine, &key)?;
    let format = match letter {
        "b" => Format::Wide(most_ids(&state, &definition).await?),
        "c" => Format::Long(most_ids(&state, &definition).await?.into_keys().collect()),
        _ => Format::Plain,
    };
    let header = csv.row(format.header());
    let format = Arc::new(format);
    csv::download(&key, header, move |cursor| {
        let (state, definition, format) = (state.clone(), Arc::clone(&definition), Arc::clone(&format));
        async move { lines(&state, &definition, format, csv, cursor).await }
    })
    .await
}

/// How many ids of each kind one holder has at most.
async fn most_ids(
    state: &ApiState,
    definition: &Arc<Computation>,
) -> Result<BTreeMap<&'static str, usize>, EngineError> {
    let mut most: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut page = PageRequest { limit: limits::MAX_PAGE, cursor: None };
    loop {
        let turn = state.search_turn().await?;
        let found = holders(&state.engine, definition, &page, limits::MAX_SCAN, |profile, _| {
            let count = |(kind, ids): (&'static str, Vec<String>)| (kind, ids.len());
            profile_view::ids_by_kind(profile).into_iter().map(count).collect::<Vec<_>>()
        })
        .await?;
        drop(turn);
        for (kind, count) in found.rows.into_iter().flatten() {
            let known = most.entry(kind).or_default();
            *known = count.max(*known);
        }
        page.cursor = found.cursor;
        if page.cursor.is_none() {
            return Ok(most);
        }
    }
}

/// The lines of one page of holders.
async fn lines(
    state: &ApiState,
    definition: &Arc<Computation>,
    format: Arc<Format>,
    csv: Csv,
    cursor: Option<String>,
) -> Result<Page<String>, EngineError> {
    let _turn = match cursor {
        None => state.search_turn().await?,
        Some(_) => state.next_search_turn().await?,
    };
    let limit = if matches!(*format, Format::Long(_)) { HOLDERS_LONG } else { HOLDERS };
    let page = PageRequest { limit, cursor };
    let show = move |profile: &Profile, computed: &Computed| {
        let ids = profile_view::ids_by_kind(profile);
        let head = [profile_view::name(&profile.key), csv::cell(&computed.value), json!(ids).to_string()];
        format.rows(head, &ids).into_iter().map(|cells| csv.row(cells)).collect::<String>()
    };
    holders(&state.engine, definition, &page, limits::MAX_SCAN, show).await
}

impl Format {
    fn header(&self) -> Vec<String> {
        let head = ["key", "value", "external_ids"].map(str::to_owned);
        let numbered = |(kind, most): (&&str, &usize)| {
            let name = |number| if number == 0 { (*kind).to_owned() } else { format!("{kind}_{number}") };
            (0..*most).map(name).collect::<Vec<_>>()
        };
        let further: Vec<String> = match self {
            Self::Plain => Vec::new(),
            Self::Wide(kinds) => kinds.iter().flat_map(numbered).collect(),
            Self::Long(kinds) => kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        head.into_iter().chain(further).collect()
    }

    /// The rows of one holder: `head` and his ids. One that was linked after the columns were counted stands in `head` only.
    fn rows(&self, head: [String; 3], ids: &BTreeMap<&'static str, Vec<String>>) -> Vec<Vec<String>> {
        let id = |kind: &str, number: usize| {
            ids.get(kind).and_then(|ids| ids.get(number)).cloned().unwrap_or_default()
        };
        match self {
            Self::Plain => vec![head.into()],
            Self::Wide(kinds) => {
                let cells = kinds.iter().flat_map(|(kind, most)| (0..*most).map(|number| id(kind, number)));
                vec![head.into_iter().chain(cells).collect()]
            }
            Self::Long(kinds) => {
                let line = |cell: &dyn Fn(usize, &str) -> String| {
                    let cells = kinds.iter().enumerate().map(|(place, kind)| cell(place, kind));
                    head.iter().cloned().chain(cells).collect::<Vec<_>>()
                };
                let mut rows = vec![line(&|_, kind| id(kind, 0))];
                for (place, kind) in kinds.iter().enumerate() {
                    for number in 1..ids.get(kind).map_or(0, Vec::len) {
                        rows.push(line(&|other, _| {
                            if other == place { id(kind, number) } else { String::new() }
                        }));
                    }
                }
                rows
            }
        }
    }
}

fn computed_trait(engine: &Engine, key: &str) -> Result<Arc<Computation>, ApiProblem> {
    let definitions = engine.definitions();
    definitions.traits.get(key).cloned().ok_or_else(|| ApiProblem::not_found("trait", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> BTreeMap<&'static str, Vec<String>> {
        let own = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        [("anonymous_id", own(&["anon_1"])), ("email", own(&["x@y.io", "z@y.io"]))].into()
    }

    fn head() -> [String; 3] {
        ["u1".to_owned(), "7".to_owned(), json!(ids()).to_string()]
    }

    #[test]
    fn the_forms_are_segments() {
        let json = r#"{"anonymous_id":["anon_1"],"email":["x@y.io","z@y.io"]}"#;
        let wide = Format::Wide([("anonymous_id", 1), ("email", 2)].into());
        assert_eq!(wide.header(), ["key", "value", "external_ids", "anonymous_id", "email", "email_1"]);
        assert_eq!(wide.rows(head(), &ids()), [["u1", "7", json, "anon_1", "x@y.io", "z@y.io"]]);
        let long = Format::Long(vec!["anonymous_id", "email"]);
        assert_eq!(long.header(), ["key", "value", "external_ids", "anonymous_id", "email"]);
        assert_eq!(
            long.rows(head(), &ids()),
            [["u1", "7", json, "anon_1", "x@y.io"], ["u1", "7", json, "", "z@y.io"]]
        );
        assert_eq!(Format::Plain.rows(head(), &ids()), [["u1", "7", json]]);
        let quoted = Csv::default().row(head());
        assert_eq!(
            quoted,
            "u1,7,\"{\"\"anonymous_id\"\":[\"\"anon_1\"\"],\"\"email\"\":[\"\"x@y.io\"\",\"\"z@y.io\"\"]}\"\n"
        );
    }

    #[test]
    fn whoever_has_fewer_ids_has_empty_cells() {
        let none = BTreeMap::new();
        let wide = Format::Wide([("email", 2)].into());
        assert_eq!(wide.rows(head(), &none)[0][3..], ["", ""]);
        assert_eq!(Format::Long(vec!["email"]).rows(head(), &none).len(), 1);
    }
}
