//! Definitions as they are set, changed and removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::backfill::Start;
use super::command::{ApplyOptions, ApplyReport, By};
use super::error::EngineError;
use super::people::{definition_deeds, entry};
use super::writer::Writer;
use crate::domain::change::{BackfillWrite, ChangeSet, DefinitionWrite};
use crate::domain::decide::Rules;
use crate::domain::definition::plan::{self, Plan, Put};
use crate::domain::definition::{
    Announcement, Computation, Definition, Definitions, EventsWanted, Flow, History, Kind, LEAF_FORM,
    Problem, Revisit, Source, Status, Team, render,
};
use crate::domain::limits;
use crate::domain::people::{Action, Deed};
use crate::store::StoreError;

/// What a plan writes.
#[derive(Default)]
struct Written {
    changes: ChangeSet,
    /// Computations that nothing is read for any more.
    gone: Vec<String>,
    /// Teams whose hours, or rota, are others now; `None` for those that go.
    teams: Vec<(String, Option<Team>)>,
}

impl Written {
    /// Open journeys of a flow whose rules changed are looked at anew.
    fn put(&mut self, mut definition: Definition, has_journeys: bool) {
        match &mut definition {
            Definition::Flow(flow) if has_journeys => flow.revisit = Some(Revisit::default()),
            Definition::Team(team) => self.teams.push((team.key.clone(), Some(team.clone()))),
            Definition::Flow(_)
            | Definition::Audience(_)
            | Definition::Trait(_)
            | Definition::Source(_)
            | Definition::Destination(_) => {}
        }
        self.changes.definitions.push(DefinitionWrite::Put(Box::new(definition)));
    }

    fn delete(&mut self, existing: &Definitions, kind: Kind, key: String) {
        let known = existing.get(kind, &key);
        self.gone.extend(known.as_ref().and_then(Definition::computation).map(|it| it.id.clone()));
        if kind == Kind::Team {
            self.teams.push((key.clone(), None));
        }
        self.changes.definitions.push(DefinitionWrite::Delete { kind, key });
    }
}

impl Writer {
    /// Brings the definitions in line with what is wanted.
    pub(super) async fn apply(
        &mut self,
        wanted: Vec<Definition>,
        options: ApplyOptions,
        by: &By,
    ) -> Result<ApplyReport, EngineError> {
        let existing = Arc::clone(&self.rules.definitions);
        let now = self.shared.clock.now();
        let plan = plan::plan(&existing, wanted, options.prune, now, &mut self.ids, &self.address_policy)
            .map_err(EngineError::Invalid)?;
        refuse_too_many_copies(&existing, &plan)?;
        let report = ApplyReport {
            created: plan.created.clone(),
            changed: plan.changed.clone(),
            removed: plan.removed.clone(),
            unchanged: plan.unchanged.clone(),
        };
        if options.dry_run || (plan.puts.is_empty() && plan.deletes.is_empty()) {
            return Ok(report);
        }
        let until = self.shared.store.last_event().await?;
        let counts = self.shared.store.counts().await?;
        let has_journeys = counts.journeys.values().any(|count| *count > 0);
        let mut start = Start::new(&existing, until, (counts.events, counts.profiles), &mut self.ids, now);
        let mut written = Written::default();
        plan.puts.iter().for_each(|put| warn_of_old_key(&existing, &put.definition));
        for Put { mut definition, recompute } in plan.puts {
            if let Some(computation) = definition.computation_mut() {
                let before = existing.computation(&computation.key).filter(|it| it.id == computation.id);
                if recompute {
                    start.begin(computation, &mut self.ids);
                    let stopped = before.filter(|_| !computation.enabled);
                    written.gone.extend(stopped.map(|before| before.id.clone()));
                }
                announce_later(computation, before.map(Arc::as_ref));
            }
            written.put(definition, has_journeys);
        }
        for (kind, key) in plan.deletes {
            written.delete(&existing, kind, key);
        }
        let Written { mut changes, gone, teams } = written;
        for deed in definition_deeds(&existing, &changes.definitions) {
            changes.entries.push(entry(&mut self.ids, now, by, deed));
        }
        if has_journeys {
            revisit_flows_of(&existing, &teams, &mut changes);
        }
        self.put_backfill(start, gone, &mut changes);
        self.arm_summaries(&teams, &mut changes).await?;
        self.commit_definitions(changes).await?;
        tracing::info!(
            created = report.created.len(),
            changed = report.changed.len(),
            removed = report.removed.len(),
            "definitions applied"
        );
        Ok(report)
    }

    /// Older backfills no longer care for these computations: they are begun anew, or go.
    fn take_from_backfills(&self, ids: &[String], changes: &mut ChangeSet) {
        for backfill in self.rules.backfills.iter().filter(|backfill| !backfill.only_forgets()) {
            let mut left = backfill.clone();
            left.computations.retain(|it| !ids.contains(&it.id));
            if left.only_forgets() {
                changes.backfills.push(BackfillWrite::Delete(left.id));
            } else if left.computations.len() < backfill.computations.len() {
                changes.backfills.push(BackfillWrite::Put(Box::new(left)));
            }
        }
    }

    /// Puts what was started into `changes`; `gone` are computations that nothing is read for any more.
    fn put_backfill(&self, start: Start<'_>, mut gone: Vec<String>, changes: &mut ChangeSet) {
        let backfill = start.finish();
        let forgets = !gone.is_empty();
        gone.extend(backfill.computations.iter().map(|it| it.id.clone()));
        self.take_from_backfills(&gone, changes);
        // One that forgets and has not begun does for both.
        let is_planned = || self.rules.backfills.iter().any(|it| it.only_forgets() && it.is_untouched());
        if !backfill.only_forgets() || (forgets && !is_planned()) {
            if !backfill.only_forgets() {
                changes.begun.push(backfill.id);
            }
            changes.backfills.push(BackfillWrite::Put(Box::new(backfill)));
        }
    }

    /// Lets every profile forget what only that computation asked for, once `changes` are written.
    pub(super) async fn forget(&mut self, id: &str, changes: &mut ChangeSet) -> Result<(), StoreError> {
        let existing = Arc::clone(&self.rules.definitions);
        let (now, counts) = (self.shared.clock.now(), self.shared.store.counts().await?);
        let start = Start::new(&existing, None, (0, counts.profiles), &mut self.ids, now);
        self.put_backfill(start, vec![id.to_owned()], changes);
        Ok(())
    }

    /// Begins anew what was stored in a form that is no longer kept, before anything is evaluated on it, and what failed.
    pub(super) async fn renew_old_forms(&mut self) -> Result<(), StoreError> {
        let existing = Arc::clone(&self.rules.definitions);
        let is_old = |it: &&Arc<Computation>| {
            it.status == Status::Failed || (it.form < LEAF_FORM && it.status != Status::Leaving)
        };
        let old: Vec<Computation> = existing.computations().filter(is_old).map(|it| (**it).clone()).collect();
        if old.is_empty() {
            return Ok(());
        }
        tracing::info!(
            computations = old.len(),
            "failed before, or kept in an older form; computing them anew"
        );
        let until = self.shared.store.last_event().await?;
        let counts = self.shared.store.counts().await?;
        let now = self.shared.clock.now();
        let mut changes = ChangeSet::default();
        let mut start = Start::new(&existing, until, (counts.events, counts.profiles), &mut self.ids, now);
        for mut computation in old {
            start.begin(&mut computation, &mut self.ids);
            changes.definitions.push(DefinitionWrite::Put(Box::new(computation.into())));
        }
        self.put_backfill(start, Vec::new(), &mut changes);
        self.commit_definitions(changes).await
    }

    /// Removes one definition that nothing else needs.
    pub(super) async fn remove(
        &mut self,
        kind: Kind,
        key: &str,
        exit: bool,
        by: &By,
    ) -> Result<(), EngineError> {
        let existing = Arc::clone(&self.rules.definitions);
        let Some(definition) = existing.get(kind, key) else {
            return Err(EngineError::NotFound { what: kind.as_str(), key: key.to_owned() });
        };
        if let Some(conflict) = plan::needed_by(&existing, kind, key) {
            return Err(EngineError::Conflict(conflict));
        }
        if definition.computation().is_some_and(|it| it.status == Status::Leaving) {
            let message = format!("{} `{key}` is being deleted: its members are being told", kind.as_str());
            return if exit { Ok(()) } else { Err(EngineError::Conflict(message)) };
        }
        let mut changes = ChangeSet::default();
        let told = exit.then(|| json!({ "exit": true }));
        let deed = Deed::new(Action::Removed, format!("{} {key}", kind.as_str()));
        let deed = deed.from(render::audited(&definition)).to(told);
        changes.entries.push(entry(&mut self.ids, self.shared.clock.now(), by, deed));
        match definition {
            Definition::Audience(audience) if exit => {
                let leaving = Computation { status: Status::Leaving, ..audience };
                self.take_from_backfills(std::slice::from_ref(&leaving.id), &mut changes);
                changes.definitions.push(DefinitionWrite::Put(Box::new(leaving.into())));
            }
            _ if exit => {
                let message = "only an audience has members to tell; leave `exit` out";
                return Err(EngineError::Invalid(vec![Problem::new("exit", message)]));
            }
            definition => {
                if kind == Kind::Team {
                    self.arm_summaries(&[(key.to_owned(), None)], &mut changes).await?;
                }
                if let Some(computation) = definition.computation() {
                    self.forget(&computation.id, &mut changes).await?;
                }
                changes.definitions.push(DefinitionWrite::Delete { kind, key: key.to_owned() });
            }
        }
        self.commit_definitions(changes).await?;
        tracing::info!(kind = kind.as_str(), key, exit, "definition removed");
        Ok(())
    }

    /// Writes a change set that holds definitions, then goes by them.
    pub(super) async fn commit_definitions(&mut self, mut changes: ChangeSet) -> Result<(), StoreError> {
        let mut definitions = Definitions::clone(&self.rules.definitions);
        for write in &changes.definitions {
            match write {
                DefinitionWrite::Put(definition) => definitions.put((**definition).clone()),
                DefinitionWrite::Delete { kind, key } => {
                    definitions.remove(*kind, key);
                }
            }
        }
        let healths = self.healths_after(&mut changes, &definitions);
        self.commit(&mut changes).await?;
        if self.is_shared() {
            // How long the past is, was settled by the store.
            return self.catch_up().await;
        }
        let definitions = Arc::new(definitions);
        let mut backfills = self.rules.backfills.clone();
        for write in changes.backfills {
            let id = match &write {
                BackfillWrite::Put(backfill) => backfill.id,
                BackfillWrite::Delete(id) => *id,
            };
            backfills.retain(|known| known.id != id);
            if let BackfillWrite::Put(backfill) = write {
                backfills.push(*backfill);
            }
        }
        backfills.sort_by_key(|backfill| backfill.id);
        let surroundings = self.rules.surroundings.clone();
        self.rules = Arc::new(Rules::new(Arc::clone(&definitions), surroundings, Vec::new()));
        self.go_by_backfills(backfills);
        self.published.send_replace(definitions);
        self.go_by_healths(healths);
        self.jobs = true;
        Ok(())
    }
}

/// Says so where a source goes back to the key that it had before: as a rule because a file was not told of the change-over.
fn warn_of_old_key(existing: &Definitions, definition: &Definition) {
    let Definition::Source(source) = definition else { return };
    let Some(before) = existing.sources.get(&source.key) else { return };
    let key = |source: &Source| source.previous_write_key.as_ref().map(|it| it.write_key.clone());
    let has_changed_back =
        key(before).as_ref() == Some(&source.write_key) && key(source).as_ref() == Some(&before.write_key);
    if let Some(previous) = source.previous_write_key.as_ref().filter(|_| has_changed_back) {
        let (source, until) = (&source.key, previous.until.to_rfc3339_seconds());
        tracing::warn!(
            source,
            until,
            "a source has the write key again that another had taken the place of, and that one works until then only: put the newer \
             key into the definitions file"
        );
    }
}

/// Refuses more destinations that want every event than one commit can copy events for.
fn refuse_too_many_copies(existing: &Definitions, plan: &Plan) -> Result<(), EngineError> {
    let mut wanting: BTreeMap<&str, bool> = BTreeMap::new();
    for destination in existing.destinations.values() {
        wanting.insert(&destination.key, destination.events == EventsWanted::All);
    }
    for put in &plan.puts {
        if let Definition::Destination(destination) = &put.definition {
            wanting.insert(&destination.key, destination.events == EventsWanted::All);
        }
    }
    for (_, key) in plan.deletes.iter().filter(|(kind, _)| *kind == Kind::Destination) {
        wanting.remove(key.as_str());
    }
    let count = wanting.values().filter(|all| **all).count();
    if count <= limits::MAX_EVENT_DESTINATIONS {
        return Ok(());
    }
    let most = limits::MAX_EVENT_DESTINATIONS;
    let message = format!("{count} destinations want every event (`events = \"all\"`); at most {most} can");
    Err(EngineError::Invalid(vec![Problem::new("destination.events", message)]))
}

/// Destinations that a computation did not have before are told of the present values once it is live.
fn announce_later(computation: &mut Computation, before: Option<&Computation>) {
    let destinations = &computation.destinations;
    computation.announcements.retain(|it| destinations.contains(&it.destination));
    let Some(before) = before.filter(|_| computation.history != History::Off) else { return };
    let added = destinations.iter().filter(|key| !before.destinations.contains(key));
    let added = added.map(|key| Announcement { destination: key.clone(), after: None });
    computation.announcements.extend(added);
}

/// The open journeys of flows whose team changed are looked at anew, too.
fn revisit_flows_of(existing: &Definitions, teams: &[(String, Option<Team>)], changes: &mut ChangeSet) {
    let is_put = |flow: &Flow, changes: &ChangeSet| {
        changes.definitions.iter().any(|write| match write {
            DefinitionWrite::Put(definition) => {
                matches!(&**definition, Definition::Flow(put) if put.name == flow.name)
            }
            DefinitionWrite::Delete { kind, key } => *kind == Kind::Flow && *key == flow.name,
        })
    };
    for flow in existing.flows.values() {
        let is_concerned = flow.team.as_ref().is_some_and(|team| teams.iter().any(|(key, _)| key == team));
        if is_concerned && !is_put(flow, changes) {
            let flow = Flow { revisit: Some(Revisit::default()), ..(**flow).clone() };
            changes.definitions.push(DefinitionWrite::Put(Box::new(Definition::Flow(flow))));
        }
    }
}
