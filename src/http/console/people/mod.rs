//! Who works with the console: how he gets in, what he sets for himself; and for admins, the others, tokens and the audit log.

mod audit;
mod first_admin;
mod list;
mod me;
mod one;
mod sign_in;
mod tokens;

use actix_web::cookie::Cookie;
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::page::{Page, Refusal};
use super::texts::{self, text};
use super::visit::Visit;
use crate::domain::ids::PersonId;
use crate::domain::limits;
use crate::domain::people::{ApiToken, Fault, Person, Role, Scope, Session, StaffError};
use crate::domain::time::Span;
use crate::engine::EngineError;
use crate::http::sign_in::Refused;

pub(super) use first_admin::first_admin;

/// Rows of one page of people or tokens.
const ROWS: usize = 100;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(sign_in::routes)
        .configure(me::routes)
        .configure(list::routes)
        .configure(one::routes)
        .configure(tokens::routes)
        .configure(audit::routes);
}

/// What is wrong with a form: by its field, and under `all` what is wrong with the whole.
#[derive(Debug, Default)]
struct Faults(Map<String, Value>);

/// What no field is at fault for.
const ALL: &str = "all";

impl Faults {
    fn note(&mut self, field: &str, fault: impl Into<String>) {
        self.0.entry(field).or_insert_with(|| Value::String(fault.into()));
    }

    /// What `checked` holds, or nothing, where its fault is noted.
    fn take<T>(&mut self, field: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|fault| self.note(field, fault)).ok()
    }

    /// The same of what the domain checks.
    fn check<T>(&mut self, field: &str, checked: Result<T, Fault>) -> Option<T> {
        self.take(field, checked.map_err(in_words))
    }

    /// Notes what the engine did not take; what the form is not at fault for goes on.
    fn of_engine(error: EngineError) -> Result<Self, EngineError> {
        let mut faults = Self::default();
        match error {
            EngineError::Invalid(problems) => {
                problems.iter().for_each(|problem| faults.note(&problem.field, &problem.message));
            }
            EngineError::Conflict(why) => faults.note(ALL, why),
            EngineError::Staff(error) => faults.note(ALL, of_staff(&error)),
            other => return Err(other),
        }
        Ok(faults)
    }

    /// The same of what signing in refused: a wrong password is one of `field`.
    fn of_refused(refused: Refused, field: &str) -> Result<Self, EngineError> {
        let mut faults = Self::default();
        match refused {
            Refused::Engine(error) => return Self::of_engine(error),
            Refused::Wrong => faults.note(field, text("me.wrong_password")),
            Refused::Held(wait) => faults.note(ALL, held(wait)),
            Refused::CrossSite => faults.note(ALL, text("sign_in.cross_site")),
            Refused::NoSetUp => faults.note(ALL, text("set_up.over")),
        }
        Ok(faults)
    }
}

fn in_words(fault: Fault) -> String {
    let (code, bound) = fault.code();
    texts::filled(&format!("faults.{code}"), &[("n", &bound.unwrap_or_default().to_string())])
}

fn of_staff(error: &StaffError) -> String {
    let (code, email) = error.code();
    let most = limits::MAX_PEOPLE.to_string();
    texts::filled(&format!("staff.{code}"), &[("email", email.unwrap_or_default()), ("n", &most)])
}

/// How long nobody is let in.
fn held(wait: Span) -> String {
    let minutes = wait.to_std().as_secs().div_ceil(60).max(1).to_string();
    texts::filled("sign_in.held", &[("n", &minutes)])
}

/// A form again, with what is wrong with it.
fn again(visit: &Visit, template: &'static str, context: Value) -> HttpResponse {
    Page::new(template, context).status(actix_web::http::StatusCode::UNPROCESSABLE_ENTITY).of(visit)
}

/// The same answer, which also sets that cookie.
fn with_cookie(mut response: HttpResponse, cookie: &Cookie<'_>) -> Result<HttpResponse, EngineError> {
    match response.add_cookie(cookie) {
        Ok(()) => Ok(response),
        Err(error) => {
            Err(EngineError::Unavailable(format!("the session's cookie could not be sent: {error}")))
        }
    }
}

/// What the visitor would do to `role`, or make somebody: only who may all that it may.
fn may_grant(visit: &Visit, role: Role) -> Result<(), Refusal> {
    role.scopes().iter().try_for_each(|scope| visit.needs(*scope))
}

/// The roles to choose among, with what they are for.
fn roles() -> Value {
    Role::ALL.iter().map(|role| json!([role.as_str(), text(&format!("roles.{}", role.as_str()))])).collect()
}

/// Scopes with what they let do.
fn scopes<'s>(scopes: impl IntoIterator<Item = &'s Scope>) -> Value {
    let told = |scope: &Scope| json!([scope.as_str(), text(&format!("scopes.{}", scope.as_str()))]);
    scopes.into_iter().map(told).collect()
}

/// A person's sessions, with the one that the visitor uses marked.
async fn sessions(visit: &Visit, person: PersonId) -> Result<Value, Refusal> {
    let all = visit.engine().sessions(person).await.map_err(|error| Refusal::of(visit, error))?;
    let here = visit.caller.session.as_ref().map(|session| session.name.as_str());
    let shown = |(name, session): (String, Session)| {
        json!({
            "is_here": here == Some(name.as_str()), "name": name,
            "browser": session.device.browser, "address": session.device.address,
            "since": session.created_at, "used": session.seen_at,
        })
    };
    Ok(all.into_iter().map(shown).collect())
}

/// The tokens that a person made and that work.
async fn tokens_of(visit: &Visit, person: &Person) -> Result<Vec<Value>, Refusal> {
    let all = visit.engine().tokens().await.map_err(|error| Refusal::of(visit, error))?;
    let his = |token: &&ApiToken| token.created_by == person.email && !token.is_over(visit.now);
    Ok(all.iter().filter(his).map(ApiToken::shown).collect())
}

/// The part of a list that is behind the cursor, and the cursor behind it; `is_behind` says whether a row is behind a cursor.
fn part<T>(
    all: Vec<T>,
    cursor: Option<&str>,
    is_behind: impl Fn(&T, &str) -> bool,
    key: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let mut rows = all.into_iter().filter(|row| cursor.is_none_or(|cursor| is_behind(row, cursor)));
    let part: Vec<T> = rows.by_ref().take(ROWS).collect();
    let next = rows.next().and_then(|_| part.last().map(key));
    (part, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_part_by_part() {
        let all: Vec<usize> = (1000..1250).collect();
        let (mut cursor, mut seen, mut parts) = (None::<String>, Vec::new(), 0);
        loop {
            let (rows, next) = part(
                all.clone(),
                cursor.as_deref(),
                |row, cursor| row.to_string().as_str() > cursor,
                usize::to_string,
            );
            (seen, parts, cursor) = ([seen, rows].concat(), parts + 1, next);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((seen, parts), (all, 3));
    }
}
