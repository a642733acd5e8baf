//! Summaries: the journeys of the last day are counted, a page at a time, and what was counted becomes mails.
//!
//! How far the counting has come is only in memory: begun anew after a restart, it comes to the same. That a summary was made
//! is in the change set with its mails, so each is made once.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;

use super::command::By;
use super::error::EngineError;
use super::group::Group;
use super::people::entry;
use super::writer::Writer;
use crate::domain::change::ChangeSet;
use crate::domain::definition::{Definitions, Summary, Team};
use crate::domain::ids::{Desk, JourneyId, UserKey};
use crate::domain::journey::{JourneyFilter, JourneyStatus};
use crate::domain::limits;
use crate::domain::page::PageRequest;
use crate::domain::people::{Action, Deed};
use crate::domain::summary::Tally;
use crate::domain::time::{Span, Timestamp};
use crate::store::StoreError;

/// A summary as it is put together.
pub(super) struct SummingUp {
    team: String,
    tally: Tally,
    /// Journeys that are wanted: first those that are stalled, whenever they began, then all.
    filter: JourneyFilter,
    cursor: Option<String>,
    /// The stalled ones that were counted; they come again among all.
    stalled: HashSet<JourneyId>,
    /// How many journeys the present filter was shown.
    looked_at: usize,
    /// The filters to come.
    then: Option<JourneyFilter>,
    is_whole: bool,
    is_read: bool,
}

impl SummingUp {
    fn new(
        team: &Team,
        summary: &Summary,
        until: Timestamp,
        now: Timestamp,
        definitions: &Definitions,
    ) -> Self {
        let day = Span::from_days(1);
        let from = team.last_summary(until.minus(Span::from_millis(1))).unwrap_or_else(|| until.minus(day));
        let is_meant = |name: &String| summary.flows.is_empty() || summary.flows.contains(name);
        let flows = definitions.flows.values().filter(|flow| is_meant(&flow.name));
        // Whatever ended in this time was first seen at most so long before; a flow that is not defined is among all, too.
        let undefined = summary.flows.is_empty().then_some(limits::DEFAULT_EXPIRE_AFTER);
        let lasting = flows.map(|flow| flow.expire_after).chain(undefined).max().unwrap_or_default();
        let stalled = JourneyFilter { status: Some(JourneyStatus::Stalled), ..JourneyFilter::default() };
        let all =
            JourneyFilter { from: Some(from.minus(lasting)), to: Some(until), ..JourneyFilter::default() };
        Self {
            team: team.key.clone(),
            tally: Tally::new(from, until, now),
            filter: stalled,
            cursor: None,
            stalled: HashSet::new(),
            looked_at: 0,
            then: Some(all),
            is_whole: true,
            is_read: false,
        }
    }

    /// What is read next, once a page was read that ended with `cursor`.
    fn go_on(&mut self, cursor: Option<String>) {
        let is_full = self.looked_at >= limits::SUMMARY_JOURNEYS;
        self.is_whole &= cursor.is_none() || !is_full;
        self.cursor = cursor.filter(|_| !is_full);
        if self.cursor.is_none() {
            match self.then.take() {
                Some(filter) => (self.filter, self.looked_at) = (filter, 0),
                None => self.is_read = true,
            }
        }
    }
}

impl Writer {
    /// One step of the first summary that is due; says whether there was one.
    pub(super) async fn sum_up(&mut self) -> Result<bool, StoreError> {
        if self.summing_up.is_none() {
            self.summing_up = self.due_summary().await?;
        }
        // What fails is begun anew.
        let Some(summing_up) = self.summing_up.take() else {
            self.summaries_due = false;
            return Ok(false);
        };
        let desk = UserKey::desk(&Desk::Team(&summing_up.team));
        match self.go_on_summing_up(summing_up).await {
            Err(error) if error.is_about_this() => {
                tracing::error!(desk = %desk, %error, "a summary can't be made; it is left alone");
                self.stuck.insert(desk);
                Ok(true)
            }
            done => done.map(|()| true),
        }
    }

    /// The first team whose summary is due.
    async fn due_summary(&self) -> Result<Option<SummingUp>, StoreError> {
        let definitions = &self.rules.definitions;
        let summed_up = |team: &Arc<Team>| Some((Arc::clone(team), team.summary.clone()?));
        let teams: Vec<(Arc<Team>, Summary)> = definitions.teams.values().filter_map(summed_up).collect();
        if teams.is_empty() {
            return Ok(None);
        }
        let desks: Vec<UserKey> =
            teams.iter().map(|(team, _)| UserKey::desk(&Desk::Team(&team.key))).collect();
        let found = self.shared.store.profiles(&desks).await?;
        let now = self.shared.clock.now();
        let due = teams.iter().zip(found).find_map(|((team, summary), desk)| {
            let desk = desk.filter(|desk| !self.stuck.contains(&desk.key))?;
            let until = desk.desk.and_then(|desk| desk.summary_due)?;
            Some(SummingUp::new(team, summary, until, now, definitions))
        });
        Ok(due)
    }

    async fn go_on_summing_up(&mut self, mut it: SummingUp) -> Result<(), StoreError> {
        let definitions = Arc::clone(&self.rules.definitions);
        let Some(team) = definitions.teams.get(&it.team) else { return Ok(()) };
        let Some(summary) = &team.summary else { return Ok(()) };
        if it.is_read {
            return self.send_summary(team, it).await;
        }
        let page = PageRequest { limit: self.fewer(limits::SUMMARY_STEP), cursor: it.cursor.take() };
        let found = self.shared.store.journeys(&it.filter, &page).await?;
        it.looked_at += found.rows.len();
        let is_first_time = it.then.is_some();
        for journey in found.rows {
            let is_meant = summary.flows.is_empty() || summary.flows.contains(&journey.flow);
            if is_meant && !it.stalled.contains(&journey.id) {
                it.tally.count(&journey);
                it.stalled.extend(is_first_time.then_some(journey.id));
            }
        }
        it.go_on(found.cursor);
        self.summing_up = Some(it);
        Ok(())
    }

    async fn send_summary(&mut self, team: &Team, it: SummingUp) -> Result<(), StoreError> {
        let (_, until) = it.tally.window();
        let told = it.tally.finish(&team.key, it.is_whole);
        let desk = UserKey::desk(&Desk::Team(&team.key));
        let shared = Arc::clone(&self.shared);
        let mut group =
            Group::new(&*shared.store, Arc::clone(&self.rules), shared.clock.now(), &mut self.ids);
        group.load([desk.clone()]).await?;
        let is_made =
            group.with_slot(&desk, |decision, profile| decision.send_summary(profile, team, until, &told));
        let mut changes = group.finish().await?;
        // It may not be due any more: the team's summary changed, or another node made it.
        if is_made == Some(true) {
            self.commit(&mut changes).await?;
            tracing::info!(team = team.key, %until, "a summary was made");
        }
        Ok(())
    }

    /// Sets the timers of these teams' summaries, in the change set that defines or removes (`None`) them.
    pub(super) async fn arm_summaries(
        &mut self,
        teams: &[(String, Option<Team>)],
        changes: &mut ChangeSet,
    ) -> Result<(), StoreError> {
        if teams.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let mut group =
            Group::new(&*shared.store, Arc::clone(&self.rules), shared.clock.now(), &mut self.ids);
        let desk = |key: &str| UserKey::desk(&Desk::Team(key));
        group.load(teams.iter().map(|(key, _)| desk(key))).await?;
        for (key, team) in teams {
            group.with_slot(&desk(key), |decision, profile| decision.arm_summary(profile, team.as_ref()));
        }
        changes.profiles.extend(group.finish().await?.profiles);
        Ok(())
    }

    /// Sends a team's summary to that address no more.
    pub(super) async fn unsubscribe(
        &mut self,
        team: &str,
        address: &str,
        by: &By,
    ) -> Result<(), EngineError> {
        let definitions = Arc::clone(&self.rules.definitions);
        let Some(team) = definitions.teams.get(team) else {
            return Err(EngineError::NotFound { what: "team", key: team.to_owned() });
        };
        let desk = UserKey::desk(&Desk::Team(&team.key));
        let shared = Arc::clone(&self.shared);
        let mut group =
            Group::new(&*shared.store, Arc::clone(&self.rules), shared.clock.now(), &mut self.ids);
        group.load([desk.clone()]).await?;
        let is_new = group
            .with_slot(&desk, |decision, profile| decision.unsubscribe(profile, team, address))
            .unwrap_or(false);
        let mut changes = group.finish().await?;
        if is_new {
            let deed = Deed::new(Action::Unsubscribed, format!("team {}", team.key));
            let deed = deed.to(json!({ "address": address }));
            changes.entries.push(entry(&mut self.ids, shared.clock.now(), by, deed));
            self.commit(&mut changes).await?;
            tracing::info!(team = team.key, "somebody wants no summaries any more");
        }
        Ok(())
    }
}
