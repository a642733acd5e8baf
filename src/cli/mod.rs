//! The command line: one file per subcommand.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line answers on the terminal")]

mod apply;
mod args;
mod check;
mod copy;
mod demo;
mod people;
mod presets;
mod progress;
pub mod secret_key;
mod serve;
mod studio;
mod templates;
mod tls;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use self::args::{Arguments, Command, ServeArguments};
use crate::config::{Config, Said};
use crate::domain::definition::{Definition, Problem};
use crate::file::{Bundle, File, FileProblem};
use crate::{crypto, telemetry};

/// What was asked for is wrong, or did not work.
const FAILED: u8 = 1;
/// It could not be tried: the server is not reached, or does not know the token.
const NOT_TRIED: u8 = 2;

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let environment = environment();
    match arguments.command {
        None => serve(&arguments.serve, &environment),
        Some(Command::Serve(arguments)) => serve(&arguments, &environment),
        Some(Command::Check(arguments)) => check::run(&arguments, &environment),
        Some(Command::Apply(arguments)) => apply::run(&arguments, &environment),
        Some(Command::Demo(arguments)) => demo::run(&arguments, &environment),
        Some(Command::Copy(arguments)) => copy::run(&arguments, &environment),
        Some(Command::People(arguments)) => people::run(&arguments, &environment),
        Some(Command::Presets(arguments)) => presets::run(&arguments),
        Some(Command::Studio(arguments)) => studio::run(&arguments, &environment),
    }
}

/// The environment, but for variables that are no UTF-8.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What `name` is set to.
fn lookup(environment: &[(String, String)], name: &str) -> Option<String> {
    environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// Reads the file at `path`, with the variables of `environment` in it.
fn load(path: &Path, environment: &[(String, String)]) -> File {
    File::load(path, &|name| lookup(environment, name))
}

fn serve(arguments: &ServeArguments, environment: &[(String, String)]) -> ExitCode {
    let prepared = match prepare(arguments, environment) {
        Ok(prepared) => prepared,
        Err(problems) => {
            print_problems(&problems);
            return ExitCode::from(FAILED);
        }
    };
    let Prepared { config, warnings, definitions } = prepared;
    if let Err(message) = telemetry::init(&config.log, config.log_format) {
        eprintln!("{message}");
        return ExitCode::from(FAILED);
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    crypto::install();
    match serve::run(config, definitions) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("stagepost: {message}");
            ExitCode::from(FAILED)
        }
    }
}

/// What a server starts with.
#[derive(Debug)]
struct Prepared {
    config: Config,
    warnings: Vec<String>,
    /// `None` when no file was given that could hold any.
    definitions: Option<Vec<Definition>>,
}

/// Reads everything that a server starts with, and all that is wrong with it.
fn prepare(
    arguments: &ServeArguments,
    environment: &[(String, String)],
) -> Result<Prepared, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let config_file = arguments.config.as_deref().map(|path| load(path, environment));
    let said = Said {
        file: config_file.as_ref().map(|file| &file.settings),
        environment,
        flags: &arguments.settings(),
    };
    let config = Config::load(said);
    if let Err(found) = &config {
        problems.extend(setting_problems(found, config_file.as_ref()));
    }
    let mut given = !arguments.definitions.is_empty();
    let mut files = Vec::new();
    if let Some(file) = config_file {
        given |= !file.document.is_empty();
        files.push(file);
    }
    for path in &arguments.definitions {
        let file = load(path, environment);
        problems.extend(misplaced_settings(&file));
        files.push(file);
    }
    let bundle = Bundle::new(files);
    problems.extend(bundle.problems());
    match config {
        Ok((config, warnings)) if problems.is_empty() => {
            let definitions = given.then(|| bundle.definitions().cloned().collect());
            Ok(Prepared { config, warnings, definitions })
        }
        Ok(_) | Err(_) => Err(tidy(problems)),
    }
}

/// Where problems with settings stand: in the file, unless a variable or flag is named.
fn setting_problems(found: &[Problem], file: Option<&File>) -> Vec<FileProblem> {
    let is_key = |field: &str| !field.starts_with("--") && !field.starts_with("STAGEPOST_");
    let locate = |problem: &Problem| match file {
        Some(file) if is_key(&problem.field) => file.locate(problem.clone()),
        Some(_) | None => FileProblem::whole(problem.field.clone(), problem.message.clone()),
    };
    found.iter().map(locate).collect()
}

/// Settings in a file that is read for its definitions only would have no effect.
fn misplaced_settings(file: &File) -> Vec<FileProblem> {
    let unknown = crate::config::unknown_keys(&file.settings);
    let known = file.settings.keys().filter(|key| unknown.iter().all(|problem| problem.field != **key));
    let misplaced = known
        .map(|key| Problem::new(key, "is a setting, and has no effect here; give the file with --config"));
    unknown.iter().cloned().chain(misplaced).map(|problem| file.locate(problem)).collect()
}

/// Problems in the order of their lines, one for each key: the first to be noted is the cause of the others.
fn tidy(problems: Vec<FileProblem>) -> Vec<FileProblem> {
    let place = |problem: &FileProblem| (problem.file.clone(), problem.key.clone());
    let mut seen = std::collections::HashSet::new();
    let mut tidy: Vec<FileProblem> = problems
        .into_iter()
        .filter(|problem| problem.key.is_empty() || seen.insert(place(problem)))
        .collect();
    // Files keep the order in which they were given: the sort is stable and by line only within one.
    let mut order: Vec<String> = Vec::new();
    for problem in &tidy {
        if !order.contains(&problem.file) {
            order.push(problem.file.clone());
        }
    }
    tidy.sort_by_key(|problem| {
        (order.iter().position(|file| *file == problem.file), problem.line, problem.column)
    });
    tidy
}

fn print_problems(problems: &[FileProblem]) {
    for problem in problems {
        eprintln!("{problem}");
    }
    eprintln!("{}", count(problems.len(), "problem"));
}

/// `1 flow`, `2 flows`.
fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How a path is shown in a sentence.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The paths of several files in a sentence.
fn shown_all(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", ")
}
