//! Cases that the engine once got wrong, small enough to be read.

use serde_json::json;

use crate::build::{boolean, days, event, fields, not, number, of_trait, place, post, track};
use crate::case::{Case, Definition, Form, START, Step, Then};
use crate::history::{Post, What};
use crate::language::{Condition, Duration, Millis, Query, Reducer, Relation, Scalar, Window};
use crate::print::plain;
use crate::report::report;
use crate::world;

const DAY: Millis = 86_400_000;

fn definition(key: &str, query: Query) -> Definition {
    let form = Form { text: plain(&query), accounts: query.is_account_level(), query };
    Definition { key: key.to_owned(), forms: vec![form] }
}

fn any(condition: Condition) -> Condition {
    Condition::Any(Box::new(condition))
}

fn all(condition: Condition) -> Condition {
    Condition::All(Box::new(condition))
}

fn define(which: usize) -> Step {
    Step::Define { which: vec![(which, 0)], then: Then::Done }
}

/// One post in a request of its own, under a message id of its own.
fn arrive(post: Post) -> Step {
    let message = format!("{:?} at {}", post.what, post.at).chars().take(80).collect();
    Step::Arrive(vec![Post { message, ..post }])
}

fn bought(at: Millis) -> Step {
    arrive(track("Bought", START + at, json!({})))
}

fn linked() -> Step {
    arrive(post(START, What::Group(0, fields(json!({})))))
}

fn pass(to: Millis) -> Step {
    Step::Pass { to: START + to, unseen: false }
}

#[track_caller]
fn holds(definitions: Vec<Definition>, steps: Vec<Step>) {
    let case = Case { definitions, steps };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Err(failure) = runtime.block_on(world::run(&case)) {
        panic!("{}", report(&case, &failure));
    }
}

/// What a user is to an account was lost where it was first found out by looking at the past.
#[test]
fn a_user_of_the_past_joins_an_account() {
    let few = event("Bought").count().related(Relation::Less, number("2"));
    let definitions = || vec![definition("few", Query::Audience(all(few.clone())))];
    holds(definitions(), vec![bought(0), define(0), linked()]);
    holds(definitions(), vec![bought(0), linked(), define(0), bought(1)]);
}

/// An account was looked at before what its new user is to it was known.
#[test]
fn a_new_account_is_not_looked_at_too_early() {
    let some = event("Bought").count().at_least("0");
    let nobody = definition("nobody", Query::Audience(not(any(some.clone()))));
    let not_all = definition("not_all", Query::Audience(not(all(some))));
    holds(vec![nobody, not_all], vec![define(0), define(1), bought(0), linked()]);
}

/// An account and its user change at the same instant; the account was looked at before its user.
#[test]
fn an_account_and_its_user_change_at_once() {
    let within = |days_: i64| event("Bought").within(days(days_)).count();
    let entered = Condition::And(vec![within(30).differs(number("0")), any(within(30).equals(number("0")))]);
    let left = Condition::And(vec![within(2).equals(number("0")), all(within(2).equals(number("1")))]);
    let definitions =
        vec![definition("entered", Query::Audience(entered)), definition("left", Query::Audience(left))];
    let steps = vec![
        linked(),
        define(0),
        define(1),
        bought(3 * DAY),
        pass(3 * DAY),
        pass(5 * DAY),
        pass(5 * DAY + 1),
    ];
    holds(definitions, steps);
}

/// One user begins to be what another ceases to be, at the same instant: all the while somebody is it.
#[test]
fn two_users_of_an_account_change_at_once() {
    let one_bought = any(event("Bought").within(days(1)).count().at_least("1"));
    let definitions = vec![definition("one_bought", Query::Audience(one_bought))];
    let by = |user: usize, at: Millis| arrive(track("Bought", START + at, json!({ "by": user })).of(user));
    let steps = vec![
        linked(),
        arrive(post(START + 1, What::Group(0, fields(json!({})))).of(1)),
        define(0),
        by(0, 0),
        by(1, DAY + 1),
        pass(DAY),
        pass(DAY + 1),
        pass(2 * DAY + 2),
    ];
    holds(definitions, steps);
}

/// What a reducer skips goes on a visit all the same.
#[test]
fn events_without_a_value_go_on_a_session() {
    let hour = Duration::new(1, "hour");
    let visit = |reducer| event("Bought").window(Window::Session(hour.clone())).to(reducer);
    let trait_of = |scalar| match scalar {
        Scalar::Stream(stream, reducer) => Query::Trait(stream, reducer),
        other => panic!("{other:?} is no stream"),
    };
    let definitions = vec![
        definition("spent", trait_of(visit(Reducer::Sum(place("price"))))),
        definition("first", trait_of(visit(Reducer::First(place("price"))))),
    ];
    let paid = arrive(track("Bought", START, json!({ "price": 5 })));
    let minute = 60_000;
    let steps = vec![
        define(0),
        define(1),
        paid,
        bought(50 * minute),
        pass(100 * minute),
        pass(110 * minute),
        pass(111 * minute),
    ];
    holds(definitions, steps);
}

/// Whoever asks about an audience follows it, whichever of the two was defined first.
#[test]
fn an_audience_that_is_asked_about_is_defined_later() {
    let asking = not(of_trait("bought").equals(boolean(true)));
    let definitions = vec![
        definition("bought", Query::Audience(event("Bought").within(days(1)).count().at_least("1"))),
        definition("asking", Query::Audience(asking)),
    ];
    holds(definitions, vec![define(1), bought(0), define(0), pass(DAY), pass(DAY + 1), bought(DAY)]);
}
