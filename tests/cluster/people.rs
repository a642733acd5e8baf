//! People over a store that several nodes share: whatever two of them decide at once, there is one first admin, and a last one.

use std::sync::Arc;

use stagepost::clock::Clock;
use stagepost::domain::people::{Person, PersonChange, Role, StaffError};
use stagepost::engine::{Engine, EngineError, NewPerson};

use crate::engines::Running;
use crate::support::stores::{Backend, Place};

/// How many nodes there are.
const NODES: u8 = 3;
/// How often something is done at once: whether nodes meet is a matter of milliseconds.
const ROUNDS: usize = 10;

fn new_person(name: &str, role: Role) -> NewPerson {
    let password = "four words make one".to_owned();
    NewPerson { email: format!("{name}@example.com"), name: name.to_owned(), role, password }
}

fn admins(people: &[Person]) -> usize {
    people.iter().filter(|person| person.is_active_admin()).count()
}

/// The nodes, over a new store.
async fn nodes(backend: Backend, folder: &std::path::Path) -> (Place, Vec<Running>) {
    let place = Place::new(backend, folder, &Clock::system());
    let mut running = Vec::new();
    for number in 1..=NODES {
        running.push(Running::start(place.open().await, number).await);
    }
    (place, running)
}

async fn stop(running: Vec<Running>) {
    for it in running {
        it.engine.stop().await;
        it.thread.join().expect("the writer's thread");
    }
}

async fn of_set_ups_at_once_one_is_done(backend: Backend) {
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let (_place, running) = nodes(backend, folder.path()).await;
        let barrier = Arc::new(tokio::sync::Barrier::new(running.len()));
        let set_up = |number: usize, engine: Engine| {
            let barrier = Arc::clone(&barrier);
            async move {
                // Some with one address, some each with his own.
                let name = if round % 2 == 0 { format!("p{number}") } else { "ann".to_owned() };
                barrier.wait().await;
                engine.set_up(new_person(&name, Role::Viewer)).await
            }
        };
        let tasks: Vec<_> = running
            .iter()
            .enumerate()
            .map(|(number, it)| tokio::spawn(set_up(number, it.engine.clone())))
            .collect();
        let mut done = 0;
        for task in tasks {
            match task.await.expect("a set-up") {
                Ok(person) => {
                    assert_eq!(person.role, Role::Admin);
                    done += 1;
                }
                Err(EngineError::Staff(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(done, 1, "round {round}");
        for it in &running {
            let people = it.engine.people().await.expect("people");
            assert_eq!((people.len(), admins(&people)), (1, 1), "round {round}");
        }
        stop(running).await;
    }
}

async fn of_the_last_admins_one_stays(backend: Backend) {
    let folder = tempfile::tempdir().expect("a folder");
    let (_place, running) = nodes(backend, folder.path()).await;
    let engines: Vec<Engine> = running.iter().map(|it| it.engine.clone()).collect();
    engines[0].set_up(new_person("p0", Role::Admin)).await.expect("the first admin");
    for round in 0..ROUNDS {
        let mut people = engines[0].people().await.expect("people");
        for number in people.len()..engines.len() {
            let name = format!("p{round}-{number}");
            people.push(engines[0].add_person(new_person(&name, Role::Admin)).await.expect("a person"));
        }
        // Each admin ends another one, on another node, by another way.
        let ends = people.iter().zip(&engines).enumerate().map(|(number, (person, engine))| {
            let (id, engine) = (person.id, engine.clone());
            tokio::spawn(async move {
                match number {
                    0 => engine.remove_person(id).await,
                    1 => {
                        let change = PersonChange { disabled: Some(true), ..PersonChange::default() };
                        engine.change_person(id, change).await.map(|_| ())
                    }
                    _ => {
                        let change = PersonChange { role: Some(Role::Viewer), ..PersonChange::default() };
                        engine.change_person(id, change).await.map(|_| ())
                    }
                }
            })
        });
        let mut refused = 0;
        for end in ends.collect::<Vec<_>>() {
            match end.await.expect("an end") {
                Ok(()) => {}
                Err(EngineError::Staff(why)) => {
                    assert_eq!(why, StaffError::LastAdmin);
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        let left = engines[1].people().await.expect("people");
        assert_eq!((refused, admins(&left)), (1, 1), "round {round}: {left:?}");
        for person in left.iter().filter(|person| !person.is_active_admin()) {
            engines[1].remove_person(person.id).await.expect("he is no admin any more");
        }
    }
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_set_ups_at_once_one_is_done_in_shared_memory() {
    of_set_ups_at_once_one_is_done(Backend::SharedMemory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_set_ups_at_once_one_is_done_in_postgres() {
    of_set_ups_at_once_one_is_done(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_the_last_admins_one_stays_in_shared_memory() {
    of_the_last_admins_one_stays(Backend::SharedMemory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_the_last_admins_one_stays_in_postgres() {
    of_the_last_admins_one_stays(Backend::Postgres).await;
}
