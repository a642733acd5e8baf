//! The first computation of an audience: the event log into its leaves, then every profile once, while live events go on.
//!
//! Events up to the audience's making come from the log, later ones count as they arrive; leaf updates commute, so the
//! two give what the ordered stream would have given.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::group::Group;
use super::writer::Writer;
use crate::domain::change::{ChangeSet, DefinitionWrite};
use crate::domain::definition::{
    Audience, AudienceStatus, Definition, Definitions, Flow, LeafUse, Phase, Revisit,
};
use crate::domain::event::Event;
use crate::domain::ids::{EventId, IdSource};
use crate::domain::journey::Journey;
use crate::domain::limits;
use crate::store::StoreError;

/// Sets a new or changed audience to be computed. A leaf that a live audience keeps already is shared; the others start
/// empty under names of their own and are filled from the log up to `until`, its present end.
pub(super) fn start_computing(
    audience: &mut Audience,
    existing: &Definitions,
    until: Option<EventId>,
    ids: &mut IdSource,
) {
    if !audience.enabled {
        audience.status = AudienceStatus::Disabled;
        audience.leaves.clear();
        return;
    }
    let live: Vec<&LeafUse> = existing
        .audiences
        .values()
        .filter(|other| other.status == AudienceStatus::Live)
        .flat_map(|other| &other.leaves)
        .collect();
    let mut fresh = BTreeSet::new();
    let uses =
        audience.query.leaves().iter().map(|spec| match live.iter().find(|known| known.spec == *spec) {
            Some(known) => (*known).clone(),
            None => {
                let id = ids.leaf();
                fresh.insert(id);
                LeafUse { id, spec: spec.clone() }
            }
        });
    audience.leaves = uses.collect();
    audience.status = AudienceStatus::Computing(match until {
        Some(until) if !fresh.is_empty() => Phase::History { after: None, until, fresh },
        _ => Phase::Profiles { after: None },
    });
}

impl Writer {
    /// One step of an audience's first computation.
    pub(super) async fn compute(&mut self, audience: &Arc<Audience>) -> Result<(), StoreError> {
        match &audience.status {
            AudienceStatus::Computing(Phase::History { after, until, fresh }) => {
                let events = self.shared.store.event_log(*after, *until, limits::BACKFILL_STEP).await?;
                let Some(last) = events.last().map(|event| event.id) else {
                    return self
                        .progress(audience, AudienceStatus::Computing(Phase::Profiles { after: None }))
                        .await;
                };
                let shared = Arc::clone(&self.shared);
                let now = shared.clock.now();
                let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
                let names = audience.query.event_names();
                let counted =
                    |event: &&Event| event.as_behaviour().is_some_and(|(name, _)| names.contains(name));
                group.load(events.iter().filter(counted).map(|event| event.user_key())).await?;
                for event in events.iter().filter(counted) {
                    group.with_profile(&event.user_key(), |decision, profile| {
                        decision.count_past(profile, audience, event, fresh);
                        (true, ())
                    });
                }
                let phase = Phase::History { after: Some(last), until: *until, fresh: fresh.clone() };
                let changes = group.finish();
                self.commit_progress(changes, audience, AudienceStatus::Computing(phase)).await
            }
            AudienceStatus::Computing(Phase::Profiles { after }) => {
                let (profiles, last) =
                    self.shared.store.profiles_after(after.as_ref(), limits::BACKFILL_STEP).await?;
                let Some(last) = last else {
                    tracing::info!(audience = audience.key, "audience is live");
                    return self.progress(audience, AudienceStatus::Live).await;
                };
                let shared = Arc::clone(&self.shared);
                let now = shared.clock.now();
                let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
                for profile in profiles {
                    let user = profile.key.clone();
                    group.hold(profile);
                    group.with_profile(&user, |decision, profile| {
                        (decision.evaluate_first(profile, audience), ())
                    });
                }
                let changes = group.finish();
                let phase = Phase::Profiles { after: Some(last) };
                self.commit_progress(changes, audience, AudienceStatus::Computing(phase)).await
            }
            AudienceStatus::Live | AudienceStatus::Disabled => Ok(()),
        }
    }

    async fn progress(&mut self, audience: &Audience, status: AudienceStatus) -> Result<(), StoreError> {
        self.commit_progress(ChangeSet::default(), audience, status).await
    }

    async fn commit_progress(
        &mut self,
        mut changes: ChangeSet,
        audience: &Audience,
        status: AudienceStatus,
    ) -> Result<(), StoreError> {
        let definition = Definition::Audience(Audience { status, ..audience.clone() });
        changes.definitions.push(DefinitionWrite::Put(Box::new(definition)));
        self.commit_definitions(changes).await
    }

    /// One step of looking anew at the open journeys of a flow whose rules changed.
    pub(super) async fn revisit(&mut self, flow: &Arc<Flow>) -> Result<(), StoreError> {
        let Some(Revisit { after }) = &flow.revisit else { return Ok(()) };
        let (profiles, last) =
            self.shared.store.profiles_after(after.as_ref(), limits::BACKFILL_STEP).await?;
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut group = Group::new(&*shared.store, Arc::clone(&self.rules), now, &mut self.ids);
        for profile in profiles {
            let concerned = |journey: &Journey| journey.status.is_open() && journey.flow == flow.name;
            if profile.journeys.iter().any(concerned) {
                let user = profile.key.clone();
                group.hold(profile);
                group.with_profile(&user, |decision, profile| {
                    decision.revisit(profile);
                    (true, ())
                });
            }
        }
        let mut changes = group.finish();
        let revisit = last.map(|last| Revisit { after: Some(last) });
        let definition = Definition::Flow(Flow { revisit, ..(**flow).clone() });
        changes.definitions.push(DefinitionWrite::Put(Box::new(definition)));
        self.commit_definitions(changes).await
    }
}
