//! When a journey stalls and when it is given up, what its marks are, and what operators say of it.

use super::progress::close;
use super::{
    Acknowledgement, Death, Escalation, EscalationReceipt, Journey, JourneyStatus, Ladder, Note, Snooze,
};
use crate::domain::change::JourneyMove;
use crate::domain::definition::{Flow, Team};
use crate::domain::ids::DeliveryId;
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// What marks of mails say they are.
const EMAIL_CHANNEL: &str = "email";

/// How a journey is, seen by somebody who was told of one of its stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// That stall lasts.
    Stalled,
    /// Somebody acknowledged that stall.
    Acknowledged,
    /// That stall is over; what is said of it says nothing of what the journey does now.
    MovedOn,
    /// The journey is finished.
    Closed,
}

impl Journey {
    /// How it is for somebody who was told of a stall then; without that, for somebody who means its present one.
    pub fn standing(&self, told_at: Option<Timestamp>) -> Standing {
        if !self.status.is_open() {
            Standing::Closed
        } else if told_at.is_some_and(|told_at| !self.was_told(told_at)) {
            Standing::MovedOn
        } else if self.acknowledgement().is_some() {
            Standing::Acknowledged
        } else {
            Standing::Stalled
        }
    }

    /// Whether it is a mark of the present stall: the journey may have stood in that stage before.
    pub(super) fn is_of_stall(&self, mark: &Escalation) -> bool {
        mark.stage == self.stage && mark.at >= self.stage_at
    }

    /// What the ladder of the present stall did so far, oldest first.
    pub fn marks_of_stall(&self) -> impl DoubleEndedIterator<Item = &Escalation> {
        self.escalations.iter().filter(|mark| self.is_of_stall(mark))
    }

    /// The newest snooze of the present stall.
    pub fn snooze_of_stall(&self) -> Option<&Snooze> {
        self.snoozes.iter().rev().find(|known| known.stage == self.stage && known.stage_at == self.stage_at)
    }

    /// Keeps the mark of a level that fired.
    ///
    /// Past `limits::MAX_ESCALATIONS` those go first that say nothing that is still asked for: of levels that fired again since, then
    /// the other actions of levels that are not the newest. The first mail stays, since later ones are threaded to it.
    pub fn mark(&mut self, mark: Escalation) {
        if self.escalations.len() >= limits::MAX_ESCALATIONS {
            let first_mail = self.escalations.iter().position(|mark| mark.channel == EMAIL_CHANNEL);
            let newest = (&mark.stage, mark.key, mark.again);
            let is_idle = |(place, old): &(usize, &Escalation)| {
                Some(*place) != first_mail && (&old.stage, old.key, old.again) != newest
            };
            let later = |place: usize| self.escalations[place + 1..].iter().chain([&mark]);
            let same =
                |old: &Escalation, other: &Escalation| old.stage == other.stage && old.key == other.key;
            let mut idle = self.escalations.iter().enumerate().filter(is_idle);
            let fired_again = idle
                .clone()
                .find(|(place, old)| later(*place).any(|other| same(old, other) && other.again > old.again));
            let gone =
                fired_again.or_else(|| idle.find(|(place, old)| later(*place).any(|other| same(old, other))));
            if let Some((place, _)) = gone {
                self.escalations.remove(place);
            }
        }
        self.escalations.push(mark);
    }

    /// The word of an operator who took notice of the present stall.
    pub fn acknowledgement(&self) -> Option<&Acknowledgement> {
        self.acknowledged
            .iter()
            .rev()
            .find(|known| known.stage == self.stage && known.stage_at == self.stage_at)
    }

    /// When it is given up if nothing is heard of it: the last thing on its ladder, put off as the ladder is, so that nobody is
    /// given up while a level still waits for its team's opening.
    pub fn expires_at(&self, flow: Option<&Flow>, team: Option<&Team>) -> Timestamp {
        let Some(flow) = flow else { return self.stage_at.plus(limits::DEFAULT_EXPIRE_AFTER) };
        Ladder::new(self, flow, team, self.stage_at).ends_at()
    }

    /// The earliest instant at which time alone changes something about this journey: now, where it does at once.
    pub fn next_wake(&self, flow: Option<&Flow>, team: Option<&Team>, now: Timestamp) -> Option<Timestamp> {
        if !self.status.is_open() {
            return None;
        }
        let death = self.died.as_ref().filter(|_| self.status == JourneyStatus::Active).map(Death::acts_at);
        let level = flow.and_then(|flow| Ladder::new(self, flow, team, now).wakes_at());
        [Some(self.expires_at(flow, team)), death, level].into_iter().flatten().min()
    }

    /// A rule came due.
    pub fn stall(&mut self, now: Timestamp, moves: &mut Vec<JourneyMove>) {
        if self.status == JourneyStatus::Active {
            self.relist(moves, |it| it.status = JourneyStatus::Stalled);
        }
        self.updated_at = now;
    }

    /// Gives the journey up when nothing was heard of it for long enough.
    pub fn expire(
        &mut self,
        flow: Option<&Flow>,
        team: Option<&Team>,
        now: Timestamp,
        moves: &mut Vec<JourneyMove>,
    ) {
        if self.status.is_open() && self.expires_at(flow, team) <= now {
            self.relist(moves, |it| close(it, JourneyStatus::Expired, now, now));
        }
    }

    /// An operator has taken notice: the ladder of this stall stops.
    pub fn acknowledge(&mut self, note: Note, moves: &mut Vec<JourneyMove>) {
        self.updated_at = note.at;
        if self.acknowledged.len() >= limits::MAX_ACKNOWLEDGEMENTS {
            self.acknowledged.remove(0);
        }
        let (stage, stage_at) = (self.stage.clone(), self.stage_at);
        self.relist(moves, |it| it.acknowledged.push(Acknowledgement { stage, stage_at, note }));
    }

    /// Whether a level of the present stall fired by then.
    fn was_told(&self, by: Timestamp) -> bool {
        self.escalations.iter().any(|mark| self.is_of_stall(mark) && mark.at <= by)
    }

    /// Why nobody needs what was made `at` that time to tell of this journey any more; `None` while it is wanted.
    pub fn overtakes(&self, at: Timestamp) -> Option<&'static str> {
        match self.standing(Some(at)) {
            Standing::Closed => Some("the journey was over before it could be sent"),
            Standing::MovedOn => Some("the journey had moved on before it could be sent"),
            Standing::Acknowledged => Some("the stall was acknowledged before it could be sent"),
            Standing::Stalled => {
                let is_snoozed = self.snooze_of_stall().is_some_and(|snooze| snooze.note.at > at);
                is_snoozed.then_some("the journey was snoozed before it could be sent")
            }
        }
    }

    /// What became of something that was sent for it; says whether that was news.
    pub fn receive(&mut self, delivery: DeliveryId, receipt: Option<&EscalationReceipt>) -> bool {
        let mark = self.escalations.iter_mut().find(|mark| mark.delivery_id == delivery);
        mark.is_some_and(|mark| {
            let is_news = mark.receipt.as_ref() != receipt;
            mark.receipt = receipt.cloned();
            is_news
        })
    }

    /// An operator wants to hear of it again later: its ladder rests until then.
    pub fn snooze(&mut self, until: Timestamp, note: Note) {
        self.updated_at = note.at;
        if self.snoozes.len() >= limits::MAX_SNOOZES {
            self.snoozes.remove(0);
        }
        let (stage, stage_at) = (self.stage.clone(), self.stage_at);
        self.snoozes.push(Snooze { stage, stage_at, until, note });
    }

    /// An operator closes it. Says whether that was possible.
    pub fn resolve(&mut self, note: Note, moves: &mut Vec<JourneyMove>) -> bool {
        let open = self.status.is_open();
        if open {
            self.relist(moves, |it| close(it, JourneyStatus::Resolved, note.at, note.at));
            self.resolved = Some(note);
        }
        open
    }
}
