//! What is true of everybody at an instant, from all that has arrived.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::case::Form;
use crate::evaluate::{Moment, Subject};
use crate::flaw::Flaw;
use crate::history::{History, Owner};
use crate::language::{Millis, Query};

/// The values that definitions have given as traits, by owner and key.
pub type Given = BTreeMap<(Owner, String), Value>;

/// Everybody whom a definition is about.
pub fn owners(form: &Form, history: &History) -> Vec<Owner> {
    if form.accounts {
        return history.accounts().into_iter().map(Owner::Account).collect();
    }
    history.users().map(Owner::User).collect()
}

/// The value of a query for one user or account: `None` for null.
pub fn value(
    query: &Query,
    owner: Owner,
    history: &History,
    given: &Given,
    now: Millis,
    flaw: Option<Flaw>,
) -> Option<Value> {
    let moment = Moment { now, flaw };
    let subject = subject(owner, history, given, flaw);
    match query {
        Query::Audience(condition) => Some(Value::Bool(moment.holds(condition, &subject))),
        Query::Trait(stream, reducer) => moment.value(stream, reducer, &subject),
    }
}

fn subject<'a>(owner: Owner, history: &'a History, given: &'a Given, flaw: Option<Flaw>) -> Subject<'a> {
    let traits = move |name: &str| {
        let computed = given.get(&(owner, name.to_owned()));
        let computed = computed.filter(|_| flaw != Some(Flaw::AudiencesAreNoTraits));
        computed.cloned().or_else(|| history.trait_value(owner, name))
    };
    let users = match owner {
        Owner::User(_) => Vec::new(),
        Owner::Account(account) => history
            .users_of(account)
            .into_iter()
            .map(|user| subject(Owner::User(user), history, given, flaw))
            .collect(),
    };
    let events = history.events_of(owner);
    Subject { events, traits: Box::new(traits), users }
}
