//! Tokens of the API: which there are, one more, one less.

use actix_web::web;
use serde_json::{Value, json};

use super::{Faults, again, part, scopes};
use crate::domain::ids::TokenId;
use crate::domain::people::{ApiToken, Scope, check_name};
use crate::domain::time::Span;
use crate::engine::NewToken;
use crate::http::console::form::{Fields, Form};
use crate::http::console::page::{Answer, Refusal};
use crate::http::console::remove::Question;
use crate::http::console::see;
use crate::http::console::texts::{filled, text};
use crate::http::console::visit::Visit;

/// The days that a token may last; none of them is for ever.
const LIVES: [i64; 4] = [7, 30, 90, 365];
/// What is proposed of them.
const USUAL_LIFE: &str = "90";
/// What is chosen instead of a number of days.
const FOR_EVER: &str = "never";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/tokens").route(web::get().to(list)))
        .service(web::resource("/tokens/new").route(web::get().to(new)).route(web::post().to(make)))
        .service(
            web::resource("/tokens/{id}/revoke")
                .route(web::get().to(tell_consequences))
                .route(web::post().to(revoke)),
        );
}

async fn list(visit: Visit) -> Answer {
    visit.needs(Scope::People)?;
    let mut all = visit.engine().tokens().await.map_err(|error| Refusal::of(&visit, error))?;
    all.reverse();
    let count = all.len();
    let behind = |token: &ApiToken, cursor: &str| token.id.to_string().as_str() < cursor;
    let (rows, next) = part(all, visit.asked("cursor"), behind, |token| token.id.to_string());
    let shown = |token: &ApiToken| {
        let mut shown = token.shown();
        shown["isOver"] = token.is_over(visit.now).into();
        shown
    };
    let rows: Vec<Value> = rows.iter().map(shown).collect();
    let context = json!({ "rows": rows, "count": count, "next": visit.next(next.as_deref()) });
    Ok(visit.page("people/tokens.html", context))
}

async fn new(visit: Visit) -> Answer {
    visit.needs(Scope::People)?;
    Ok(visit.page("people/token_new.html", context(&visit, &Fields::default(), &Faults::default())))
}

async fn make(visit: Visit, form: Form) -> Answer {
    let fields = form.admitted(&visit, Scope::People)?;
    let mut faults = Faults::default();
    let name = faults.check("name", check_name(fields.text("name")));
    let scopes = faults.take("scopes", wanted(&fields));
    let life = faults.take("life", life(fields.text("life")));
    let (Some(name), Some(scopes), Some(life)) = (name, scopes, life) else {
        return Ok(again(&visit, "people/token_new.html", context(&visit, &fields, &faults)));
    };
    // Nobody gives away what he does not have.
    scopes.iter().try_for_each(|scope| visit.needs(*scope))?;
    let wanted = NewToken { name, scopes, expires_at: life.map(|life| visit.now.plus(life)) };
    match visit.engine().acting(visit.caller.by()).make_token(wanted).await {
        // Shown in the answer itself: a token is in no address, and only its hash is kept.
        Ok((token, secret)) => {
            let line = format!("curl -H 'Authorization: Bearer {secret}' {}/api/me", visit.state.public_url);
            Ok(visit.page(
                "people/token_made.html",
                json!({ "token": token.shown(), "secret": secret, "line": line }),
            ))
        }
        Err(error) => {
            let faults = Faults::of_engine(error).map_err(|error| Refusal::of(&visit, error))?;
            Ok(again(&visit, "people/token_new.html", context(&visit, &fields, &faults)))
        }
    }
}

async fn tell_consequences(visit: Visit, id: web::Path<String>) -> Answer {
    visit.needs(Scope::People)?;
    let tokens = visit.engine().tokens().await.map_err(|error| Refusal::of(&visit, error))?;
    let token = tokens.into_iter().find(|token| token.id.to_string() == *id);
    let token = token.ok_or_else(|| Refusal::not_found(&visit, "token"))?;
    let scopes: Vec<String> =
        token.scopes.iter().map(|scope| text(&format!("scopes.{}", scope.as_str()))).collect();
    let question = Question {
        crumbs: vec![["/console/tokens".to_owned(), text("tokens.title")]],
        back: "/console/tokens".to_owned(),
        title: filled("tokens.revoke_title", &[("name", &token.name)]),
        consequences: vec![
            filled("tokens.revoke_may", &[("scopes", &scopes.join("; "))]),
            text("tokens.revoke_refused"),
            text("tokens.revoke_for_good"),
        ],
        is_leaving: false,
        needed: None,
        submit: text("tokens.revoke"),
    };
    Ok(visit.page("delete.html", json!(question)))
}

async fn revoke(visit: Visit, id: web::Path<String>, form: Form) -> Answer {
    form.admitted(&visit, Scope::People)?;
    let id: TokenId = id.parse().map_err(|_| Refusal::not_found(&visit, "token"))?;
    let revoked = visit.engine().acting(visit.caller.by()).revoke_token(id).await;
    revoked.map_err(|error| Refusal::of(&visit, error))?;
    Ok(see("/console/tokens?said=token_revoked"))
}

fn wanted(fields: &Fields) -> Result<Vec<Scope>, String> {
    let is_wanted = |scope: &Scope| fields.all("scopes").any(|name| name == scope.as_str());
    let scopes: Vec<Scope> = Scope::ALL.into_iter().filter(is_wanted).collect();
    if scopes.is_empty() { Err(text("tokens.no_scope")) } else { Ok(scopes) }
}

fn life(text: &str) -> Result<Option<Span>, String> {
    let days = LIVES.into_iter().find(|days| days.to_string() == text);
    match days {
        Some(days) => Ok(Some(Span::from_days(days))),
        None if text == FOR_EVER => Ok(None),
        None => Err(self::text("tokens.no_such_life")),
    }
}

fn context(visit: &Visit, fields: &Fields, faults: &Faults) -> Value {
    let days = LIVES.iter().map(|days| {
        let days = days.to_string();
        json!([days, filled("tokens.days", &[("n", &days)])])
    });
    let lives: Value = days.chain([json!([FOR_EVER, text("tokens.for_ever")])]).collect();
    json!({
        "typed": {
            "name": fields.text("name"), "scopes": fields.all("scopes").collect::<Vec<_>>(),
            "life": fields.given("life").unwrap_or(USUAL_LIFE),
        },
        "scopes": scopes(&visit.caller.scopes), "lives": lives, "faults": faults.0,
    })
}
