//! `stagepost people`: who works with the console, over the store itself, for whoever can't sign in any more.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc;

use super::args::{PeopleArguments, PeopleCommand};
use super::{FAILED, load, print_problems, serve, setting_problems};
use crate::clock::{self, Clock};
use crate::config::{Config, Said, StoreChoice};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::people::Person;
use crate::domain::time::Timestamp;
use crate::engine::{By, Engine, Settings, Surroundings, Writer, made_password};
use crate::file::FileProblem;
use crate::store::sled::SledStore;
use crate::{crypto, telemetry};

/// Who does it, for the audit log: whoever can open the store.
const BY: (&str, &str) = ("command line", "cli");
/// How long it waits for a database.
const DATABASE_WAIT: Duration = Duration::from_secs(10);

pub(super) fn run(arguments: &PeopleArguments, environment: &[(String, String)]) -> ExitCode {
    let config = match settings(arguments, environment) {
        Ok(config) => config,
        Err(problems) => {
            print_problems(&problems);
            return ExitCode::from(FAILED);
        }
    };
    if let Err(message) = telemetry::init("warn", config.log_format) {
        eprintln!("{message}");
        return ExitCode::from(FAILED);
    }
    crypto::install();
    match done(&config, &arguments.command) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("stagepost people: {message}");
            ExitCode::from(FAILED)
        }
    }
}

/// The settings that a server would have.
fn settings(
    arguments: &PeopleArguments,
    environment: &[(String, String)],
) -> Result<Config, Vec<FileProblem>> {
    let file = arguments.config.as_deref().map(|path| load(path, environment));
    let flags: Vec<_> = arguments.data_dir.iter().map(|dir| ("data_dir", dir.clone())).collect();
    let said = Said { file: file.as_ref().map(|file| &file.settings), environment, flags: &flags };
    let loaded = Config::load(said);
    loaded.map(|(config, _)| config).map_err(|found| setting_problems(&found, file.as_ref()))
}

fn done(config: &Config, command: &PeopleCommand) -> Result<String, String> {
    match &config.store {
        StoreChoice::Memory => return Err("nobody is kept in memory; set STAGEPOST_STORE".to_owned()),
        StoreChoice::Sled(path) if !is_there(path)? => {
            return Err(format!("there is no store in {}", path.display()));
        }
        StoreChoice::Sled(_) | StoreChoice::Postgres(_) => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("can't start threads: {error}"))?;
    runtime.block_on(with_engine(config, async |engine| match command {
        PeopleCommand::List => listed(&engine).await,
        PeopleCommand::Reset { email } => reset(&engine.acting(By::new(BY.0, BY.1)), email).await,
    }))
}

fn is_there(path: &Path) -> Result<bool, String> {
    SledStore::is_there(path).map_err(|error| error.to_string())
}

/// Does that with an engine over the store, whose writer runs as long: nothing ticks, so it does nothing else.
async fn with_engine(
    config: &Config,
    work: impl AsyncFnOnce(Engine) -> Result<String, String>,
) -> Result<String, String> {
    let store = serve::open_store(config, DATABASE_WAIT).await?;
    serve::refuse_half_copied(&*store).await?;
    let settings = Settings {
        clock: Clock::system(),
        seed: clock::entropy(),
        surroundings: Surroundings::default(),
        address_policy: AddressPolicy::parse(&config.allow_private_destinations)?,
        writers: 1,
    };
    let (engine, writer) = Writer::open(store, settings).await.map_err(|error| error.to_string())?;
    let (_nobody_ticks, ticks) = mpsc::channel(1);
    let worked = async {
        let worked = work(engine.clone()).await;
        engine.stop().await;
        worked
    };
    let (written, worked) = tokio::join!(writer.run(ticks), worked);
    written.map_err(|error| error.to_string())?;
    worked
}

async fn listed(engine: &Engine) -> Result<String, String> {
    let people = engine.people().await.map_err(|error| error.to_string())?;
    if people.is_empty() {
        return Ok("Nobody yet: a server that starts prints a link where the first admin is made.".to_owned());
    }
    let longest = people.iter().map(|person| person.email.chars().count()).max().unwrap_or_default();
    let line = |person: &Person| {
        let seen = person.seen_at.map_or("never".to_owned(), Timestamp::to_rfc3339);
        let disabled = if person.disabled { ", disabled" } else { "" };
        format!("{:<longest$}  {:<8}  seen {seen}{disabled}", person.email, person.role.as_str())
    };
    Ok(people.iter().map(line).collect::<Vec<_>>().join("\n"))
}

async fn reset(engine: &Engine, email: &str) -> Result<String, String> {
    let email = email.trim().to_lowercase();
    let people = engine.people().await.map_err(|error| error.to_string())?;
    let person = people.into_iter().find(|person| person.email == email);
    let person = person
        .ok_or_else(|| format!("nobody signs in with {email}; `stagepost people list` shows who there is"))?;
    let password = made_password();
    engine.set_password(person.id, &password).await.map_err(|error| error.to_string())?;
    let disabled = if person.disabled { "\nThis person is disabled, and may not sign in." } else { "" };
    Ok(format!("The password of {email}, shown this once; all sessions have ended:\n  {password}{disabled}"))
}
