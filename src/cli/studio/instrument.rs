//! `stagepost studio instrument`.

use super::api::StudioApi;
use super::arguments::InstrumentArguments;
use super::failure::Failure;
use super::source::{self, Source};
use super::{address, print, put_out, stages, table, tell};
use crate::domain::studio_flow::{
    Instrumented, Moment, PHONE, PostAddress, Settings, USER, agreed, diff, instrument, restaged,
};

const COMMIT_MESSAGE: &str = "Posts for stagepost";

pub(super) fn run(arguments: &InstrumentArguments, environment: &[(String, String)]) -> Result<(), Failure> {
    let target = target(arguments)?;
    let address = address(&arguments.post)?;
    let is_sid = source::is_sid(&arguments.flow_definition);
    let api = if is_sid || target.is_some() {
        Some(StudioApi::new(&arguments.studio_base_url, environment)?)
    } else {
        None
    };
    let source = match &api {
        Some(api) if is_sid => source::from_twilio(api, &arguments.flow_definition)?,
        Some(_) | None => source::from_file(&arguments.flow_definition)?,
    };
    let settings = settings(arguments, address, &source)?;
    let done = instrument(&source.flow, &settings).map_err(|problems| {
        let name = arguments.stages.as_ref().map_or(source.name.clone(), |path| path.display().to_string());
        Failure::problems(&name, problems)
    })?;
    let sid = if is_sid { Some(arguments.flow_definition.as_str()) } else { target };
    tell(&table::shown(&done, &settings, sid));
    let stages_warning = arguments.stages.is_none().then(|| stages_warning(&source, &done)).flatten();
    for warning in users_warning(&done, &settings).into_iter().chain(stages_warning) {
        tell(&format!("warning: {warning}\n"));
    }
    if arguments.diff {
        print(&diff(&source.flow, &done.flow))?;
    }
    if arguments.output.is_some() || !(arguments.diff || arguments.push) {
        put_out(&done.flow, arguments.output.as_deref())?;
    }
    match (&api, target) {
        (Some(_), Some(sid)) if is_sid && !done.changes(&source.flow) && !arguments.publish => {
            tell(&format!("{sid} has all of this already: nothing was pushed\n"));
            Ok(())
        }
        (Some(api), Some(sid)) => push(api, sid, &done, arguments.publish),
        (None, _) | (_, None) => Ok(()),
    }
}

/// The flow to push to, if one is to be pushed.
fn target(arguments: &InstrumentArguments) -> Result<Option<&str>, Failure> {
    if !arguments.push {
        return Ok(None);
    }
    if arguments.publish && !arguments.confirm_publish {
        let message = "--publish lets real people meet the flow at once: say --confirm-publish too, or leave both out for a draft";
        return Err(Failure::Refused(message.to_owned()));
    }
    let given = source::is_sid(&arguments.flow_definition).then_some(arguments.flow_definition.as_str());
    match (given, arguments.flow_sid.as_deref()) {
        (Some(read), Some(other)) if read != other => {
            Err(Failure::Refused(format!("{read} can't be pushed to {other}: leave --flow-sid out")))
        }
        (Some(sid), _) => Ok(Some(sid)),
        (None, Some(sid)) if source::is_sid(sid) => Ok(Some(sid)),
        (None, Some(sid)) => Err(Failure::Refused(format!(
            "--flow-sid `{sid}` is no SID of a flow: FW and 32 hexadecimal digits"
        ))),
        (None, None) => Err(Failure::Refused(
            "--push of a file needs the flow to push to: give --flow-sid FW…".to_owned(),
        )),
    }
}

fn settings(
    arguments: &InstrumentArguments,
    address: PostAddress,
    source: &Source,
) -> Result<Settings, Failure> {
    let known = |key: &str| agreed(&source.flow, key);
    let flow = arguments
        .flow
        .clone()
        .or_else(|| known("flow"))
        .or_else(|| source.proposed.clone())
        .ok_or_else(|| {
            Failure::Refused("the flow's name can't be told from where it comes: give --flow NAME".to_owned())
        })?;
    let stages = arguments.stages.as_deref().map(stages::read).transpose()?.unwrap_or_default();
    let told = |given: &Option<String>, key: &str, usual: &str| {
        given.as_deref().map(liquid).or_else(|| known(key)).unwrap_or_else(|| usual.to_owned())
    };
    let user = told(&arguments.user, "userID", USER);
    let phone = told(&arguments.phone, "phoneNumber", PHONE);
    Ok(Settings { address, flow, user, phone, stages })
}

/// `flow.data.patient` means `{{flow.data.patient}}`.
fn liquid(expression: &str) -> String {
    let expression = expression.trim();
    if expression.contains("{{") { expression.to_owned() } else { format!("{{{{{expression}}}}}") }
}

/// Only runs that the API starts have parameters.
fn users_warning(done: &Instrumented, settings: &Settings) -> Option<String> {
    if !settings.user.contains("flow.data.") {
        return None;
    }
    let entries = done.outcomes.iter().filter(|outcome| outcome.point.moment == Moment::Entry);
    let others: Vec<&str> = entries
        .map(|outcome| outcome.point.key.as_str())
        .filter(|key| !key.ends_with("/incomingRequest"))
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "runs that begin at {} have no {}, and posts without a user are refused: give another --user, such as \
             '{{{{contact.channel.address}}}}'",
            others.join(", "),
            settings.user
        )
    })
}

/// Which stages an earlier run was asked for, only its file of stages knows.
fn stages_warning(source: &Source, done: &Instrumented) -> Option<String> {
    let others = restaged(&source.flow, &done.flow);
    (!others.is_empty()).then(|| {
        format!(
            "without --stages, these posts tell of the stage that is proposed, or are taken out: {}; give the file that they \
             were made with",
            others.join(", ")
        )
    })
}

fn push(api: &StudioApi, sid: &str, done: &Instrumented, publish: bool) -> Result<(), Failure> {
    let status = if publish { "published" } else { "draft" };
    let friendly_name = api.fetch(sid)?.friendly_name;
    api.validate(&friendly_name, status, &done.flow)?;
    let saved = api.update(sid, status, &done.flow, COMMIT_MESSAGE)?;
    let what = match saved.status.as_str() {
        "published" => "published",
        _ => "saved as a draft; publish it in the console",
    };
    tell(&format!("{sid}: revision {} {what}\n", saved.revision));
    Ok(())
}
