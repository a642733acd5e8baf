//! `stagepost demo`: a scratch server with a believable week in it, which goes on as it is looked at.
//!
//! The week goes through the product itself ([`history`]): an engine whose clock is set back, over memory, so that nothing waits for
//! a disk. Then it is copied into a store in a folder of its own, as `stagepost copy` would, and served from there; the folder is
//! gone when the demo ends.

mod cast;
mod history;
mod live;
mod plan;
mod receiver;
mod runs;
mod shop;
mod week;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use self::cast::{STAFF, User};
use self::history::History;
use self::receiver::Receiver;
use self::week::Week;
use super::args::DemoArguments;
use super::serve;
use crate::clock::{self, Clock};
use crate::config::{Config, Said, Secret};
use crate::delivery::templates::Templates;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::definition::Definition;
use crate::domain::ids::IdSource;
use crate::engine::{Settings, Surroundings};
use crate::file::File;
use crate::store::Store;
use crate::store::copy;
use crate::store::memory::MemoryStore;
use crate::{crypto, telemetry};

/// What is defined; `${RECEIVER}` stands for the address of the demo's own receiver.
const DEFINITIONS: &str = include_str!("definitions.toml");
/// Whom destinations may be that are allowed although they are private: the demo's own receiver.
const THIS_MACHINE: &str = "127.0.0.0/8";
/// Settings of the environment that the demo goes by; it has its own for the rest, so that nothing of anybody's is touched.
const FROM_OUTSIDE: [&str; 3] = ["STAGEPOST_LISTEN", "STAGEPOST_LOG", "STAGEPOST_LOG_FORMAT"];

/// Runs the demo until it is told to stop.
pub(super) fn run(arguments: &DemoArguments, environment: &[(String, String)]) -> ExitCode {
    match begin(arguments, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("stagepost: {message}");
            ExitCode::FAILURE
        }
    }
}

fn begin(arguments: &DemoArguments, environment: &[(String, String)]) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("stagepost-demo-").tempdir();
    let folder = folder.map_err(|error| format!("can't make a folder for the demo: {error}"))?;
    let config = config(arguments, environment, folder.path())?;
    telemetry::init(&config.log, config.log_format)?;
    crypto::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("can't start threads: {error}"))?;
    let ended = runtime.block_on(demonstrate(arguments, config));
    // Nothing of it may still be writing when the folder goes.
    drop(runtime);
    ended
}

/// The settings: all of the demo's own, but for where it listens and what it logs.
fn config(
    arguments: &DemoArguments,
    environment: &[(String, String)],
    folder: &Path,
) -> Result<Config, String> {
    let environment: Vec<_> =
        environment.iter().filter(|(name, _)| FROM_OUTSIDE.contains(&name.as_str())).cloned().collect();
    let mut flags = vec![
        ("data_dir", folder.display().to_string()),
        ("allow_private_destinations", THIS_MACHINE.to_owned()),
        ("mail_from", "The clinic <stagepost@clinic.example>".to_owned()),
    ];
    if environment.iter().all(|(name, _)| name != "STAGEPOST_LOG") {
        // The failures that are to be seen at the console would fill the terminal.
        flags.push(("log", "error".to_owned()));
    }
    flags.extend(arguments.listen.clone().map(|listen| ("listen", listen)));
    let said = Said { file: None, environment: &environment, flags: &flags };
    let (mut config, _) = Config::load(said)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    config.admin_token = Some(Secret::new(IdSource::new(clock::entropy()).secret("sp_", 24)));
    Ok(config)
}

async fn demonstrate(arguments: &DemoArguments, mut config: Config) -> Result<(), String> {
    config.listen = free(config.listen)?;
    let receiver = Receiver::start()?;
    let users = User::all(arguments.users, &mut StdRng::seed_from_u64(arguments.seed));
    let password = IdSource::new(clock::entropy()).secret("demo-", 6);
    let calls_to = receiver.url();
    tokio::select! {
        made = make(arguments.seed, &users, &config, &calls_to, &password) => made?,
        _ = serve::stop_signal() => return Ok(()),
    }
    let base_url = config.base_url(config.listen);
    introduce(&config, &base_url, &password);
    let live = tokio::spawn(live::go_on(base_url, arguments.seed, users, Clock::system()));
    let ended = serve::serve(config, None).await;
    live.abort();
    receiver.stop().await;
    ended
}

/// The address that is listened on, with the port that it stands for if that is 0: found out before a week is made for it.
fn free(listen: SocketAddr) -> Result<SocketAddr, String> {
    let bound = TcpListener::bind(listen).and_then(|listener| listener.local_addr());
    bound.map_err(|error| format!("can't listen on {listen}: {error}; give another address with --listen"))
}

/// Makes the week, up to now, and keeps it.
async fn make(
    seed: u64,
    users: &[User],
    config: &Config,
    receiver: &str,
    password: &str,
) -> Result<(), String> {
    let begun = Instant::now();
    println!("Making a week of a clinic and its shop ({} users, seed {seed}) …", users.len());
    let week = Week::until(Clock::system().now());
    let store = play(seed, (users, week), config, definitions(receiver)?, password).await?;
    keep(&*store, config).await?;
    println!("… made in {:.1} s.\n", begun.elapsed().as_secs_f64());
    Ok(())
}

fn definitions(receiver: &str) -> Result<Vec<Definition>, String> {
    let file = File::parse("definitions.toml", DEFINITIONS, &|name| {
        (name == "RECEIVER").then(|| receiver.to_owned())
    });
    if file.problems.is_empty() { Ok(file.definitions) } else { Err(format!("{:?}", file.problems)) }
}

/// The week, played over a store in memory.
async fn play(
    seed: u64,
    (users, week): (&[User], Week),
    config: &Config,
    definitions: Vec<Definition>,
    password: &str,
) -> Result<Arc<dyn Store>, String> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = Clock::manual(week.start);
    let base_url = config.base_url(config.listen);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let address_policy = AddressPolicy::parse(&config.allow_private_destinations)?;
    let settings = Settings {
        clock: clock.clone(),
        seed: bytes,
        surroundings: Surroundings { public_url: Some(base_url.clone()), operators: Vec::new() },
        address_policy: address_policy.clone(),
        writers: 1,
    };
    let mut history = History::begin(Arc::clone(&store), settings).await?;
    history.admit(password).await?;
    history.define(definitions).await?;
    let links = serve::links(config, config.listen, &base_url)?;
    let templates = Arc::new(Templates::new(None));
    let sender = serve::sender(config, address_policy, history.engine(), templates, &links, &clock)?;
    history.play(plan::plan(seed, users, week), week, Arc::new(sender)).await?;
    Ok(store)
}

/// Copies the week into the store that is served.
async fn keep(made: &dyn Store, config: &Config) -> Result<(), String> {
    let store = serve::open_store(config, Duration::ZERO).await?;
    let compared = copy::copy(made, &*store, "demo", &mut |_| {}).await.map_err(|error| error.to_string())?;
    match compared.into_iter().find_map(|compared| compared.difference) {
        Some(difference) => Err(format!("the week could not be copied: {difference:?}")),
        None => Ok(()),
    }
}

/// Says where to look, and as whom.
fn introduce(config: &Config, base_url: &str, password: &str) {
    println!("Console: {base_url}/console\nSign in with the password {password} as");
    for (name, email, role) in STAFF {
        println!("  {email:<28} {name}, {}", role.as_str());
    }
    if let Some(token) = &config.admin_token {
        println!("API: {base_url}/api/docs, with the admin token {}", token.expose());
    }
    println!("Everything is in {}, and gone when the demo ends (Ctrl-C).\n", config.data_dir.display());
}
