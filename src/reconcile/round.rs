//! One round: journeys that stand still are looked up, then runs that nobody told of are looked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use metrics::counter;
use url::Url;

use super::memory::Memory;
use super::pace::Pace;
use super::studio::{Access, Listed, Studio, StudioError, is_execution};
use crate::delivery::http_client::HttpClient;
use crate::domain::definition::{Definitions, Flow, SourceKind};
use crate::domain::event::{Event, STUDIO_FLOW_ENDED};
use crate::domain::ingest::execution::{Execution, Teller};
use crate::domain::ingest::recovery::{Remembered, missing, posts, user_of};
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use crate::domain::page::PageRequest;
use crate::domain::studio_flow::key_in;
use crate::domain::time::Span;
use crate::engine::{Engine, EngineError};
use crate::metrics::{RECONCILE_LOOK_UPS, RECONCILE_RECOVERED};

/// Most runs that one round looks up, of all flows together; the others have their turn in the next one.
const LOOK_UPS: usize = 200;
/// How many journeys of each status and flow one round looks at; the next one goes on from there.
const JOURNEYS: usize = 500;
/// A run is given so long to tell of itself.
const GRACE: Span = Span::from_secs(60);

/// What came of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Runs that Studio was asked about.
    pub looked_up: usize,
    /// Events that nobody had told of.
    pub recovered: usize,
    /// Runs of Studio's lists that were looked at.
    pub listed: usize,
}

/// What a flow's own widgets post, as of a revision.
type Posts = (u64, Arc<BTreeMap<String, String>>);

/// Looks back.
pub struct Reconciler {
    engine: Engine,
    http: HttpClient,
    pace: Pace,
    memory: Memory,
    /// Of flows by SID.
    posts: HashMap<String, Posts>,
    /// Where looking at journeys goes on, by flow and status.
    cursors: HashMap<(String, JourneyStatus), String>,
    /// How many rounds there were: each begins at another flow.
    rounds: usize,
}

/// One flow in one round.
struct Turn<'a> {
    access: &'a Access,
    definitions: Arc<Definitions>,
    flow: Arc<Flow>,
    flow_sid: String,
}

impl Reconciler {
    /// Nothing was looked at yet.
    pub fn new(engine: Engine, http: HttpClient, pace: Pace) -> Self {
        let (memory, posts, cursors) = (Memory::default(), HashMap::new(), HashMap::new());
        Self { engine, http, pace, memory, posts, cursors, rounds: 0 }
    }

    /// Looks back once, at the flows of which it is known which Studio flow they are. What can't be read of one run is in nobody's way.
    ///
    /// # Errors
    /// [`StudioError`], when Studio can't be asked at all or what was found can't be taken in; what was taken in before stays.
    pub async fn round(&mut self, access: &Access) -> Result<Round, StudioError> {
        let mut round = Round::default();
        let definitions = self.engine.definitions();
        let mut flows: Vec<&Arc<Flow>> = definitions.flows.values().filter(|it| it.sid.is_some()).collect();
        if !flows.is_empty() {
            let first = self.rounds % flows.len();
            flows.rotate_left(first);
        }
        self.rounds = self.rounds.wrapping_add(1);
        for (place, flow) in flows.iter().enumerate() {
            let Some(flow_sid) = flow.sid.clone() else { continue };
            let (definitions, flow) = (Arc::clone(&definitions), Arc::clone(flow));
            let turn = Turn { access, definitions, flow, flow_sid };
            // Each flow has its share of what is left, and either way of looking half of that.
            let share = (LOOK_UPS - round.looked_up).div_ceil(flows.len() - place);
            let most = round.looked_up + share;
            self.look_at_journeys(&turn, &mut round, most - share / 2).await?;
            match self.sweep(&turn, &mut round, most).await {
                Err(StudioError::Failed(why)) => {
                    tracing::warn!(flow = turn.flow.name, why, "its runs can't be listed")
                }
                other => other?,
            }
        }
        Ok(round)
    }

    /// Journeys that stalled, and those that were not heard of for as long as lost runs are looked for; until so many runs were
    /// looked up in this round.
    async fn look_at_journeys(
        &mut self,
        turn: &Turn<'_>,
        round: &mut Round,
        most: usize,
    ) -> Result<(), StudioError> {
        let now = self.engine.clock().now();
        let quiet_since = now.minus(turn.access.window);
        for status in [JourneyStatus::Stalled, JourneyStatus::Active] {
            for journey in self.some_journeys(turn, status).await? {
                let is_late = status == JourneyStatus::Stalled || journey.updated_at <= quiet_since;
                let sid = journey.execution_sid.as_deref().filter(|sid| is_late && is_execution(sid));
                if let Some(sid) = sid
                    && round.looked_up < most
                    && self.memory.is_due(sid, now)
                {
                    self.look_up(turn, sid, None, Some(&journey), round).await?;
                }
            }
        }
        Ok(())
    }

    /// As many journeys as one round looks at, from where the last one ended.
    async fn some_journeys(
        &mut self,
        turn: &Turn<'_>,
        status: JourneyStatus,
    ) -> Result<Vec<Journey>, EngineError> {
        let place = (turn.flow.name.clone(), status);
        let filter = JourneyFilter {
            flow: Some(turn.flow.name.clone()),
            status: Some(status),
            ..JourneyFilter::default()
        };
        let request = PageRequest { limit: JOURNEYS, cursor: self.cursors.remove(&place) };
        let page = self.engine.journeys(&filter, &request).await?;
        self.cursors.extend(page.cursor.map(|cursor| (place, cursor)));
        Ok(page.rows)
    }

    /// Runs that began lately: nobody told of them, or they ended and their journeys did not; until so many runs were looked up
    /// in this round.
    async fn sweep(&mut self, turn: &Turn<'_>, round: &mut Round, most: usize) -> Result<(), StudioError> {
        let now = self.engine.clock().now();
        let from = now.minus(turn.access.window);
        let listed = match self.studio(turn.access).executions(&turn.flow_sid, from).await {
            Ok(listed) => listed,
            Err(StudioError::NotFound(_)) => {
                tracing::warn!(flow = turn.flow.name, sid = turn.flow_sid, "Studio knows no such flow");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        round.listed += listed.len();
        for found in &listed {
            let is_young = found.created_at > now.minus(GRACE);
            if is_young || round.looked_up >= most || !self.memory.is_due(&found.sid, now) {
                continue;
            }
            let journey = self.engine.run(&found.sid).await?;
            match &journey {
                Some(journey)
                    if found.ended_at.is_some() && journey.status.is_open() && journey.died.is_none() =>
                {
                    self.look_up(turn, &found.sid, Some(found), Some(journey), round).await?;
                }
                None if !self.engine.knows_run(&found.sid).await? => {
                    self.look_up(turn, &found.sid, Some(found), None, round).await?;
                }
                Some(_) | None if found.ended_at.is_some() => self.memory.is_done(&found.sid),
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Looks one run up. One that can't be read is left alone for a while, so that it is in nobody's way.
    async fn look_up(
        &mut self,
        turn: &Turn<'_>,
        sid: &str,
        listed: Option<&Listed>,
        journey: Option<&Journey>,
        round: &mut Round,
    ) -> Result<(), StudioError> {
        round.looked_up += 1;
        counter!(RECONCILE_LOOK_UPS).increment(1);
        let found = match listed {
            Some(listed) => Ok(listed.clone()),
            None => self.studio(turn.access).execution(&turn.flow_sid, sid).await,
        };
        let outcome = match found {
            Ok(found) => self.recover(turn, &found, journey, round).await,
            Err(error) => Err(error),
        };
        let now = self.engine.clock().now();
        match outcome {
            Err(StudioError::NotFound(_)) => {
                self.memory.is_done(sid);
                Ok(())
            }
            Err(StudioError::Failed(why)) => {
                self.memory.goes_on(sid, now);
                tracing::warn!(
                    flow = turn.flow.name,
                    execution = sid,
                    why,
                    "a run can't be looked up; it is tried again later"
                );
                Ok(())
            }
            Err(error) => {
                self.memory.goes_on(sid, now);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Takes in what Studio knows of a run and nobody told.
    async fn recover(
        &mut self,
        turn: &Turn<'_>,
        found: &Listed,
        journey: Option<&Journey>,
        round: &mut Round,
    ) -> Result<(), StudioError> {
        let steps = self.studio(turn.access).steps(&turn.flow_sid, &found.sid).await?;
        let user = match journey {
            Some(journey) => journey.user.user_id().map(str::to_owned),
            None => self.user(turn, found).await?,
        };
        let posts = self.posts(turn, found.revision).await?;
        let execution = Execution {
            sid: found.sid.clone(),
            flow_sid: Some(turn.flow_sid.clone()),
            address: found.address.clone(),
            user,
        };
        let remembered = Remembered { created_at: found.created_at, ended_at: found.ended_at, steps };
        let now = self.engine.clock().now();
        let teller = Teller {
            execution: &execution,
            flow_name: Some(&turn.flow.name),
            flow: Some(&turn.flow),
            posts: Some(&posts),
            source: source(&turn.definitions),
            recovered: true,
            now,
        };
        let events = missing(&teller, &remembered, journey);
        if !events.is_empty() {
            count(&events);
            round.recovered += events.len();
            self.engine.ingest(events).await?;
        }
        match found.ended_at {
            Some(_) => self.memory.is_done(&found.sid),
            None => self.memory.goes_on(&found.sid, now),
        }
        Ok(())
    }

    /// The user that the run was started with, if its context tells.
    async fn user(&mut self, turn: &Turn<'_>, found: &Listed) -> Result<Option<String>, StudioError> {
        match self.studio(turn.access).context(&turn.flow_sid, &found.sid).await {
            Ok(context) => Ok(user_of(&context)),
            Err(StudioError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the flow's own widgets post; asked for again when a run is of a newer revision.
    async fn posts(
        &mut self,
        turn: &Turn<'_>,
        revision: u64,
    ) -> Result<Arc<BTreeMap<String, String>>, StudioError> {
        if let Some((_, posts)) = self.posts.get(&turn.flow_sid).filter(|(known, _)| *known >= revision) {
            return Ok(Arc::clone(posts));
        }
        let (definition, latest) = self.studio(turn.access).flow(&turn.flow_sid).await?;
        let found = Arc::new(posts(&definition, |url| is_ours(url, &turn.definitions)));
        self.posts.insert(turn.flow_sid.clone(), (latest.max(revision), Arc::clone(&found)));
        Ok(found)
    }

    fn studio<'a>(&'a mut self, access: &'a Access) -> Studio<'a> {
        Studio { http: &self.http, access, pace: &mut self.pace }
    }
}

/// Whether a widget posts to this server: a write key tells, whatever name the server was given in between.
fn is_ours(url: &Url, definitions: &Definitions) -> bool {
    let is_key = |key: &str| {
        let mut studio = definitions.sources.values().filter(|source| source.kind == SourceKind::Studio);
        studio.any(|source| source.write_key == key)
    };
    key_in(url.as_str()).is_some_and(is_key) || is_key(url.username())
}

/// Under which source the events are: the widgets' own.
fn source(definitions: &Definitions) -> &str {
    let of = |kind| definitions.sources.values().find(move |source| source.kind == kind);
    let source = of(SourceKind::Studio).or_else(|| of(SourceKind::EventStreams));
    source.map_or("studio", |source| source.key.as_str())
}

fn count(events: &[Event]) {
    for event in events {
        let is_end = event.behaviour_name() == Some(STUDIO_FLOW_ENDED);
        counter!(RECONCILE_RECOVERED, "what" => if is_end { "end" } else { "stage" }).increment(1);
    }
}
