//! Definitions as they are set, changed and removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::backfill::start_computing;
use super::command::{ApplyOptions, ApplyReport};
use super::error::EngineError;
use super::writer::Writer;
use crate::domain::change::{ChangeSet, DefinitionWrite};
use crate::domain::decide::Rules;
use crate::domain::definition::plan::{self, Plan, Put};
use crate::domain::definition::{Definition, Definitions, EventsWanted, Kind, Problem, Revisit};
use crate::domain::limits;
use crate::store::StoreError;

impl Writer {
    /// Brings the definitions in line with what is wanted.
    pub(super) async fn apply(
        &mut self,
        wanted: Vec<Definition>,
        options: ApplyOptions,
    ) -> Result<ApplyReport, EngineError> {
        let existing = Arc::clone(&self.rules.definitions);
        let now = self.shared.clock.now();
        let plan =
            plan::plan(&existing, wanted, options.prune, now, &mut self.ids).map_err(EngineError::Invalid)?;
        refuse_cycles(&existing, &plan)?;
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
        let has_journeys = self.shared.store.counts().await?.journeys.values().any(|count| *count > 0);
        let mut changes = ChangeSet::default();
        for Put { mut definition, recompute } in plan.puts {
            match &mut definition {
                Definition::Audience(audience) if recompute => {
                    start_computing(audience, &existing, until, &mut self.ids);
                }
                Definition::Flow(flow) if has_journeys => flow.revisit = Some(Revisit::default()),
                Definition::Audience(_)
                | Definition::Flow(_)
                | Definition::Source(_)
                | Definition::Destination(_) => {}
            }
            changes.definitions.push(DefinitionWrite::Put(Box::new(definition)));
        }
        for (kind, key) in plan.deletes {
            changes.definitions.push(DefinitionWrite::Delete { kind, key });
        }
        self.commit_definitions(changes).await?;
        tracing::info!(
            created = report.created.len(),
            changed = report.changed.len(),
            removed = report.removed.len(),
            "definitions applied"
        );
        Ok(report)
    }

    /// Removes one definition that nothing else needs.
    pub(super) async fn remove(&mut self, kind: Kind, key: &str) -> Result<(), EngineError> {
        let existing = Arc::clone(&self.rules.definitions);
        if existing.get(kind, key).is_none() {
            return Err(EngineError::NotFound { what: kind.as_str(), key: key.to_owned() });
        }
        if let Some(conflict) = plan::needed_by(&existing, kind, key) {
            return Err(EngineError::Conflict(conflict));
        }
        let write = DefinitionWrite::Delete { kind, key: key.to_owned() };
        self.commit_definitions(ChangeSet { definitions: vec![write], ..ChangeSet::default() }).await?;
        tracing::info!(kind = kind.as_str(), key, "definition removed");
        Ok(())
    }

    /// Writes a change set that holds definitions, then goes by them.
    pub(super) async fn commit_definitions(&mut self, changes: ChangeSet) -> Result<(), StoreError> {
        self.commit(&changes).await?;
        let mut definitions = Definitions::clone(&self.rules.definitions);
        for write in changes.definitions {
            match write {
                DefinitionWrite::Put(definition) => definitions.put(*definition),
                DefinitionWrite::Delete { kind, key } => {
                    definitions.remove(kind, &key);
                }
            }
        }
        let definitions = Arc::new(definitions);
        self.rules = Arc::new(Rules::new(Arc::clone(&definitions), self.rules.public_url.clone()));
        self.published.send_replace(definitions);
        self.jobs = true;
        Ok(())
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

/// Refuses audiences that ask about each other in a circle: their truth would have no beginning.
fn refuse_cycles(existing: &Definitions, plan: &Plan) -> Result<(), EngineError> {
    let mut asks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut note = |key: &str, query: &crate::domain::query::Query| {
        asks.insert(key.to_owned(), query.trait_names().into_iter().map(str::to_owned).collect());
    };
    for audience in existing.audiences.values() {
        note(&audience.key, &audience.query);
    }
    for put in &plan.puts {
        if let Definition::Audience(audience) = &put.definition {
            note(&audience.key, &audience.query);
        }
    }
    for (kind, key) in &plan.deletes {
        if *kind == Kind::Audience {
            asks.remove(key);
        }
    }
    // Audiences that ask about no audience that is left are settled; what can never be settled is a circle.
    while let Some(settled) = asks
        .iter()
        .find(|(_, names)| !names.iter().any(|name| asks.contains_key(name)))
        .map(|(key, _)| key.clone())
    {
        asks.remove(&settled);
    }
    if asks.is_empty() {
        return Ok(());
    }
    let members = asks.into_keys().collect::<Vec<_>>().join(", ");
    Err(EngineError::Invalid(vec![Problem::new(
        "audience.query",
        format!("The audience would create a cycle by referencing another audience: {members}"),
    )]))
}
