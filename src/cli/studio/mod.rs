//! `stagepost studio`: flows of Twilio Studio that post to stagepost.

mod api;
pub(super) mod arguments;
mod failure;
mod instrument;
mod source;
mod stages;
mod table;
mod template;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use self::arguments::{PostArguments, StudioArguments, StudioCommand};
use self::failure::Failure;
use crate::domain::studio_flow::{PostAddress, StudioFlow};

pub(super) fn run(arguments: &StudioArguments, environment: &[(String, String)]) -> ExitCode {
    let done = match &arguments.command {
        StudioCommand::Instrument(arguments) => instrument::run(arguments, environment),
        StudioCommand::Template(arguments) => template::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// The address that posts go to; says so if it is a bad one.
fn address(arguments: &PostArguments) -> Result<PostAddress, Failure> {
    let address = PostAddress::new(&arguments.server, &arguments.key).map_err(Failure::Refused)?;
    if let Some(warning) = address.warning() {
        eprintln!("warning: {warning}");
    }
    Ok(address)
}

/// Writes a flow to a file, or prints it.
fn put_out(flow: &StudioFlow, output: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = output else {
        print!("{}", flow.to_text());
        return Ok(());
    };
    fs::write(path, flow.to_text())
        .map_err(|error| Failure::Refused(format!("{}: can't be written: {error}", path.display())))
}
