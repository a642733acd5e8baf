//! What templates are read from and run in: minijinja, bounded, strict, with what is written into `.html` escaped.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter,
};

use super::filters;
use crate::domain::limits::TEMPLATE_FUEL;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Largest template file that is read.
const MAX_FILE: u64 = 256 * 1024;

/// What templates are for. Each kind has a folder of its own, and its templates know only each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Mails.
    Email,
    /// What calls say.
    Call,
    /// Messages.
    Sms,
    /// The pages that links of mails lead to. They are those that are built in, always.
    Act,
    /// The console. Its pages are those that are built in, always.
    Console,
}

impl Kind {
    /// Its folder's name.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Call => "call",
            Self::Sms => "sms",
            Self::Act => "act",
            Self::Console => "console",
        }
    }
}

/// An environment for the templates of one kind; those in `folder` win. Times are by the clock of `zone`.
pub(super) fn new(folder: Option<&Path>, kind: Kind, zone: Tz) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(TEMPLATE_FUEL));
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env.set_formatter(write_value);
    env.set_auto_escape_callback(
        |file| {
            if file.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        },
    );
    filters::add_to(&mut env, zone);
    let folder = folder
        .filter(|_| !matches!(kind, Kind::Act | Kind::Console))
        .map(|folder| folder.join(kind.folder()));
    env.set_loader(move |path| load(folder.as_ref(), kind, path));
    env
}

/// The folders of mail templates: those built in, and those in `folder`.
pub(super) fn mail_names(folder: Option<&Path>) -> Vec<String> {
    let kind = Kind::Email.folder();
    let built_in = BUILT_IN.get_dir(kind).into_iter().flat_map(Dir::dirs).map(Dir::path);
    let built_in =
        built_in.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let own = folder.and_then(|folder| fs::read_dir(folder.join(kind)).ok()).into_iter().flatten().flatten();
    let own = own.filter(|entry| entry.path().is_dir());
    let own = own.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // `parts` holds what the others are made of.
    built_in.chain(own).filter(|name| name != "parts").collect()
}

/// As usual, but slashes stay as they are in HTML: links are readable in the source, and no less safe.
fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &minijinja::Value,
) -> Result<(), Error> {
    if !matches!(state.auto_escape(), AutoEscape::Html) || value.is_safe() || value.is_undefined() {
        return escape_formatter(out, state, value);
    }
    for letter in value.to_string().chars() {
        match letter {
            '&' => out.write_str("&amp;"),
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            '"' => out.write_str("&quot;"),
            '\'' => out.write_str("&#39;"),
            other => out.write_char(other),
        }?;
    }
    Ok(())
}

/// The file at `path`, which has to be plain names with slashes between: nothing leads out of the folder.
fn load(folder: Option<&PathBuf>, kind: Kind, path: &str) -> Result<Option<String>, Error> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    if !path.split('/').all(plain) {
        return Ok(None);
    }
    if let Some(file) = folder.map(|folder| folder.join(path)) {
        match fs::metadata(&file) {
            Ok(found) if found.len() > MAX_FILE => return Err(unreadable(path, "it is larger than 256 KiB")),
            Ok(_) => return fs::read_to_string(&file).map(Some).map_err(|error| unreadable(path, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(path, error)),
        }
    }
    Ok(BUILT_IN
        .get_file(format!("{}/{path}", kind.folder()))
        .and_then(|file| file.contents_utf8())
        .map(str::to_owned))
}

fn unreadable(path: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{path} can't be read: {why}"))
}
