//! The arguments of each command, and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::studio::arguments::StudioArguments;
use crate::config::settings;

/// Tracks the journeys of Twilio Studio flows, escalates those that stall, computes audiences and sends their changes on.
#[derive(Debug, Parser)]
#[command(
    name = "stagepost",
    version,
    about,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        stagepost                                      serve on 127.0.0.1:8080, everything kept in ./data\n  \
        stagepost --listen 0.0.0.0:80 --definitions stagepost.toml\n  \
        stagepost demo                                 look around in a clinic's week, kept nowhere\n  \
        stagepost check stagepost.toml                 find every mistake, offline\n  \
        stagepost apply stagepost.toml --dry-run       see what a running server would change\n  \
        stagepost copy --from sled:./data --to postgres://stagepost@db/stagepost\n  \
        stagepost people reset --email ann@example.com set a password that was lost\n  \
        stagepost studio instrument flow.json --server https://stagepost.example.com --key wk_…\n\n\
        `stagepost serve --help` lists every setting."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server (what happens without a command, too)
    Serve(ServeArguments),
    /// Check files of definitions and settings, offline
    Check(CheckArguments),
    /// Bring a running server's definitions in line with a file
    Apply(ApplyArguments),
    /// Serve a scratch store with a believable week in it, to look around
    Demo(DemoArguments),
    /// Copy everything from one store into an empty other one, and compare the two
    Copy(CopyArguments),
    /// List who works with the console, or set a password that was lost
    People(PeopleArguments),
    /// List the destinations that come with stagepost, or print one to be copied and changed
    Presets(PresetsArguments),
    /// Put stagepost's posts into a Twilio Studio flow, or print a flow that has them
    Studio(StudioArguments),
}

#[derive(Debug, Args)]
#[command(after_long_help = settings_help())]
pub(super) struct ServeArguments {
    /// File of settings; it may hold definitions too
    #[arg(long, value_name = "FILE", env = "STAGEPOST_CONFIG")]
    pub config: Option<PathBuf>,
    /// File of definitions, applied at each start; can be given several times
    #[arg(long, value_name = "FILE")]
    pub definitions: Vec<PathBuf>,
    /// Directory of everything that is kept [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

impl ServeArguments {
    /// The settings among the flags.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let flags = [("data_dir", &self.data_dir), ("listen", &self.listen)];
        flags.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }
}

fn settings_help() -> String {
    format!(
        "Settings, by their key in the file of --config and their name in the environment. Flags go before the \
         environment, and that before the file.\n\n{}",
        settings::help()
    )
}

#[derive(Debug, Args)]
#[command(after_help = "Prints each problem as FILE:LINE: KEY: MESSAGE and ends with 1 if there is any.\n\n\
    Example:\n  stagepost check stagepost.toml destinations.toml")]
pub(super) struct CheckArguments {
    /// Files of definitions, settings or both; several are checked as one
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Shows what was created (+), changed (~), removed (-) and left as it was (=).\n\
    Ends with 0 if it was applied, 1 if something is wrong with the file, 2 if the server is not reached or refuses \
    the token.\n\n\
    Examples:\n  stagepost apply stagepost.toml --dry-run\n  \
    STAGEPOST_ADMIN_TOKEN=… stagepost apply stagepost.toml --server https://stagepost.example.com --prune")]
pub(super) struct ApplyArguments {
    /// File of definitions
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the server is
    #[arg(long, value_name = "URL", env = "STAGEPOST_SERVER", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// Admin token of the server
    #[arg(long, value_name = "TOKEN", env = "STAGEPOST_ADMIN_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Remove what the file does not name
    #[arg(long)]
    pub prune: bool,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Makes a week of a clinic and its shop: journeys that stall and are acted on, orders, audiences, a destination \
    that fails. Then it serves them and goes on posting. It keeps everything in a folder of its own among the temporary ones, which \
    is gone when it ends; of the settings it goes by STAGEPOST_LISTEN, STAGEPOST_LOG and STAGEPOST_LOG_FORMAT only.\n\n\
    Example:\n  stagepost demo --users 500 --seed 7"
)]
pub(super) struct DemoArguments {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// How many users there are
    #[arg(long, value_name = "COUNT", default_value_t = 240, value_parser = users)]
    pub users: usize,
    /// The same number makes the same week
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// The demo takes some milliseconds for each.
fn users(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (10..=5000).contains(count));
    count.ok_or_else(|| "must be a whole number from 10 to 5000".to_owned())
}

#[derive(Debug, Args)]
#[command(
    after_help = "Stop every server on either store first. The target has to be empty; the source is not written to (an older \
    one is brought up to date as a start of the server would do it). Every record is copied as it is, ids and queues too; then all \
    of both stores is read once more, and counts and checksums are compared. A copy that was cut short goes on where it was when \
    the same command is run again. No server starts on a target before the copy is whole.\n\
    Ends with 0 if the target holds what the source holds, else with 1; stopped by a signal, with 130 or 143. docs/MOVING.md has the \
    procedure step by step.\n\n\
    `sled:PATH` is a data directory, whose store is in `store` under it; a PATH that holds a store itself, or whose name is `store`, \
    is taken as that store.\n\n\
    Secrets are opened under the key that a server would use (secret_key, secret_key_file, or secret.key in the data directory) \
    and sealed under it again, unless --from-key-file or --to-key-file name another one.\n\n\
    Examples:\n  \
    STAGEPOST_SECRET_KEY_FILE=data/secret.key stagepost copy --from sled:./data --to postgres://stagepost@db/stagepost\n  \
    stagepost copy --from postgres://stagepost@db/stagepost --from-key-file key --to sled:./data2"
)]
pub(super) struct CopyArguments {
    /// Store that is copied: `sled:PATH` or `postgres://user:password@host/database`
    #[arg(long, value_name = "STORE", env = "STAGEPOST_COPY_FROM", hide_env_values = true)]
    pub from: String,
    /// Empty store that it is copied into
    #[arg(long, value_name = "STORE", env = "STAGEPOST_COPY_TO", hide_env_values = true)]
    pub to: String,
    /// Copy nothing; compare two stores that should hold the same
    #[arg(long)]
    pub compare_only: bool,
    /// File with the key that the source's secrets are sealed under
    #[arg(long, value_name = "FILE")]
    pub from_key_file: Option<PathBuf>,
    /// File with the key that they are sealed under in the target
    #[arg(long, value_name = "FILE")]
    pub to_key_file: Option<PathBuf>,
    /// File of settings
    #[arg(long, value_name = "FILE", env = "STAGEPOST_CONFIG")]
    pub config: Option<PathBuf>,
    /// Directory that the server keeps its secret.key in [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Works on the store itself: stop the server first, unless the store is PostgreSQL. It is found as a server finds it, \
    by the same settings. What is done is in the audit log, by \"command line\". A server that runs need not be stopped where another \
    admin can sign in: under People, or with the admin token by the API.\n\n\
    Examples:\n  stagepost people list\n  stagepost people reset --email ann@example.com --data-dir /var/lib/stagepost"
)]
pub(super) struct PeopleArguments {
    #[command(subcommand)]
    pub command: PeopleCommand,
    /// File of settings
    #[arg(long, value_name = "FILE", env = "STAGEPOST_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// Directory of everything that is kept [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum PeopleCommand {
    /// Show everybody: address, role, and when last seen
    List,
    /// Make a new password for a person, print it once, and end all of the person's sessions
    Reset {
        /// The address that the person signs in with
        #[arg(long, value_name = "ADDRESS")]
        email: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  stagepost presets\n  stagepost presets pendo >> stagepost.toml")]
pub(super) struct PresetsArguments {
    /// The preset to print
    #[arg(value_name = "NAME")]
    pub preset: Option<String>,
}
