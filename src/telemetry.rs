//! Logs: structured lines on standard error, without secrets or personal data at `info` and above.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// Sends the log lines that `filter` lets through to standard error.
///
/// # Errors
/// A filter that is none, or a log that is set up already.
pub fn init(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log filter: {error}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).finish().try_init(),
    }
    .map_err(|error| format!("log: {error}"))
}
