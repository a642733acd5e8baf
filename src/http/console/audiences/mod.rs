//! Audiences and computed traits: lists, each one, the editor with its two sides, and what deleting one comes to.
//!
//! Both kinds have the same pages; [`Class`] says which.

mod builder;
mod draft;
mod editor;
mod hints;
mod list;
mod one;
mod preview;
mod remove;
mod sizes;

use std::sync::Arc;

use actix_web::{HttpRequest, web};

use super::form::Form;
use super::page::Refusal;
use super::visit::Visit;
use crate::domain::definition::{Class, Computation, Kind};
use crate::http::api;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    for class in [Class::Audience, Class::Trait] {
        of_class(config, class);
    }
    let members = |visit: Visit, key: web::Path<String>, request: HttpRequest| async move {
        api::audiences::members_csv(visit.state.clone(), key, request).await
    };
    let values = |visit: Visit, key: web::Path<String>, request: HttpRequest| async move {
        api::traits::values_csv(visit.state.clone(), key, request).await
    };
    config.service(web::resource("/audiences/{key}/members.csv").route(web::get().to(members)));
    config.service(web::resource("/traits/{key}/values.csv").route(web::get().to(values)));
}

fn of_class(config: &mut web::ServiceConfig, class: Class) {
    let at = |rest: &str| web::resource(format!("/{}{rest}", place(class)));
    let list = move |visit: Visit| async move { list::page(&visit, class).await };
    let make = move |visit: Visit| async move { editor::page(&visit, class, None).await };
    let made = move |visit: Visit, form: Form| async move { editor::post(&visit, class, None, &form).await };
    let edit = move |visit: Visit, key: web::Path<String>| async move {
        editor::page(&visit, class, Some(&key)).await
    };
    let edited = move |visit: Visit, key: web::Path<String>, form: Form| async move {
        editor::post(&visit, class, Some(&key), &form).await
    };
    let ask =
        move |visit: Visit, key: web::Path<String>| async move { remove::page(&visit, class, &key).await };
    let remove = move |visit: Visit, key: web::Path<String>, form: Form| async move {
        remove::post(&visit, class, &key, &form).await
    };
    let turn = move |visit: Visit, key: web::Path<String>, form: Form| async move {
        one::turn(&visit, class, &key, &form).await
    };
    let one = move |visit: Visit, key: web::Path<String>| async move { one::page(&visit, class, &key).await };
    config.service(at("").route(web::get().to(list)));
    // An audience may have the key `new`; it is edited and shown under its own addresses all the same, but for its page.
    config.service(at("/new").route(web::get().to(make)).route(web::post().to(made)));
    config.service(at("/{key}/edit").route(web::get().to(edit)).route(web::post().to(edited)));
    config.service(at("/{key}/delete").route(web::get().to(ask)).route(web::post().to(remove)));
    config.service(at("/{key}/enabled").route(web::post().to(turn)));
    config.service(at("/{key}").route(web::get().to(one)));
}

/// The part of addresses, and the section of `texts.toml`.
fn place(class: Class) -> &'static str {
    match class {
        Class::Audience => "audiences",
        Class::Trait => "traits",
    }
}

/// The kind of its definitions.
fn kind(class: Class) -> Kind {
    match class {
        Class::Audience => Kind::Audience,
        Class::Trait => Kind::Trait,
    }
}

/// The one with that key, or that there is none.
fn found(visit: &Visit, class: Class, key: &str) -> Result<Arc<Computation>, Refusal> {
    let definitions = visit.engine().definitions();
    let of_class = match class {
        Class::Audience => &definitions.audiences,
        Class::Trait => &definitions.traits,
    };
    of_class.get(key).cloned().ok_or_else(|| Refusal::not_found(visit, class.as_str()))
}
