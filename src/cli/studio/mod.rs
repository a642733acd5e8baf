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
use std::io::{self, Write};
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
            tell(&format!("{failure}\n"));
            ExitCode::from(failure.code())
        }
    }
}

/// The address that posts go to; says so if it is a bad one.
fn address(arguments: &PostArguments) -> Result<PostAddress, Failure> {
    let address = PostAddress::new(&arguments.server, &arguments.key).map_err(Failure::Refused)?;
    if let Some(warning) = address.warning() {
        tell(&format!("warning: {warning}\n"));
    }
    Ok(address)
}

/// Writes a flow to a file, or prints it.
fn put_out(flow: &StudioFlow, output: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = output else { return print(&flow.to_text()) };
    fs::write(path, flow.to_text())
        .map_err(|error| Failure::Refused(format!("{}: can't be written: {error}", path.display())))
}

/// Tells on standard error how things are. What is done is done, also where nobody listens.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints what was asked for. Whoever reads it may have read enough.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Refused(format!("standard output: can't be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
