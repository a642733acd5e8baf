//! `stagepost copy`: everything from one store into an empty other one.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::args::CopyArguments;
use super::progress::Display;
use super::{FAILED, load, print_problems, serve, setting_problems};
use crate::config::{Config, OWN_STORE, Said, StoreChoice, read_store};
use crate::file::FileProblem;
use crate::store::Store;
use crate::store::copy::{Compared, copy};
use crate::store::sled::SledStore;
use crate::{crypto, telemetry};

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
            print_table(&compared);
            ExitCode::from(if are_equal(&compared) { 0 } else { FAILED })
        }
        Err(message) => {
            eprintln!("stagepost copy: {message}");
            ExitCode::from(FAILED)
        }
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

fn copied(arguments: &CopyArguments, config: &Config) -> Result<Vec<Compared>, String> {
    let from = with_store(config, "--from", &arguments.from, arguments.from_key_file.as_deref())?;
    let to = with_store(config, "--to", &arguments.to, arguments.to_key_file.as_deref())?;
    if let StoreChoice::Sled(path) = &from.store
        && !is_there(path)?
    {
        return Err(format!("--from: there is no store in {}", path.display()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("can't start threads: {error}"))?;
    runtime.block_on(async {
        let from = opened("--from", &from).await?;
        let to = opened("--to", &to).await?;
        eprintln!("from {} to {}", from.describe(), to.describe());
        let mut display = Display::new();
        let compared = copy(&*from, &*to, &mut |progress| display.show(progress)).await;
        display.end();
        compared.map_err(|error| error.to_string())
    })
}

/// The settings for one of the two stores.
fn with_store(config: &Config, flag: &str, store: &str, key_file: Option<&Path>) -> Result<Config, String> {
    let store = read_store(store).map_err(|error| format!("{flag}: {error}"))?;
    if store == StoreChoice::Memory {
        return Err(format!("{flag}: nothing is kept in memory; give sled:PATH or postgres://…"));
    }
    let mut config = Config { store, ..config.clone() };
    if let StoreChoice::Sled(path) = &config.store
        && !is_there(path)?
        && is_there(&path.join(OWN_STORE))?
    {
        // It is a data directory: the store is in it, and so may be the key.
        (config.data_dir, config.store) = (path.clone(), StoreChoice::Sled(path.join(OWN_STORE)));
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
    serve::open_store(config).await.map_err(|error| format!("{flag}: {error}"))
}

fn are_equal(compared: &[Compared]) -> bool {
    compared.iter().all(|compared| compared.difference.is_none())
}

fn print_table(compared: &[Compared]) {
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
    if are_equal(compared) {
        println!("Everything is there. The target can be served.");
    } else {
        println!("The target is not what the source is, and can't be served: empty it, and copy anew.");
    }
}
