//! The demo's week, played through the product itself: an engine whose clock is set back a week and stepped forward, with its
//! writer, its dispatcher and its sender, over a store in memory.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use super::cast::STAFF;
use super::plan::{Act, LATER_AUDIENCE, Planned, Word};
use super::week::Week;
use crate::clock::Clock;
use crate::delivery::dispatcher::{Dispatcher, EngineOutbox};
use crate::delivery::sender::Sender;
use crate::domain::definition::Definition;
use crate::domain::delivery::{DeliveryFilter, DeliveryStatus, EMAIL};
use crate::domain::ids::JourneyId;
use crate::domain::people::Role;
use crate::domain::time::{Span, Timestamp};
use crate::engine::{
    ApplyOptions, BackfillPace, By, Engine, EngineError, NewPerson, Operation, Settings, Writer,
};
use crate::store::Store;

/// How long deliveries wait that could be tried and were not: their destination is given a rest.
const REST: Span = Span::from_secs(30);

/// The engine with its clock, and what is known of the runs so far.
pub(super) struct History {
    store: Arc<dyn Store>,
    clock: Clock,
    engine: Engine,
    writer: Writer,
    dispatcher: Option<Dispatcher>,
    destinations: Vec<String>,
    /// What is defined in the course of the week.
    later: Vec<Definition>,
    journeys: HashMap<usize, JourneyId>,
}

impl History {
    /// An engine over an empty store, at the beginning of the week.
    pub async fn begin(store: Arc<dyn Store>, settings: Settings) -> Result<Self, String> {
        let clock = settings.clock.clone();
        let (engine, writer) = Writer::open(Arc::clone(&store), settings).await.map_err(said)?;
        // Steps of the same length each time, whatever else this machine does.
        let writer = writer.with_pace(BackfillPace { by_time: false, ..BackfillPace::default() });
        Ok(Self {
            store,
            clock,
            engine,
            writer,
            dispatcher: None,
            destinations: Vec::new(),
            later: Vec::new(),
            journeys: HashMap::new(),
        })
    }

    /// The engine, for whoever sends.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Admits the staff, all with the same password.
    pub async fn admit(&mut self, password: &str) -> Result<(), String> {
        for (name, email, role) in STAFF {
            let engine = self.in_name_of(0);
            let person = NewPerson {
                email: email.to_owned(),
                name: name.to_owned(),
                role,
                password: password.to_owned(),
            };
            let admitted = async {
                // The first one is admitted by nobody.
                if role == Role::Admin {
                    engine.set_up(person).await
                } else {
                    engine.add_person(person).await
                }
            };
            self.ask(admitted).await?.map_err(said)?;
        }
        Ok(())
    }

    /// Defines what there is; the audience that is defined later is kept back.
    pub async fn define(&mut self, mut definitions: Vec<Definition>) -> Result<(), String> {
        let engine = self.in_name_of(0);
        self.later = definitions.extract_if(.., |it| it.key() == LATER_AUDIENCE).collect();
        self.ask(engine.apply(definitions, ApplyOptions::default())).await?.map_err(said)?;
        self.destinations = engine.definitions().destinations.keys().cloned().collect();
        self.destinations.push(EMAIL.to_owned());
        self.work().await
    }

    /// Plays all of it, up to the end of the week.
    pub async fn play(
        &mut self,
        planned: Vec<Planned>,
        week: Week,
        sender: Arc<dyn Sender>,
    ) -> Result<(), String> {
        let outbox = Arc::new(EngineOutbox::new(self.engine.clone(), Arc::clone(&self.store)));
        self.dispatcher = Some(Dispatcher::new(outbox, sender, self.clock.clone()));
        for Planned { at, act } in planned {
            self.advance(at).await?;
            self.perform(act).await?;
            self.deliver().await?;
        }
        self.advance(week.end).await?;
        self.deliver().await
    }

    /// Lets time pass until `end`; what comes due on the way has its effect when it is due.
    async fn advance(&mut self, end: Timestamp) -> Result<(), String> {
        loop {
            let now = self.clock.now();
            let timer = self.store.next_timer().await.map_err(said)?;
            let next = [timer, self.next_delivery(now).await?].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next < end) else { break };
            self.clock.set(next.max(now));
            self.work().await?;
            self.deliver().await?;
        }
        self.clock.set(end);
        Ok(())
    }

    /// When something is to be sent next.
    async fn next_delivery(&self, now: Timestamp) -> Result<Option<Timestamp>, String> {
        let mut first: Option<Timestamp> = None;
        for destination in &self.destinations {
            let next = self.store.next_delivery(destination, &HashSet::new()).await.map_err(said)?;
            let next = next.map(|at| if at <= now { now.plus(REST) } else { at });
            first = [first, next].into_iter().flatten().min();
        }
        Ok(first)
    }

    async fn perform(&mut self, act: Act) -> Result<(), String> {
        match act {
            Act::Post { event, run } => {
                let engine = self.engine.clone();
                let accepted = self.ask(engine.ingest(vec![*event])).await?.map_err(said)?;
                if let (Some(run), Some(journey)) = (run, accepted.first().and_then(|it| it.journey)) {
                    self.journeys.insert(run, journey);
                }
                Ok(())
            }
            Act::Operate { run, word, by, reason, via } => self.operate(run, &word, (by, reason, via)).await,
            Act::Define { audience, by } => {
                let engine = self.in_name_of(by);
                let later = self.later.extract_if(.., |it| it.key() == audience).collect();
                self.ask(engine.apply(later, ApplyOptions::default())).await?.map_err(said).map(drop)
            }
            Act::Pause { destination, by, reason } => {
                let engine = self.in_name_of(by);
                let paused = engine.pause(destination, STAFF[by].1, reason);
                self.ask(paused).await?.map_err(said).map(drop)
            }
            Act::Resume { destination, by } => {
                let engine = self.in_name_of(by);
                self.ask(engine.resume(destination)).await?.map_err(said).map(drop)
            }
            Act::Replay { destination, by } => {
                let engine = self.in_name_of(by);
                let filter = DeliveryFilter {
                    destination: Some(destination.to_owned()),
                    status: Some(DeliveryStatus::Dead),
                    ..DeliveryFilter::default()
                };
                self.ask(engine.replay(filter)).await?.map_err(said).map(drop)
            }
        }
    }

    async fn operate(
        &mut self,
        run: usize,
        word: &Word,
        (by, reason, via): (usize, &str, &'static str),
    ) -> Result<(), String> {
        let Some(id) = self.journeys.get(&run).copied() else { return Ok(()) };
        let operation = match word {
            Word::Acknowledge => Operation::Acknowledge { told_at: None },
            Word::Resolve => Operation::Resolve,
            Word::Snooze(span) => Operation::Snooze { until: self.clock.now().plus(*span), told_at: None },
        };
        // In a mail they write their names; at the console they are known.
        let (name, address, _) = STAFF[by];
        let who = if via == "mail" { name } else { address };
        let by = By { who: who.to_owned(), reason: reason.to_owned(), via };
        let engine = self.engine.clone();
        match self.ask(engine.operate(id, operation, by)).await? {
            // It has moved on by itself meanwhile, as in life.
            Ok(_) | Err(EngineError::Conflict(_)) => Ok(()),
            Err(error) => Err(said(error)),
        }
    }

    fn in_name_of(&self, person: usize) -> Engine {
        self.engine.acting(By::new(STAFF[person].1, "console"))
    }

    /// Sends what is due, as long as there is something that may be sent.
    async fn deliver(&mut self) -> Result<(), String> {
        let Some(dispatcher) = self.dispatcher.clone() else { return Ok(()) };
        let now = self.clock.now();
        for destination in self.destinations.clone() {
            loop {
                let due = self.store.next_delivery(&destination, &HashSet::new()).await.map_err(said)?;
                if due.is_none_or(|at| at > now) {
                    break;
                }
                if self.ask(dispatcher.step(&destination)).await?.map_err(said)? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Lets the engine work until there is nothing left to do.
    async fn work(&mut self) -> Result<(), String> {
        self.writer.tick();
        while self.writer.step().await.map_err(said)? {}
        Ok(())
    }

    /// Lets the engine work until it has answered, and until there is nothing left to do.
    async fn ask<T>(&mut self, asking: impl Future<Output = T>) -> Result<T, String> {
        let answered = Cell::new(false);
        let asking = async {
            let answer = asking.await;
            answered.set(true);
            answer
        };
        let writer = &mut self.writer;
        let working = async {
            loop {
                let more = writer.step().await.map_err(said)?;
                tokio::task::yield_now().await;
                if answered.get() && !more {
                    return Ok(());
                }
            }
        };
        let (answer, worked) = futures_util::future::join(asking, working).await;
        worked.map(|()| answer)
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
