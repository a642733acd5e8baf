//! What is true of everybody at an instant, from all that has arrived.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evaluate::{Moment, Subject};
use crate::flaw::Flaw;
use crate::history::{History, Owner};
use crate::language::{Millis, Query};

/// The values that definitions have given as traits, by owner and key.
pub type Given = BTreeMap<(Owner, String), Value>;

/// Everybody whom a query is about.
pub fn owners(query: &Query, history: &History) -> Vec<Owner> {
    if query.is_account_level() {
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
        Owner::Account(account) => {
            history.users_of(account).map(|user| subject(Owner::User(user), history, given, flaw)).collect()
        }
    };
    let belongs = |user: usize| match owner {
        Owner::User(own) => own == user,
        Owner::Account(account) => history.users_of(account).any(|of| of == user),
    };
    let events = history.events.iter().filter(|event| belongs(event.user)).collect();
    Subject { events, traits: Box::new(traits), users }
}
