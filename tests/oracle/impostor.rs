//! Something that takes the engine's place and makes one mistake: the oracle has to notice.

use crate::case::{Case, START, Step};
use crate::flaw::{self, Flaw};
use crate::history::{History, Id, Owner};
use crate::judge::{Calls, Judge, Mismatch, unset};
use crate::language::Millis;
use crate::print::plain;
use crate::story;
use crate::truth::{self, Given};

/// Cases among which every mistake has to show.
const CASES: u64 = 2500;

/// Runs a case against an evaluator with a flaw, or with none.
fn run(case: &Case, flaw: Option<Flaw>) -> Result<(), Mismatch> {
    let mut judge = Judge::new(case);
    let mut history = History::new(flaw);
    let (mut now, mut given, mut calls) = (START, Given::new(), Calls::new());
    for step in &case.steps {
        match step {
            Step::Arrive(posts) => posts.iter().for_each(|post| history.take(post, now)),
            Step::Pass { to, .. } => now = *to,
            Step::Define { .. } | Step::Restart => {}
        }
        judge.note(step, now);
        if step.is_unseen() {
            continue;
        }
        show(&judge, &history, &mut given, &mut calls, now, flaw);
        judge.judge(now, &|owner, key| given.get(&(owner, key.to_owned())).cloned())?;
    }
    judge.judge_calls(now, &calls)
}

fn show(
    judge: &Judge<'_>,
    history: &History,
    given: &mut Given,
    calls: &mut Calls,
    now: Millis,
    flaw: Option<Flaw>,
) {
    // What was shown of somebody who turned out to be another counts for that one.
    for ((owner, key), value) in given.clone() {
        let Owner::User(user) = owner else { continue };
        if let Id::User(other) = history.person(Id::User(user))
            && other != user
        {
            given.remove(&(owner, key.clone()));
            let value = given.entry((Owner::User(other), key.clone())).or_insert(value).clone();
            calls.push((Owner::User(other), key, value));
        }
    }
    for (definition, form) in judge.in_force() {
        for owner in truth::owners(form, history) {
            let value = truth::value(&form.query, owner, history, given, now, flaw);
            let id = (owner, definition.key.clone());
            let value = value.filter(|value| !unset(&form.query, Some(value)) || given.contains_key(&id));
            if given.get(&id) != value.as_ref() {
                calls.push((owner, definition.key.clone(), value.clone().unwrap_or_default()));
            }
            match value {
                Some(value) => drop(given.insert(id, value)),
                None => drop(given.remove(&id)),
            }
        }
    }
}

/// What has to stand in a query for a flaw to show; for many of them anything may do.
fn shows_with(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::ParentWindowTakesTheParentsInstant | Flaw::ParentWindowLeavesOutItsEnd => "within(parent:",
        Flaw::NestedWhereSeesTheParent => "property(parent:",
        Flaw::SessionEndsAtItsGap
        | Flaw::SessionNeverEnds
        | Flaw::SessionTakesTheFuture
        | Flaw::SessionIsTheWholeHistory => "expires_after(",
        Flaw::MaximumComparesTexts => "max(",
        Flaw::FirstToArrive | Flaw::TiesAreInReverse => "first(",
        Flaw::LastTakesNulls => "last(",
        Flaw::ModeBreaksTiesBackwards
        | Flaw::ModeIgnoresItsMinimum
        | Flaw::ModeTakesArraysWhole
        | Flaw::ModeAlwaysTakesEntries => "mode(",
        Flaw::UniqueIsInOrderOfArrival => "unique(",
        Flaw::BeforeDateTakesItsDate => "before_date(",
        Flaw::AfterDateTakesItsDate => "after_date(",
        Flaw::WithinLastLeavesOutItsEnd | Flaw::WithinLastTakesTheFuture => "within_last(",
        Flaw::WithinNextLeavesOutNow | Flaw::WithinNextLeavesOutItsEnd => "within_next(",
        Flaw::BeforeLastLeavesOutItsEnd => "before_last(",
        Flaw::AfterNextLeavesOutItsEnd => "after_next(",
        Flaw::AllOfOnlyTheFirst => "ALL ",
        _ => "",
    }
}

#[test]
fn an_evaluator_without_a_flaw_passes() {
    for seed in 0..CASES / 6 {
        if let Err(mismatch) = run(&story::case(seed), None) {
            panic!("seed {seed}: {mismatch:?}");
        }
    }
}

#[test]
fn every_flaw_is_noticed() {
    let mut unnoticed: Vec<Flaw> = flaw::ALL.to_vec();
    let mut found = Vec::new();
    for seed in 0..CASES {
        if unnoticed.is_empty() {
            break;
        }
        let case = story::case(seed);
        let forms = case.definitions.iter().flat_map(|definition| &definition.forms);
        let queries: String = forms.map(|form| plain(&form.query)).collect();
        unnoticed.retain(|flaw| {
            let notices = queries.contains(shows_with(*flaw)) && run(&case, Some(*flaw)).is_err();
            if notices {
                found.push((seed, *flaw));
            }
            !notices
        });
    }
    println!("noticed first by case: {found:?}");
    assert!(unnoticed.is_empty(), "not noticed in {CASES} cases: {unnoticed:?}");
}
