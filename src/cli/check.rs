//! `stagepost check`: every problem of some files, without a server.

use std::process::ExitCode;

use super::args::CheckArguments;
use super::{FAILED, count, load, setting_problems, shown_all, templates, tidy};
use crate::config::{Config, Said};
use crate::delivery::templates::Templates;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::definition::Kind;
use crate::file::{Bundle, FileProblem};

pub(super) fn run(arguments: &CheckArguments, environment: &[(String, String)]) -> ExitCode {
    let files = arguments.files.iter().map(|path| load(path, environment)).collect();
    match check(&Bundle::new(files), environment) {
        Ok(found) => {
            println!("ok: {found} ({})", shown_all(&arguments.files));
            ExitCode::SUCCESS
        }
        Err(problems) => {
            // The problems are what was asked for: they are the output, as of any linter.
            for problem in &problems {
                println!("{problem}");
            }
            eprintln!("{}", count(problems.len(), "problem"));
            ExitCode::from(FAILED)
        }
    }
}

/// What was found, in words; or everything that is wrong with it.
pub(super) fn check(bundle: &Bundle, environment: &[(String, String)]) -> Result<String, Vec<FileProblem>> {
    let mut problems = bundle.problems();
    let mut settings = 0;
    let alone = Said { environment, ..Said::default() };
    let mut policy = address_policy(alone);
    let mut templates = templates_of(alone);
    for file in bundle.files().iter().filter(|file| !file.settings.is_empty()) {
        settings += file.settings.len();
        // The environment goes before the file, here as when serving: it may complete what the file leaves open.
        let said = Said { file: Some(&file.settings), environment, flags: &[] };
        if let Err(found) = Config::load(said) {
            problems.extend(setting_problems(&found, Some(file)));
        }
        if file.settings.contains_key("allow_private_destinations") {
            policy = address_policy(said);
        }
        if file.settings.contains_key("templates_dir") {
            templates = templates_of(said);
        }
    }
    // Where definitions are missing because they are wrong, references to them say nothing.
    if bundle.problems().is_empty() {
        problems.extend(bundle.loose_ends(&policy));
        problems.extend(bundle.check_each(|definition| templates::check(definition, &templates)));
    }
    if problems.is_empty() { Ok(counted(bundle, settings)) } else { Err(tidy(problems)) }
}

/// The policy that a server with these settings would have. Where they are wrong, that is the problem, and not what they
/// might have refused.
fn address_policy(said: Said<'_>) -> AddressPolicy {
    let config = Config::load(said).ok();
    let policy = config.and_then(|(config, _)| AddressPolicy::parse(&config.allow_private_destinations).ok());
    policy.unwrap_or_else(AddressPolicy::allow_all)
}

/// The templates that a server with these settings would have; where they are wrong, those that come with it.
fn templates_of(said: Said<'_>) -> Templates {
    Templates::new(Config::load(said).ok().and_then(|(config, _)| config.templates_dir))
}

fn counted(bundle: &Bundle, settings: usize) -> String {
    let of = |kind: Kind| bundle.definitions().filter(|definition| definition.kind() == kind).count();
    let mut words: Vec<String> = Kind::ALL.into_iter().map(|kind| count(of(kind), kind.as_str())).collect();
    if settings > 0 {
        words.push(count(settings, "setting"));
    }
    words.join(", ")
}
