//! When a journey stalls, which level of its escalation is due, and when it is given up.

use super::progress::close;
use super::{Acknowledgement, EscalationReceipt, Journey, JourneyStatus, Note, Snooze};
use crate::domain::change::JourneyMove;
use crate::domain::definition::{Flow, Level, LevelKey};
use crate::domain::ids::DeliveryId;
use crate::domain::limits;
use crate::domain::time::Timestamp;

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
}

impl Journey {
    /// Whether that level of the present stage fired before.
    fn fired(&self, key: &LevelKey) -> bool {
        self.escalations.iter().any(|mark| mark.key == *key && mark.stage == self.stage)
    }

    /// The word of an operator who took notice of the present stall.
    pub fn acknowledgement(&self) -> Option<&Acknowledgement> {
        self.acknowledged
            .iter()
            .rev()
            .find(|known| known.stage == self.stage && known.stage_at == self.stage_at)
    }

    /// When it is given up if nothing is heard of it.
    pub fn expires_at(&self, flow: Option<&Flow>) -> Timestamp {
        self.stage_at.plus(flow.map_or(limits::DEFAULT_EXPIRE_AFTER, |flow| flow.expire_after))
    }

    /// Levels whose time has come and that did not fire yet.
    pub fn due_levels<'a>(&self, flow: &'a Flow, now: Timestamp) -> Vec<DueLevel<'a>> {
        if !self.status.is_open() || self.acknowledgement().is_some() {
            return Vec::new();
        }
        let levels = u32::try_from(flow.levels(&self.stage).count()).unwrap_or(u32::MAX);
        flow.levels(&self.stage)
            .filter(|(_, key, level)| self.stage_at.plus(level.after) <= now && !self.fired(key))
            .map(|(number, key, level)| DueLevel { number, key, levels, level })
            .collect()
    }

    /// The earliest instant at which time alone changes something about this journey.
    pub fn next_wake(&self, flow: Option<&Flow>) -> Option<Timestamp> {
        if !self.status.is_open() {
            return None;
        }
        // An acknowledged stall climbs no further, but its journey still expires.
        let ladder = flow.filter(|_| self.acknowledgement().is_none());
        let levels = ladder.into_iter().flat_map(|flow| flow.levels(&self.stage));
        levels
            .filter(|(_, key, _)| !self.fired(key))
            .map(|(_, _, level)| self.stage_at.plus(level.after))
            .chain(std::iter::once(self.expires_at(flow)))
            .min()
    }

    /// A rule came due.
    pub fn stall(&mut self, now: Timestamp, moves: &mut Vec<JourneyMove>) {
        if self.status == JourneyStatus::Active {
            moves.push(JourneyMove {
                id: self.id,
                user: self.user.clone(),
                from: Some(JourneyStatus::Active),
                to: JourneyStatus::Stalled,
                moved: false,
            });
            self.status = JourneyStatus::Stalled;
        }
        self.updated_at = now;
    }

    /// Gives the journey up when nothing was heard of it for long enough.
    pub fn expire(&mut self, flow: Option<&Flow>, now: Timestamp, moves: &mut Vec<JourneyMove>) {
        if self.status.is_open() && self.expires_at(flow) <= now {
            close(self, JourneyStatus::Expired, now, now, moves);
        }
    }

    /// An operator has taken notice: the ladder of this stall stops. Says whether that was possible.
    pub fn acknowledge(&mut self, note: Note) -> bool {
        let open = self.status.is_open();
        if open && self.acknowledgement().is_none() {
            self.updated_at = note.at;
            if self.acknowledged.len() >= limits::MAX_ACKNOWLEDGEMENTS {
                self.acknowledged.remove(0);
            }
            let (stage, stage_at) = (self.stage.clone(), self.stage_at);
            self.acknowledged.push(Acknowledgement { stage, stage_at, note });
        }
        open
    }

    /// Whether a level of the present stall fired between its begin and `at`.
    pub fn was_told(&self, at: Timestamp) -> bool {
        let times = self.stage_at..=at;
        self.escalations.iter().any(|mark| mark.stage == self.stage && times.contains(&mark.at))
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
            close(self, JourneyStatus::Resolved, note.at, note.at, moves);
            self.resolved = Some(note);
        }
        open
    }
}
