//! `[[flow]]` and its levels.

use std::collections::BTreeMap;

use super::check;
use super::reader::{Field, Table};
use crate::domain::definition::{Channel, Flow, Level, OutsideHours, Recipient};
use crate::domain::limits::{DEFAULT_EXPIRE_AFTER, MAX_LEVELS, MAX_RECIPIENTS, MAX_STAGES};
use crate::domain::time::{MAX_SPAN, Span, Timestamp};

/// The shortest time that a rule may name.
const SHORTEST: Span = Span::from_millis(1);

const CHANNELS: [(&str, ()); 1] = [("email", ())];
const LATER_CHANNELS: [&str; 5] = ["webhook", "call", "sms", "studio_execution", "task"];

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Flow> {
    let name = table.required("name").and_then(|field| field.parse(check::name));
    let initial = table.optional("initial").and_then(|field| field.parse(check::name)).map(str::to_owned);
    let terminal_field = table.optional("terminal");
    let terminal =
        terminal_field.as_ref().and_then(|field| field.texts(MAX_STAGES, check::name)).unwrap_or_default();
    if let (Some(field), Some(initial)) = (&terminal_field, &initial)
        && terminal.contains(initial)
    {
        field.problem(format!("`{initial}` begins a run and can't end it too"));
    }
    let expire_after = table
        .optional("expire_after")
        .and_then(|field| field.span(SHORTEST..=MAX_SPAN))
        .unwrap_or(DEFAULT_EXPIRE_AFTER);
    let mut escalation = Vec::new();
    for field in table.optional("escalation").and_then(|field| field.items(MAX_LEVELS)).unwrap_or_default() {
        escalation.extend(level(&field, &terminal, expire_after));
    }
    // Levels run in rising `after`; those with the same time keep the order in which they were written.
    escalation.sort_by_key(|level| level.after);
    Some(Flow {
        name: name?.to_owned(),
        initial,
        terminal,
        expire_after,
        escalation,
        sid: None,
        widgets: BTreeMap::new(),
        team: None,
        digest: None,
        revisit: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}

fn level(field: &Field<'_, '_>, terminal: &[String], expire_after: Span) -> Option<Level> {
    let mut table = field.table()?;
    let stage_field = table.required("stage");
    let stage = stage_field.as_ref().and_then(|field| field.parse(check::name));
    if let (Some(field), Some(stage)) = (&stage_field, stage)
        && terminal.iter().any(|terminal| terminal == stage)
    {
        field.problem(format!("`{stage}` ends a run, so nobody ever stands in it and the level never fires"));
    }
    let after_field = table.required("after");
    let after = after_field.as_ref().and_then(|field| field.span(SHORTEST..=MAX_SPAN));
    if let (Some(field), Some(after)) = (&after_field, after)
        && after >= expire_after
    {
        field.problem(format!(
            "must be less than the flow's expire_after ({expire_after}), or the level never fires"
        ));
    }
    let channel = channel(table);
    Some(Level {
        stage: stage?.to_owned(),
        after: after?,
        actions: vec![channel?],
        outside_hours: OutsideHours::default(),
        repeat: None,
    })
}

/// The rest of a level: whom it tells, and how.
fn channel(mut table: Table<'_, '_>) -> Option<Channel> {
    // Another channel has other keys: nothing is said about those before the channel is right.
    table.required("channel")?.choice(&CHANNELS, &LATER_CHANNELS)?;
    let to_field = table.required("to");
    let to = to_field.as_ref().and_then(|field| field.texts(MAX_RECIPIENTS, check::email));
    if let (Some(field), Some(_)) = (&to_field, to.as_ref().filter(|to| to.is_empty()))
        && field.value.as_array().is_some_and(Vec::is_empty)
    {
        field.problem("name at least one mail address");
    }
    let template = table.required("template").and_then(|field| field.parse(check::key));
    table.close(&[]);
    let to = to?.into_iter().map(Recipient::Address).collect();
    Some(Channel::Email { to, template: template?.to_owned() })
}
