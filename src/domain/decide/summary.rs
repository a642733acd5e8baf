//! A team's summary: when it is due, and the mails that it becomes. Counting journeys for it is the engine's.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Decision, object};
use crate::domain::definition::Team;
use crate::domain::delivery::{Cause, EMAIL, Payload};
use crate::domain::profile::Profile;
use crate::domain::time::Timestamp;

impl Decision<'_> {
    /// Looks at a team's desk because its timer fired.
    pub(super) fn wake_team(&mut self, profile: &mut Profile, key: &str) {
        let definitions = Arc::clone(&self.rules.definitions);
        self.arm_summary(profile, definitions.teams.get(key).map(Arc::as_ref));
    }

    /// Notes that a summary is due where it is, and sets the timer to the next one; `team` is the team as it is, or is to be;
    /// `None` where it goes. Says whether that changed anything.
    ///
    /// The timer tells what is due, so one that comes early or twice does nothing. Of several that were missed only the newest
    /// is made.
    pub fn arm_summary(&mut self, profile: &mut Profile, team: Option<&Team>) -> bool {
        let before = (profile.wake_at, profile.desk.clone());
        let is_due = profile.wake_at.is_some_and(|at| at <= self.now);
        let summary = team.and_then(|team| team.summary.as_ref());
        if summary.is_none() && profile.desk.is_none() {
            return false;
        }
        let mut desk = profile.desk.take().unwrap_or_default();
        let next = team.and_then(|team| {
            if is_due {
                // A clock that went back makes nothing due twice.
                desk.summary_due = team.last_summary(self.now).filter(|due| Some(*due) > desk.summed_up_at);
            }
            let last = desk.summary_due.max(desk.summed_up_at);
            team.next_summary(last.map_or(self.now, |last| last.max(self.now)))
        });
        match summary {
            // Whoever is taken off the list, and put onto it again, is asked anew.
            Some(summary) => desk.unsubscribed.retain(|gone| summary.to.iter().any(|to| is_same(to, gone))),
            None => desk.summary_due = None,
        }
        profile.wake_at = next;
        profile.desk = Some(desk);
        (profile.wake_at, &profile.desk) != (before.0, &before.1)
    }

    /// Sends the summary of the time up to `until`, where it is still to be made; says whether it was.
    pub fn send_summary(
        &mut self,
        profile: &mut Profile,
        team: &Team,
        until: Timestamp,
        summary: &Value,
    ) -> bool {
        let Some(desk) = profile.desk.as_mut().filter(|desk| desk.summary_due == Some(until)) else {
            return false;
        };
        desk.summary_due = None;
        desk.summed_up_at = Some(until);
        let unsubscribed = desk.unsubscribed.clone();
        profile.updated_at = self.now;
        let summary = &self.with_links(summary);
        let to = team.summary.iter().flat_map(|summary| &summary.to);
        for address in to.filter(|to| !unsubscribed.iter().any(|gone| is_same(to, gone))) {
            let url = self.rules.surroundings.public_url.as_deref();
            let context = json!({
                "summary": summary,
                "timeZone": team.time_zone.name(),
                "link": url.map(|url| format!("{url}/api/journeys?status=stalled")),
                "now": self.now,
            });
            let payload = Payload::Email {
                template: "summary".to_owned(),
                to: vec![address.clone()],
                context: object(context),
            };
            let message_id = format!("{}.summary.{}.{address}", team.key, until.millis());
            self.deliver(EMAIL, &profile.key, message_id, Cause::Time, payload);
        }
        true
    }

    /// `summary` with where the API has each journey that it names.
    fn with_links(&self, summary: &Value) -> Value {
        let mut summary = summary.clone();
        let oldest = summary.get_mut("oldest").and_then(Value::as_array_mut);
        for journey in oldest.into_iter().flatten() {
            let url = self.rules.surroundings.public_url.as_deref().zip(journey["id"].as_str());
            journey["link"] = url.map(|(url, id)| format!("{url}/api/journeys/{id}")).into();
        }
        summary
    }

    /// Sends no more summaries to that address; says whether that is something new. One that gets none is not remembered.
    pub fn unsubscribe(&mut self, profile: &mut Profile, team: &Team, address: &str) -> bool {
        let is_told = team.summary.iter().flat_map(|summary| &summary.to).any(|to| is_same(to, address));
        let mut desk = profile.desk.take().unwrap_or_default();
        let is_new = is_told && !desk.unsubscribed.iter().any(|gone| is_same(gone, address));
        if is_new {
            desk.unsubscribed.push(address.to_lowercase());
            profile.updated_at = self.now;
        }
        profile.desk = Some(desk);
        is_new
    }
}

/// Whether these are the same mail address.
fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}
