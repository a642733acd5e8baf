//! Where a flow comes from: a file, standard input, or Twilio.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::api::StudioApi;
use super::failure::Failure;
use crate::domain::key::snake_case_key;
use crate::domain::limits::MAX_STUDIO_FLOW_BYTES;
use crate::domain::studio_flow::StudioFlow;

/// A flow that was read.
#[derive(Debug)]
pub(super) struct Source {
    /// What it is called in messages.
    pub name: String,
    /// The flow.
    pub flow: StudioFlow,
    /// What it may be called in posts, if that can be told.
    pub proposed: Option<String>,
}

/// Whether `text` is the SID of a flow.
pub(super) fn is_sid(text: &str) -> bool {
    let digits = text.strip_prefix("FW").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads a file, or `-` for standard input.
pub(super) fn from_file(path: &str) -> Result<Source, Failure> {
    let (name, text) = match path {
        "-" => ("standard input".to_owned(), text(std::io::stdin().lock())),
        _ => (path.to_owned(), File::open(path).and_then(text)),
    };
    let text = text.map_err(|error| Failure::Refused(format!("{name}: can't be read: {error}")))?;
    let flow = StudioFlow::read(&text).map_err(|problems| Failure::problems(&name, problems))?;
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "-");
    Ok(Source { name, flow, proposed: stem.and_then(|stem| snake_case_key(stem).ok()) })
}

/// Fetches a flow.
pub(super) fn from_twilio(api: &StudioApi, sid: &str) -> Result<Source, Failure> {
    let fetched = api.fetch(sid)?;
    let flow =
        StudioFlow::from_value(fetched.definition).map_err(|problems| Failure::problems(sid, problems))?;
    Ok(Source { name: sid.to_owned(), flow, proposed: snake_case_key(&fetched.friendly_name).ok() })
}

/// No more than a flow may have, and a byte by which a larger one is known.
fn text(input: impl Read) -> std::io::Result<String> {
    let most = u64::try_from(MAX_STUDIO_FLOW_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    input.take(most + 1).read_to_string(&mut text)?;
    Ok(text)
}
