//! The arguments of `stagepost studio`, and their help.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Where Twilio's Studio API is.
const STUDIO_API: &str = "https://studio.twilio.com";

#[derive(Debug, Args)]
pub(in crate::cli) struct StudioArguments {
    #[command(subcommand)]
    pub command: StudioCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StudioCommand {
    /// Put a post wherever a journey of a flow reaches a stage
    Instrument(InstrumentArguments),
    /// Print a whole appointment-confirmation flow, posts included, to be imported into Studio
    Template(TemplateArguments),
}

/// Where posts go.
#[derive(Debug, Args)]
pub(in crate::cli) struct PostArguments {
    /// Where Twilio reaches the server
    #[arg(long, value_name = "URL", env = "STAGEPOST_PUBLIC_URL")]
    pub server: String,
    /// Write key of the server's Studio source
    #[arg(long, value_name = "WRITE_KEY", env = "STAGEPOST_WRITE_KEY", hide_env_values = true)]
    pub key: String,
}

#[derive(Debug, Args)]
#[command(
    after_long_help = "A post is a Make HTTP Request widget, named stagepost_STATE_EVENT and placed below its state. There is one where a \
    run begins, on every branch of a reply, on no reply, on calls that are not answered, on messages that fail, and at every end \
    of the flow; its success and its failure go on to what stood there before. Nothing else of the flow is touched. Running this \
    again brings the posts up to date, and changes nothing where nothing is different.\n\n\
    The flow is printed, or written to --output; the list of posts and ends goes to standard error. In it, + is a new post, ~ a \
    changed one, = one as it was, - one taken out; an end without a mark has no post, because runs come there with different \
    stages which one post would contradict.\n\n\
    A file of stages changes what is proposed, by the places in that list (TOML):\n\n  \
    \"split_1/match_2\" = \"cancelled\"\n  \
    \"goodbye/sent\" = \"\"               # no post here\n  \
    \"ask_day/incomingMessage\" = \"rescheduling\"\n\n\
    --push checks the flow at Twilio and saves it as a draft, which nobody meets before it is published in the console. \
    Credentials come from TWILIO_API_KEY and TWILIO_API_SECRET, or TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.\n\n\
    Ends with 0 if it is done, 1 if something is wrong with the flow or the stages or Twilio refuses it, 2 if Twilio was not \
    reached or does not know the credentials. docs/STUDIO.md has it step by step.\n\n\
    Examples:\n  \
    stagepost studio instrument flow.json --server https://stagepost.example.com --key wk_… > posting.json\n  \
    stagepost studio instrument flow.json --server … --key … --stages stages.toml --diff\n  \
    stagepost studio instrument FW0123… --server … --key … --push"
)]
pub(in crate::cli) struct InstrumentArguments {
    /// Flow definition as the console exports it (- for standard input), or the SID of a flow at Twilio
    #[arg(value_name = "FLOW.json|FW…")]
    pub flow_definition: String,
    #[command(flatten)]
    pub post: PostArguments,
    /// Name of the flow in what is posted [default: that of posts it has, else made from its name at Twilio or the file's]
    #[arg(long, value_name = "NAME")]
    pub flow: Option<String>,
    /// Liquid for the user's id [default: that of posts it has, else {{flow.data.userID}}]
    #[arg(long, value_name = "EXPR")]
    pub user: Option<String>,
    /// Liquid for the user's phone number [default: that of posts it has, else {{contact.channel.address}}]
    #[arg(long, value_name = "EXPR")]
    pub phone: Option<String>,
    /// File of stages by place, before those that are proposed
    #[arg(long, value_name = "FILE")]
    pub stages: Option<PathBuf>,
    /// File to write the flow to, in place of standard output; may be the one that it was read from
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print what changes, in place of the flow
    #[arg(long)]
    pub diff: bool,
    /// Save the flow at Twilio as a draft
    #[arg(long)]
    pub push: bool,
    /// The flow at Twilio that a file is pushed to
    #[arg(long, value_name = "FW…", requires = "push")]
    pub flow_sid: Option<String>,
    /// Publish it, so that real people meet it at once; wants --confirm-publish too
    #[arg(long, requires = "push")]
    pub publish: bool,
    /// Yes, publish it
    #[arg(long, requires = "publish")]
    pub confirm_publish: bool,
    /// Where Studio's API is; STAGEPOST_ALLOW_PRIVATE_DESTINATIONS allows private addresses
    #[arg(long, value_name = "URL", env = "STAGEPOST_STUDIO_BASE_URL", default_value = STUDIO_API)]
    pub studio_base_url: String,
}

#[derive(Debug, Args)]
#[command(
    after_help = "In Studio: create a flow, choose \"Import from JSON\", paste what this prints. The flow asks for a confirmation, reminds once, \
    and posts the stages initiation, confirmed, cancelled, no_reply, other_reply and failed. Start it with the parameters userID, \
    name and appointment; texts and times are yours to change.\n\n\
    Example:\n  stagepost studio template --server https://stagepost.example.com --key wk_… > flow.json"
)]
pub(in crate::cli) struct TemplateArguments {
    #[command(flatten)]
    pub post: PostArguments,
    /// Name of the flow in what is posted
    #[arg(long, value_name = "NAME", default_value = super::template::NAME)]
    pub flow: String,
    /// Number or messaging service that the flow sends from [default: the one that a run is started with]
    #[arg(long, value_name = "NUMBER")]
    pub from: Option<String>,
    /// File to write the flow to, in place of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
