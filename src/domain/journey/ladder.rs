//! The ladder of a stalled journey: which level fires next, and when.
//!
//! It follows from the journey (its marks, snoozes, death), the flow, the team's hours and the time; nothing else is kept.
//!
//! A level is planned for `stage_at + after`. What moves one level moves all that come after it by as much, so that they keep
//! their distances: a level that waits for its team's opening, a snooze, a level that comes early because the one before reached
//! nobody, a death. By how much the ladder was moved so far stands in the newest mark ([`Escalation::moved_by`]).

use super::{Death, Escalation, Journey, Snooze};
use crate::domain::definition::{Channel, Flow, Level, LevelKey, OutsideHours, Team};
use crate::domain::time::{Span, Timestamp};

/// How late a level may be looked at and still count as on time: the distance of the next one is kept from its plan then.
const ON_TIME: Span = Span::from_secs(60);

/// A level that is due now.
#[derive(Clone, Copy, Debug)]
pub struct DueLevel<'a> {
    /// Its number among the levels of the stage.
    pub number: u32,
    /// Which level it is.
    pub key: LevelKey,
    /// How many levels the stage has.
    pub levels: u32,
    /// The level.
    pub level: &'a Level,
    /// How often it fired before in this stall.
    pub again: u32,
    /// What it does: its actions, or what it does outside the hours.
    pub actions: &'a [Channel],
    /// Where nothing is to happen at this hour, and what it does is what happens instead.
    pub is_outside_hours: bool,
    /// By how many milliseconds the ladder is moved from then on; to be kept in its marks.
    pub moved_by: i64,
}

/// The level that fires next if nothing is heard of the journey until then.
#[derive(Clone, Copy, Debug)]
pub struct NextLevel<'a> {
    /// Its number among the levels of the stage.
    pub number: u32,
    /// How often it fired before in this stall.
    pub again: u32,
    /// When it fires; now, where it is due.
    pub at: Timestamp,
    /// What it does then.
    pub actions: &'a [Channel],
}

/// A level that is to fire.
#[derive(Clone, Copy)]
struct Rung<'a> {
    number: u32,
    key: LevelKey,
    level: &'a Level,
    again: u32,
    /// When by the plan, moved as the ladder was so far.
    planned: Timestamp,
    /// When it may at the earliest, whatever the hours.
    wanted: Timestamp,
    /// When it does; now, where it is due. Whatever the hours, until it is [`Ladder::opened`].
    at: Timestamp,
}

/// What a journey's ladder hangs on.
#[derive(Clone, Copy)]
pub struct Ladder<'j, 'a> {
    journey: &'j Journey,
    flow: &'a Flow,
    team: Option<&'a Team>,
    now: Timestamp,
}

impl<'j, 'a> Ladder<'j, 'a> {
    /// That of a journey of `flow`, whose hours are those of `team` (`None`: always open).
    pub fn new(journey: &'j Journey, flow: &'a Flow, team: Option<&'a Team>, now: Timestamp) -> Self {
        Self { journey, flow, team, now }
    }

    /// The level that fires now, if one does. Of several it is the one that was planned first: once it has its marks, the next
    /// may be due, too.
    pub fn due(&self) -> Option<DueLevel<'a>> {
        let rung = self.next().filter(|rung| rung.at <= self.now)?;
        let (actions, is_outside_hours) = self.actions_at(rung.level, self.now);
        Some(DueLevel {
            number: rung.number,
            key: rung.key,
            levels: u32::try_from(self.levels().count()).unwrap_or(u32::MAX),
            level: rung.level,
            again: rung.again,
            actions,
            is_outside_hours,
            moved_by: self.moved_by().saturating_add(self.due_at(&rung).millis_since(rung.planned)),
        })
    }

    /// When the next level fires; now, where one is due.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        self.next().map(|rung| rung.at)
    }

    /// The next level, and what it does.
    pub fn next_level(&self) -> Option<NextLevel<'a>> {
        let Rung { number, level, again, at, .. } = self.next()?;
        let (actions, _) = self.actions_at(level, at);
        Some(NextLevel { number, again, at, actions })
    }

    /// What a level does at that instant, and whether it does that only because its team does not work then.
    fn actions_at(&self, level: &'a Level, at: Timestamp) -> (&'a [Channel], bool) {
        let is_closed = || self.team.is_some_and(|team| !team.is_open(at));
        match &level.outside_hours {
            OutsideHours::Instead(actions) if is_closed() => (actions, true),
            OutsideHours::Instead(_) | OutsideHours::Wait | OutsideHours::Send => (&level.actions, false),
        }
    }

    /// When the journey is given up: `expire_after` as it is planned, moved as the ladder was so far, and by as much as the next
    /// level waits, if that was planned before. The ladder is to be looked at from its beginning.
    pub(super) fn ends_at(&self) -> Timestamp {
        let planned = self.journey.stage_at.plus(self.flow.expire_after);
        let moved = planned.plus(Span::from_millis(self.moved_by().max(0)));
        let next = self.next().filter(|rung| rung.planned < moved);
        let wait = next.map_or(0, |rung| rung.at.millis_since(rung.planned).max(0));
        moved.plus(Span::from_millis(wait))
    }

    fn levels(&self) -> impl Iterator<Item = (u32, LevelKey, &'a Level)> {
        self.flow.levels(&self.journey.stage)
    }

    /// Marks of the present stall, newest first.
    fn marks(&self) -> impl Iterator<Item = &'j Escalation> + use<'j, 'a> {
        let journey = self.journey;
        journey.escalations.iter().rev().filter(move |mark| journey.is_of_stall(mark))
    }

    /// By how much the ladder was moved so far.
    fn moved_by(&self) -> i64 {
        match self.marks().next() {
            Some(newest) => newest.moved_by,
            // The first level of a run that died is due then, unless it was before.
            None => {
                let first =
                    self.unfired().map(|(_, _, level)| self.journey.stage_at.plus(level.after)).next();
                let death = self.journey.died.as_ref().map(Death::acts_at);
                death.zip(first).map_or(0, |(death, first)| death.millis_since(first).min(0))
            }
        }
    }

    /// Levels that never fired for this journey.
    fn unfired(&self) -> impl Iterator<Item = (u32, LevelKey, &'a Level)> {
        let (journey, stage) = (self.journey, self.journey.stage.as_str());
        let has_fired = move |key: &LevelKey| {
            journey.escalations.iter().any(|mark| mark.key == *key && mark.stage == stage)
        };
        self.levels().filter(move |(_, key, _)| !has_fired(key))
    }

    /// The next rung. While a snooze lasts and until it was reminded of, that is the reminder.
    fn next(&self) -> Option<Rung<'a>> {
        if !self.journey.status.is_open() || self.journey.acknowledgement().is_some() {
            return None;
        }
        let newest = self.marks().next();
        let snooze = self.journey.snooze_of_stall().filter(|it| newest.is_none_or(|mark| mark.at < it.until));
        if let Some(reminder) = newest.zip(snooze).and_then(|(mark, snooze)| self.reminder(mark, snooze)) {
            return Some(reminder);
        }
        let rest_until = snooze.map(|snooze| snooze.until);
        // Of those that wait for an opening, the one that is wanted first comes first: only that opening is looked for.
        let mut first: [Option<Rung<'a>>; 2] = [None; 2];
        for rung in self.first_firings(rest_until).chain(self.repetitions(rest_until)) {
            let first = &mut first[usize::from(self.team_that_waits(rung.level).is_some())];
            if first.is_none_or(|known| (rung.wanted, rung.number) < (known.wanted, known.number)) {
                *first = Some(rung);
            }
        }
        let rungs = first.into_iter().flatten().map(|rung| self.opened(rung));
        rungs.min_by_key(|rung| (rung.at, rung.wanted, rung.number))
    }

    /// The level that fired last, once more.
    fn reminder(&self, newest: &Escalation, snooze: &Snooze) -> Option<Rung<'a>> {
        let (number, key, level) = self.levels().find(|(_, key, _)| *key == newest.key)?;
        let planned = self.planned(level);
        let again = newest.again.saturating_add(1);
        Some(self.opened(self.rung((number, key, level), again, planned, snooze.until)))
    }

    fn first_firings(&self, rest_until: Option<Timestamp>) -> impl Iterator<Item = Rung<'a>> {
        let hastened = self.nobody_reached().and_then(|(number, at)| {
            let next = self.unfired().map(|(number, ..)| number).find(|it| *it > number)?;
            Some((next, at))
        });
        self.unfired().map(move |(number, key, level)| {
            let planned = self.planned(level);
            let early = hastened.filter(|(next, _)| *next == number).map(|(_, at)| at);
            let wanted =
                early.map_or(planned, |early| early.min(planned)).max(rest_until.unwrap_or_default());
            self.rung((number, key, level), 0, planned, wanted)
        })
    }

    fn repetitions(&self, rest_until: Option<Timestamp>) -> impl Iterator<Item = Rung<'a>> {
        let moved_by = self.moved_by();
        self.levels().filter_map(move |(number, key, level)| {
            let repeat = level.repeat?;
            let last = self.marks().find(|mark| mark.key == key).filter(|last| last.again < repeat.times)?;
            // What moved the ladder since moves this, too.
            let moved_since = Span::from_millis(moved_by.saturating_sub(last.moved_by));
            let planned = last.at.plus(repeat.every).plus(moved_since);
            let wanted = planned.max(rest_until.unwrap_or_default());
            Some(self.rung((number, key, level), last.again.saturating_add(1), planned, wanted))
        })
    }

    /// When a level is planned, moved as the ladder was so far.
    fn planned(&self, level: &Level) -> Timestamp {
        let plan = self.journey.stage_at.plus(level.after);
        Timestamp::from_millis(plan.millis().saturating_add(self.moved_by()))
    }

    fn rung(
        &self,
        (number, key, level): (u32, LevelKey, &'a Level),
        again: u32,
        planned: Timestamp,
        wanted: Timestamp,
    ) -> Rung<'a> {
        Rung { number, key, level, again, planned, wanted, at: wanted.max(self.now) }
    }

    /// The rung when its team works, where it waits for that.
    fn opened(&self, rung: Rung<'a>) -> Rung<'a> {
        let at = self.team_that_waits(rung.level).map_or(rung.at, |team| team.next_opening(rung.at));
        Rung { at, ..rung }
    }

    /// The team whose opening a level waits for.
    fn team_that_waits(&self, level: &Level) -> Option<&'a Team> {
        self.team.filter(|_| level.outside_hours == OutsideHours::Wait)
    }

    /// When a rung that fires now was due, hours included: what comes next keeps its distance from then. Where there are hours and
    /// it is later than that, it was kept waiting by something that the next one is to wait for, too: that instant is now.
    fn due_at(&self, rung: &Rung<'_>) -> Timestamp {
        let Some(team) = self.team_that_waits(rung.level) else { return rung.wanted };
        let opening = team.next_opening(rung.wanted);
        if self.now <= opening.plus(ON_TIME) { opening } else { self.now }
    }

    /// The number of the level that fired last, and since when it is known that nothing it did reached anybody. Where it called
    /// people, or wrote to their telephones, only that counts: a mail or a post that was taken wakes nobody.
    fn nobody_reached(&self) -> Option<(u32, Timestamp)> {
        let newest = self.marks().next()?;
        let firing = || self.marks().filter(|mark| mark.key == newest.key && mark.again == newest.again);
        let has_rung = firing().any(Escalation::is_to_telephone);
        let failures = firing().filter(|mark| !has_rung || mark.is_to_telephone()).map(|mark| {
            let receipt = mark.receipt.as_ref().filter(|receipt| receipt.reached == Some(false));
            receipt.map(|receipt| receipt.at)
        });
        let failed_at = failures.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        // As it is numbered now, where it is still there.
        let number = self.levels().find(|(_, key, _)| *key == newest.key).map_or(newest.level, |it| it.0);
        Some((number, failed_at))
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
