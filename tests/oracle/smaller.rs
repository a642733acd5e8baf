//! Makes a failing case smaller while it goes on failing.

use crate::case::{Case, Form, Step, Then};
use crate::history::{Fields, Post, What};
use crate::language::{Condition, Query, Reducer, Scalar, Stream, Test, Window};
use crate::print::plain;

/// Cases that may be tried.
const TRIES: usize = 1500;

/// The smallest failing case that is found from `case` by leaving out one thing after another.
pub fn smallest(mut case: Case, fails: &dyn Fn(&Case) -> bool) -> Case {
    let mut tries = 0;
    loop {
        let mut progress = false;
        let mut place = 0;
        // What can be left out is made anew each time, so that places stay those of the present case.
        while let Some(smaller) = candidate(&case, place) {
            tries += 1;
            if tries > TRIES {
                return case;
            }
            if fails(&smaller) {
                case = smaller;
                progress = true;
            } else {
                place += 1;
            }
        }
        if !progress {
            return case;
        }
    }
}

/// The case with one thing left out: first steps, then posts of a request, then fields, then parts of queries.
fn candidate(case: &Case, place: usize) -> Option<Case> {
    let mut left = place;
    let mut take = |count: usize| {
        let found = (left < count).then_some(left);
        left = left.saturating_sub(count);
        found
    };
    let with = |steps: Vec<Step>| Some(Case { definitions: case.definitions.clone(), steps });
    let count = case.steps.len();
    if let Some(last) = take(count) {
        let mut steps = case.steps.clone();
        steps.remove(count - 1 - last);
        return with(steps);
    }
    for (at, step) in case.steps.iter().enumerate() {
        let smaller = in_step(step);
        if let Some(which) = take(smaller.len()) {
            let mut steps = case.steps.clone();
            steps[at] = smaller[which].clone();
            return with(steps);
        }
    }
    for (at, definition) in case.definitions.iter().enumerate() {
        for (number, form) in definition.forms.iter().enumerate() {
            let smaller = queries(&form.query);
            if let Some(which) = take(smaller.len()) {
                let mut definitions = case.definitions.clone();
                let query = smaller[which].clone();
                definitions[at].forms[number] = Form { text: plain(&query), query, ..form.clone() };
                return Some(Case { definitions, steps: case.steps.clone() });
            }
        }
    }
    None
}

fn in_step(step: &Step) -> Vec<Step> {
    match step {
        Step::Define { which, then } => {
            let mut all = Vec::new();
            if *then != Then::Done {
                all.push(Step::Define { which: which.clone(), then: Then::Done });
            }
            if which.len() > 1 {
                all.extend((0..which.len()).map(|leave| {
                    let mut which = which.clone();
                    which.remove(leave);
                    Step::Define { which, then: *then }
                }));
            }
            all
        }
        Step::Arrive(posts) => {
            let mut all = Vec::new();
            for (place, post) in posts.iter().enumerate() {
                if posts.len() > 1 {
                    let mut posts = posts.clone();
                    posts.remove(place);
                    all.push(Step::Arrive(posts));
                }
                let named =
                    fields(&mut post.clone()).map_or(Vec::new(), |fields| fields.keys().cloned().collect());
                for field in named {
                    let mut posts = posts.clone();
                    fields(&mut posts[place]).expect("as above").remove(&field);
                    all.push(Step::Arrive(posts));
                }
                if !post.context.is_empty() {
                    let mut posts = posts.clone();
                    posts[place].context.clear();
                    all.push(Step::Arrive(posts));
                }
            }
            all
        }
        Step::Pass { .. } | Step::Restart => Vec::new(),
    }
}

fn fields(post: &mut Post) -> Option<&mut Fields> {
    match &mut post.what {
        What::Track(_, fields)
        | What::Page(_, fields)
        | What::Screen(_, fields)
        | What::Identify(fields)
        | What::Group(_, fields) => Some(fields),
        What::Alias(_) => None,
    }
}

fn queries(query: &Query) -> Vec<Query> {
    match query {
        Query::Audience(condition) => {
            let account = query.is_account_level();
            let all = conditions(condition).into_iter().map(Query::Audience);
            all.filter(|query| query.is_account_level() == account).collect()
        }
        Query::Trait(stream, reducer) => {
            streams(stream).into_iter().map(|stream| Query::Trait(stream, reducer.clone())).collect()
        }
    }
}

fn conditions(condition: &Condition) -> Vec<Condition> {
    let within = |inner: &Condition, make: fn(Box<Condition>) -> Condition| {
        conditions(inner).into_iter().map(Box::new).map(make).collect::<Vec<_>>()
    };
    match condition {
        Condition::And(items) => junctions(items, Condition::And),
        Condition::Or(items) => junctions(items, Condition::Or),
        Condition::Not(inner) => {
            let mut all = vec![(**inner).clone()];
            all.extend(within(inner, Condition::Not));
            all
        }
        Condition::Any(inner) => within(inner, Condition::Any),
        Condition::All(inner) => within(inner, Condition::All),
        Condition::Test(Scalar::Stream(stream, reducer), test) => {
            let mut all: Vec<Condition> = streams(stream)
                .into_iter()
                .map(|stream| Condition::Test(Scalar::Stream(stream, reducer.clone()), test.clone()))
                .collect();
            if *reducer != Reducer::Count && !matches!(test, Test::Exists) {
                all.push(Condition::Test(Scalar::Stream(stream.clone(), reducer.clone()), Test::Exists));
            }
            all
        }
        Condition::Test(..) => Vec::new(),
    }
}

fn junctions(items: &[Condition], make: fn(Vec<Condition>) -> Condition) -> Vec<Condition> {
    let mut all = items.to_vec();
    for place in 0..items.len() {
        if items.len() > 2 {
            let mut fewer = items.to_vec();
            fewer.remove(place);
            all.push(make(fewer));
        }
        for smaller in conditions(&items[place]) {
            let mut other = items.to_vec();
            other[place] = smaller;
            all.push(make(other));
        }
    }
    all
}

fn streams(stream: &Stream) -> Vec<Stream> {
    let mut all = Vec::new();
    for place in 0..stream.filters.len() {
        let mut fewer = stream.clone();
        fewer.filters.remove(place);
        all.push(fewer);
        for smaller in conditions(&stream.filters[place]) {
            let mut other = stream.clone();
            other.filters[place] = smaller;
            all.push(other);
        }
    }
    if stream.window != Window::None {
        all.push(Stream { window: Window::None, ..stream.clone() });
    }
    if !stream.excluded.is_empty() {
        all.push(Stream { excluded: Vec::new(), ..stream.clone() });
    }
    all
}
