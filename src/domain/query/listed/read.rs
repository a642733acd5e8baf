//! The value of a listed leaf at an instant, computed from its list.
//!
//! Every test is asked in the same order with the same answers until the next instant that the [`Moment`] has noted, so
//! until then the value is the same. What does not depend on the event around is asked once: a reading takes about
//! n·log n steps for n events, and n² where a filter compares with the event around by anything but equality.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use serde_json::Value;

use crate::domain::leaf::{Entry, Window};
use crate::domain::query::compare::{self, Datum};
use crate::domain::query::logic::Logic;
use crate::domain::query::moment::Moment;
use crate::domain::query::reduce::reduce;

use super::keep::Member;
use super::plan::{Asked, Plan, Planned, Test};

/// Places in [`Reader::events`], which are in the order of time.
type Places = [usize];

struct Reader<'a, 'v> {
    plan: &'a Plan,
    moment: &'a Moment,
    traits: Vec<Option<Cow<'v, Value>>>,
    events: Vec<Member<'a>>,
    streams: Vec<Stream<'a>>,
    /// Answers to [`Plan::common`].
    common: Vec<OnceCell<bool>>,
    /// Values of streams by the event that they follow.
    values: RefCell<HashMap<(usize, usize), Value>>,
}

/// The events of one stream.
struct Stream<'a> {
    plan: &'a Planned,
    /// Those that may be in it.
    members: Vec<usize>,
    /// Those that are, if that does not depend on the event around.
    passing: OnceCell<Vec<usize>>,
    /// The members by what has to be equal to a value of the event around.
    by_key: OnceCell<HashMap<String, Vec<usize>>>,
}

impl Plan {
    /// The value of the leaf over `entries`, which are in their order.
    pub(in crate::domain::query) fn read<'v>(
        &self,
        entries: &[Entry],
        traits: &dyn Fn(&str) -> Option<Cow<'v, Value>>,
        moment: &Moment,
    ) -> Value {
        let streams = self.streams.iter().map(|plan| Stream {
            plan,
            members: Vec::new(),
            passing: OnceCell::new(),
            by_key: OnceCell::new(),
        });
        let mut reader = Reader {
            plan: self,
            moment,
            traits: self.traits.iter().map(|name| traits(name)).collect(),
            events: Vec::with_capacity(entries.len()),
            streams: streams.collect(),
            common: self.common.iter().map(|_| OnceCell::new()).collect(),
            values: RefCell::default(),
        };
        for entry in entries {
            let Some((member, streams)) = Member::read(entry.at, &entry.value) else { continue };
            for stream in streams {
                if let Some(stream) = reader.streams.get_mut(stream) {
                    stream.members.push(reader.events.len());
                }
            }
            reader.events.push(member);
        }
        reader.value(0, None)
    }
}

impl Reader<'_, '_> {
    /// What a stream is reduced to; of the events that follow `parent`, if it follows any.
    fn value(&self, stream: usize, parent: Option<usize>) -> Value {
        let chosen = self.chosen(&self.streams[stream], parent);
        let plan = self.streams[stream].plan;
        match plan.reduced {
            None => Value::from(chosen.len()),
            Some(slot) => {
                let values = chosen.iter().map(|event| self.events[*event].slot(slot));
                reduce(
                    plan.stream.reducer.reduce,
                    &values.filter(|value| !value.is_null()).collect::<Vec<_>>(),
                )
            }
        }
    }

    /// As [`Reader::value`], remembered.
    fn value_after(&self, stream: usize, parent: usize) -> Value {
        let key = (stream, parent);
        if let Some(known) = self.values.borrow().get(&key) {
            return known.clone();
        }
        let value = self.value(stream, Some(parent));
        self.values.borrow_mut().insert(key, value.clone());
        value
    }

    /// The events of a stream that count now.
    fn chosen<'s>(&self, stream: &'s Stream<'_>, parent: Option<usize>) -> Cow<'s, Places> {
        let (candidates, tested) = self.candidates(stream, parent);
        let candidates = self.after_parent(stream.plan, candidates, parent);
        let inside = self.inside(stream.plan.stream.window, candidates);
        let passing = if tested {
            Cow::Borrowed(inside)
        } else {
            Cow::Owned(self.passing(stream.plan, inside, parent))
        };
        self.until_they_leave(stream.plan.stream.window, passing)
    }

    /// Events among which those that count are, and whether the filter has been asked.
    fn candidates<'s>(&self, stream: &'s Stream<'_>, parent: Option<usize>) -> (&'s Places, bool) {
        let plan = stream.plan;
        match (parent, plan.joined) {
            _ if plan.filter.is_none() => (&stream.members, true),
            (None, _) => (&stream.members, false),
            (Some(_), _) if !plan.asks_parent => {
                (stream.passing.get_or_init(|| self.passing(plan, &stream.members, None)), true)
            }
            (Some(parent), Some((own, of_parent)))
                if !self.plan.is_many(own) && !self.plan.is_many(of_parent) =>
            {
                let by_key = stream.by_key.get_or_init(|| self.by_key(&stream.members, own));
                let key = Datum::of(self.events[parent].slot(of_parent)).map(|value| value.key());
                (key.and_then(|key| by_key.get(&key)).map_or(&[], Vec::as_slice), false)
            }
            (Some(_), _) => (&stream.members, false),
        }
    }

    fn by_key(&self, members: &Places, slot: usize) -> HashMap<String, Vec<usize>> {
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for event in members {
            if let Some(value) = Datum::of(self.events[*event].slot(slot)) {
                by_key.entry(value.key()).or_default().push(*event);
            }
        }
        by_key
    }

    /// Those later than the parent, and soon enough after it.
    fn after_parent<'s>(&self, plan: &Planned, list: &'s Places, parent: Option<usize>) -> &'s Places {
        let Some(parent) = parent else { return list };
        let at = self.events[parent].at;
        let until = plan.stream.after_parent.map_or(i64::MAX, |span| at.saturating_add(span.millis()));
        self.between(list, at.saturating_add(1), until)
    }

    /// Those of `from` to `to`, both included.
    fn between<'s>(&self, list: &'s Places, from: i64, to: i64) -> &'s Places {
        let first = list.partition_point(|event| self.events[*event].at < from);
        let after = list.partition_point(|event| self.events[*event].at <= to);
        &list[first..after.max(first)]
    }

    /// Those in the window now; notes when the next one enters it.
    fn inside<'s>(&self, window: Window, list: &'s Places) -> &'s Places {
        let (near, far) = match window {
            Window::All => return list,
            Window::Within(span) => (0, span.millis()),
            Window::Between { near, far } => (near.millis(), far.millis()),
            Window::Session(_) => (0, i64::MAX),
        };
        let now = self.moment.now();
        let entered = self.between(list, i64::MIN, now.saturating_sub(near));
        if let Some(next) = list.get(entered.len()) {
            self.moment.note(self.events[*next].at.saturating_add(near));
        }
        self.between(entered, now.saturating_sub(far), i64::MAX)
    }

    fn passing(&self, plan: &Planned, list: &Places, parent: Option<usize>) -> Vec<usize> {
        let passes =
            |event: &usize| plan.filter.as_ref().is_none_or(|filter| self.passes(filter, *event, parent));
        list.iter().copied().filter(passes).collect()
    }

    /// Notes when the first of those in the window leaves it. Of a session, only the last run is left.
    fn until_they_leave<'s>(&self, window: Window, mut list: Cow<'s, Places>) -> Cow<'s, Places> {
        let ends = |event: &usize, span: i64| self.events[*event].at.saturating_add(span).saturating_add(1);
        match window {
            Window::All => {}
            Window::Within(far) | Window::Between { far, .. } => {
                list.first().into_iter().for_each(|oldest| self.moment.note(ends(oldest, far.millis())));
            }
            Window::Session(span) => {
                let gap_before = |pair: &Places| {
                    self.events[pair[1]].at.saturating_sub(self.events[pair[0]].at) > span.millis()
                };
                let start = list.windows(2).rposition(gap_before).map_or(0, |place| place + 1);
                let end = list.last().map_or(i64::MIN, |last| ends(last, span.millis()));
                self.moment.note(end);
                let start = if end <= self.moment.now() { list.len() } else { start };
                list.to_mut().drain(..start);
            }
        }
        list
    }
}

// Tests.
impl Reader<'_, '_> {
    fn passes(&self, filter: &Logic<Test>, event: usize, parent: Option<usize>) -> bool {
        filter.holds(&|test| match test {
            Test::Known(index) => self.events[event].answer(*index),
            Test::Common(index) => *self.common[*index].get_or_init(|| {
                self.plan.common[*index]
                    .holds(&|asked, test| self.any(asked, event, parent, test), self.moment)
            }),
            Test::Asked(comparison) => {
                comparison.holds(&|asked, test| self.any(asked, event, parent, test), self.moment)
            }
        })
    }

    fn any(&self, asked: &Asked, event: usize, parent: Option<usize>, test: compare::Test<'_>) -> bool {
        match asked {
            Asked::Trait(index, path) => path.any_under(self.traits[*index].as_deref(), &mut |value| {
                test(value.and_then(Datum::of).as_ref())
            }),
            Asked::Slot(slot) => self.any_of_slot(event, *slot, test),
            Asked::Parent(slot) => match parent {
                Some(parent) => self.any_of_slot(parent, *slot, test),
                None => test(None),
            },
            Asked::Literal(literal) => test(Some(&Datum::of_literal(literal))),
            Asked::Stream(stream) => test(Datum::of(&self.value_after(*stream, event)).as_ref()),
        }
    }

    fn any_of_slot(&self, event: usize, slot: usize, test: compare::Test<'_>) -> bool {
        match self.events[event].slot(slot) {
            Value::Array(values) if self.plan.is_many(slot) => {
                values.iter().any(|value| test(Datum::of(value).as_ref()))
            }
            value => test(Datum::of(value).as_ref()),
        }
    }
}
