//! `[[flow]]` and its levels.

use std::collections::BTreeMap;

use super::reader::{Field, Table};
use super::{channel, check};
use crate::domain::definition::{Channel, Digest, Flow, Level, OutsideHours, Repeat};
use crate::domain::limits::{
    DEFAULT_EXPIRE_AFTER, MAX_ACTIONS, MAX_DIGEST_WINDOW, MAX_GATHERED, MAX_LEVELS, MAX_REPEATS, MAX_STAGES,
    MAX_WIDGETS,
};
use crate::domain::time::{MAX_SPAN, Span, Timestamp};

/// The shortest time that a rule may name.
const SHORTEST: Span = Span::from_millis(1);

/// The shortest time between two repetitions.
const SHORTEST_REPEAT: Span = Span::from_secs(1);

/// What a level does outside the hours of its team, but for what it does instead.
#[derive(Clone, Copy)]
enum Outside {
    Wait,
    Send,
}

const OUTSIDE: [(&str, Outside); 2] = [("wait", Outside::Wait), ("send", Outside::Send)];

pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Flow> {
    let name = table.required("name").and_then(|field| field.parse(check::name));
    let sid = table.optional("sid").and_then(|field| field.parse(|text| check::sid("FW", text)));
    let widgets = table.optional("widgets").and_then(|field| widgets(&field)).unwrap_or_default();
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
    let team = table.optional("team");
    let has_team = team.is_some();
    let team = team.and_then(|field| field.parse(check::key)).map(str::to_owned);
    let digest = table.optional("digest").and_then(|field| digest(&field));
    let mut escalation = Vec::new();
    for field in table.optional("escalation").and_then(|field| field.items(MAX_LEVELS)).unwrap_or_default() {
        let rules = Rules { terminal: &terminal, expire_after, has_team };
        escalation.extend(level(&field, &rules));
    }
    Some(Flow {
        name: name?.to_owned(),
        initial,
        terminal,
        expire_after,
        escalation,
        sid: sid.map(str::to_owned),
        widgets,
        team,
        digest,
        revisit: None,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}

/// Stages by the widget, or by widget and event, whose end reaches them.
fn widgets(field: &Field<'_, '_>) -> Option<BTreeMap<String, String>> {
    let table = field.table()?;
    if table.entries().count() > MAX_WIDGETS {
        field.problem(format!("has more than {MAX_WIDGETS} entries"));
        return None;
    }
    let mut widgets = BTreeMap::new();
    for (widget, stage) in table.entries() {
        match check::widget(widget) {
            Ok(()) => {
                widgets.extend(stage.parse(check::name).map(|stage| (widget.to_owned(), stage.to_owned())));
            }
            Err(message) => stage.problem(message),
        }
    }
    Some(widgets)
}

fn digest(field: &Field<'_, '_>) -> Option<Digest> {
    let mut table = field.table()?;
    let most = u32::try_from(MAX_GATHERED).unwrap_or(u32::MAX);
    let more_than = table.required("more_than").and_then(|field| field.number(1..=most));
    let within = table.required("within").and_then(|field| field.span(SHORTEST..=MAX_DIGEST_WINDOW));
    table.close(&[]);
    Some(Digest { more_than: more_than?, within: within? })
}

/// What a level has to agree with in its flow.
struct Rules<'a> {
    terminal: &'a [String],
    expire_after: Span,
    has_team: bool,
}

fn level(field: &Field<'_, '_>, rules: &Rules<'_>) -> Option<Level> {
    let mut table = field.table()?;
    let stage_field = table.required("stage");
    let stage = stage_field.as_ref().and_then(|field| field.parse(check::name));
    if let (Some(field), Some(stage)) = (&stage_field, stage)
        && rules.terminal.iter().any(|terminal| terminal == stage)
    {
        field.problem(format!("`{stage}` ends a run, so nobody ever stands in it and the level never fires"));
    }
    let after_field = table.required("after");
    let after = after_field.as_ref().and_then(|field| field.span(SHORTEST..=MAX_SPAN));
    if let (Some(field), Some(after)) = (&after_field, after)
        && after >= rules.expire_after
    {
        field.problem(format!(
            "must be less than the flow's expire_after ({}), or the level never fires",
            rules.expire_after
        ));
    }
    let outside_hours = outside_hours(&mut table, rules);
    let repeat = table.optional("repeat").map(|field| repeat(&field));
    let actions = actions(table);
    Some(Level {
        stage: stage?.to_owned(),
        after: after?,
        actions: actions?,
        outside_hours: outside_hours?,
        repeat: match repeat {
            Some(repeat) => Some(repeat?),
            None => None,
        },
    })
}

/// `outside_hours`, or `after_hours`: what is done instead.
fn outside_hours(table: &mut Table<'_, '_>, rules: &Rules<'_>) -> Option<OutsideHours> {
    let (word, instead) = (table.optional("outside_hours"), table.optional("after_hours"));
    if !rules.has_team {
        for field in word.iter().chain(&instead) {
            field.problem("has no meaning without the flow's `team`, whose hours it is about");
        }
    }
    match (word, instead) {
        (Some(_), Some(instead)) => {
            instead.problem("is done instead, so `outside_hours` can't be written beside it");
            None
        }
        (None, Some(instead)) => channels(&instead).map(OutsideHours::Instead),
        (Some(word), None) => match word.choice(&OUTSIDE, &[])? {
            Outside::Wait => Some(OutsideHours::Wait),
            Outside::Send => Some(OutsideHours::Send),
        },
        (None, None) => Some(OutsideHours::default()),
    }
}

fn repeat(field: &Field<'_, '_>) -> Option<Repeat> {
    let mut table = field.table()?;
    let every = table.required("every").and_then(|field| field.span(SHORTEST_REPEAT..=MAX_SPAN));
    let times = table.required("times").and_then(|field| field.number(1..=MAX_REPEATS));
    table.close(&[]);
    Some(Repeat { every: every?, times: times? })
}

/// The rest of a level: one channel in its own place, or several `actions`.
fn actions(mut table: Table<'_, '_>) -> Option<Vec<Channel>> {
    let Some(actions) = table.optional("actions") else {
        return channel::read(table).map(|channel| vec![channel]);
    };
    match table.optional("channel") {
        // What belongs to the channel stands here then, and says nothing more.
        Some(channel) => channel.problem("write either `channel` or `actions`, not both"),
        None => table.close(&[]),
    }
    channels(&actions)
}

fn channels(field: &Field<'_, '_>) -> Option<Vec<Channel>> {
    let items = field.items(MAX_ACTIONS)?;
    if !field.not_empty("channel") {
        return None;
    }
    let read = |item: &Field<'_, '_>| item.table().and_then(channel::read);
    // Every one is read, so that everything wrong is said at once.
    let read: Vec<Option<Channel>> = items.iter().map(read).collect();
    read.into_iter().collect()
}
