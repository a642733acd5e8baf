//! `stagepost copy`: everything from one store into an empty other one.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::args::CopyArguments;
use super::progress::Display;
use super::{FAILED, load, print_problems, secret_key, serve, setting_problems};
use crate::config::{Config, OWN_STORE, Said, StoreChoice, read_store};
use crate::file::FileProblem;
use crate::store::Store;
use crate::store::copy::{Compared, compare, copy, give_up};
use crate::store::sled::SledStore;
use crate::{clock, crypto, telemetry};

/// How long it waits for a database; with the last try, which may take some seconds, half a minute.
const DATABASE_WAIT: Duration = Duration::from_secs(24);

pub(super) fn run(arguments: &CopyArguments, environment: &[(String, String)]) -> ExitCode {
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
    match copied(arguments, &config) {
        Ok(compared) => {
            print_table(&compared, arguments.compare_only);
            ExitCode::from(if are_equal(&compared) { 0 } else { FAILED })
        }
        Err(Ended::Failed(message)) => {
            eprintln!("stagepost copy: {message}");
            ExitCode::from(FAILED)
        }
        Err(Ended::Stopped(code)) => {
            let goes_on = if arguments.compare_only { "begins anew" } else { "goes on from here" };
            eprintln!("stopped; the same command {goes_on}");
            ExitCode::from(code)
        }
    }
}

/// Why there is nothing to show.
enum Ended {
    Failed(String),
    /// By a signal; with what the process ends.
    Stopped(u8),
}

impl From<String> for Ended {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// The settings that a server would have; those of the stores come from the arguments.
fn settings(arguments: &CopyArguments, environment: &[(String, String)]) -> Result<Config, Vec<FileProblem>> {
    let file = arguments.config.as_deref().map(|path| load(path, environment));
    let flags: Vec<_> = arguments.data_dir.iter().map(|dir| ("data_dir", dir.clone())).collect();
    let said = Said { file: file.as_ref().map(|file| &file.settings), environment, flags: &flags };
    let loaded = Config::load(said);
    loaded.map(|(config, _)| config).map_err(|found| setting_problems(&found, file.as_ref()))
}

fn copied(arguments: &CopyArguments, config: &Config) -> Result<Vec<Compared>, Ended> {
    let from = with_store(config, "--from", &arguments.from, arguments.from_key_file.as_deref())?;
    let to = with_store(config, "--to", &arguments.to, arguments.to_key_file.as_deref())?;
    check_places(&from, &to, arguments.compare_only)?;
    check_key(&from, &to)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("can't start threads: {error}"))?;
    runtime.block_on(async {
        let from = opened("--from", &from).await?;
        let to = opened("--to", &to).await?;
        eprintln!("from {} to {}", from.describe(), to.describe());
        let holder = format!("copy-{}", hex::encode(&clock::entropy()[..8]));
        let mut display = Display::new();
        let mut watch = |progress| display.show(progress);
        let work = async {
            match arguments.compare_only {
                true => compare(&*from, &*to, &holder, &mut watch).await,
                false => copy(&*from, &*to, &holder, &mut watch).await,
            }
        };
        let ended = tokio::select! {
            biased;
            signal = serve::stop_signal() => Err(Ended::Stopped(if signal == "SIGINT" { 130 } else { 143 })),
            compared = work => compared.map_err(|error| Ended::Failed(error.to_string())),
        };
        display.end();
        if matches!(ended, Err(Ended::Stopped(_))) {
            give_up(&*to, &holder).await;
        }
        ended
    })
}

/// Refuses a source that is not there, and one that is the target. (Two URLs of one database are found out when both are open.)
fn check_places(from: &Config, to: &Config, compare_only: bool) -> Result<(), String> {
    let sleds = [("--from", from), ("--to", to)].map(|(flag, config)| match &config.store {
        StoreChoice::Sled(path) => Some((flag, path)),
        StoreChoice::Postgres(_) | StoreChoice::Memory => None,
    });
    for (flag, path) in sleds.into_iter().flatten() {
        if (flag == "--from" || compare_only) && !is_there(path)? {
            return Err(format!("{flag}: there is no store in {}", path.display()));
        }
    }
    let [Some((_, from)), Some((_, to))] = sleds else { return Ok(()) };
    match (from.canonicalize(), to.canonicalize()) {
        (Ok(from), Ok(to)) if from == to => {
            Err(format!("source and target are the same store, sled:{}", from.display()))
        }
        _ => Ok(()),
    }
}

/// A database is given its key; that of the source may be at hand.
fn check_key(from: &Config, to: &Config) -> Result<(), String> {
    let StoreChoice::Postgres(_) = to.store else { return Ok(()) };
    let Err(error) = secret_key::shared_sealer(to) else { return Ok(()) };
    let own = from.data_dir.join(secret_key::OWN_FILE);
    let is_at_hand = matches!(from.store, StoreChoice::Sled(_)) && own.is_file();
    if to.secret_key_file.is_none() && is_at_hand {
        let own = own.display();
        return Err(format!(
            "--to: there is no key; give the source's: STAGEPOST_SECRET_KEY_FILE={own} ({error})"
        ));
    }
    Err(format!("--to: {error}"))
}

/// The settings for one of the two stores. A path of sled's is a data directory: the store is in it, and so is the key. One that is
/// a store itself, or is called as one is, stays one; a key beside it is its key.
fn with_store(config: &Config, flag: &str, store: &str, key_file: Option<&Path>) -> Result<Config, String> {
    let store = read_store(store).map_err(|error| format!("{flag}: {error}"))?;
    if store == StoreChoice::Memory {
        return Err(format!("{flag}: nothing is kept in memory; give sled:PATH or postgres://…"));
    }
    let mut config = Config { store, ..config.clone() };
    if let StoreChoice::Sled(path) = config.store.clone() {
        if !path.ends_with(OWN_STORE) && !is_there(&path)? {
            (config.store, config.data_dir) = (StoreChoice::Sled(path.join(OWN_STORE)), path);
        } else if let Some(parent) = path.parent().filter(|dir| dir.join(secret_key::OWN_FILE).is_file()) {
            config.data_dir = parent.to_owned();
        }
    }
    if let Some(key_file) = key_file {
        (config.secret_key, config.secret_key_file) = (None, Some(key_file.to_owned()));
    }
    Ok(config)
}

fn is_there(path: &Path) -> Result<bool, String> {
    SledStore::is_there(path).map_err(|error| error.to_string())
}

async fn opened(flag: &str, config: &Config) -> Result<Arc<dyn Store>, String> {
    serve::open_store(config, DATABASE_WAIT).await.map_err(|error| format!("{flag}: {error}"))
}

fn are_equal(compared: &[Compared]) -> bool {
    compared.iter().all(|compared| compared.difference.is_none())
}

fn print_table(compared: &[Compared], compare_only: bool) {
    println!("{:<20} {:>12} {:>12}  {:<16}  {:<16}", "", "source", "target", "checksum", "of the target");
    for Compared { kind, source, target, difference } in compared {
        let verdict = difference.as_ref().map_or("the same", |_| "DIFFERS");
        println!(
            "{:<20} {:>12} {:>12}  {:<16}  {:<16}  {verdict}",
            kind.as_str(),
            source.count,
            target.count,
            source.checksum,
            target.checksum,
        );
    }
    for Compared { kind, difference, .. } in compared {
        if let Some(difference) = difference {
            println!("{}: {difference}", kind.as_str());
        }
    }
    println!(
        "{}",
        match (are_equal(compared), compare_only) {
            (true, true) => "The two stores hold the same.",
            (false, true) => "The two stores do not hold the same.",
            (true, false) => "Everything is there. The target can be served.",
            (false, false) =>
                "The target is not what the source is, and can't be served: empty it, and copy anew.",
        }
    );
}
