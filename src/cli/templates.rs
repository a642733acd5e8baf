//! Whether what definitions say by mail, call and message can be made: tried at the start, rather than when somebody stalls.

use crate::delivery::templates::{Templates, TextKind, check_text};
use crate::domain::definition::document::did_you_mean;
use crate::domain::definition::{Channel, Definition, Flow, Level, OutsideHours};

/// Tries every template that a definition needs with a sample.
///
/// # Errors
/// A message that names the definition, the template and the line.
pub(super) fn check(definition: &Definition, templates: &Templates) -> Result<(), String> {
    match definition {
        Definition::Flow(flow) => check_flow(flow, templates),
        Definition::Team(team) if team.summary.is_some() => {
            check_mail("summary", templates).map_err(|error| format!("team {}: {error}", team.key))
        }
        Definition::Team(_)
        | Definition::Source(_)
        | Definition::Destination(_)
        | Definition::Audience(_)
        | Definition::Trait(_) => Ok(()),
    }
}

fn check_flow(flow: &Flow, templates: &Templates) -> Result<(), String> {
    let digest = if flow.digest.is_some() { check_mail("digest", templates) } else { Ok(()) };
    let mut actions = flow.escalation.iter().flat_map(|level| level.actions.iter().chain(instead(level)));
    digest
        .and_then(|()| actions.try_for_each(|action| check_action(action, templates)))
        .map_err(|error| format!("flow {}: {error}", flow.name))
}

/// What a level does outside the hours.
fn instead(level: &Level) -> &[Channel] {
    match &level.outside_hours {
        OutsideHours::Instead(actions) => actions,
        OutsideHours::Wait | OutsideHours::Send => &[],
    }
}

fn check_action(action: &Channel, templates: &Templates) -> Result<(), String> {
    let text = |kind, text: &Option<String>| {
        check_text(templates, kind, text.as_deref())
            .map_err(|error| format!("the text of a {} can't be used: {error}", action.as_str()))
    };
    match action {
        Channel::Email { template, .. } => check_mail(template, templates),
        Channel::Call { text: said, .. } => text(TextKind::Call, said),
        Channel::Sms { text: said, .. } => text(TextKind::Sms, said),
        Channel::Webhook { .. } | Channel::StudioExecution { .. } | Channel::Task { .. } => Ok(()),
    }
}

fn check_mail(name: &str, templates: &Templates) -> Result<(), String> {
    templates.check(name).map_err(|error| {
        let known = templates.names();
        let is_there = known.iter().any(|known| known == name);
        let hint =
            if is_there { String::new() } else { did_you_mean(name, known.iter().map(String::as_str)) };
        format!("template `{name}` can't be used: {error}{hint}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::File;

    /// What is wrong with the first of these definitions that something is wrong with.
    fn problem(body: &str, templates: &Templates) -> Option<String> {
        let file = File::parse("test.toml", body, &|_| None);
        assert!(file.problems.is_empty(), "{:?}", file.problems);
        file.definitions.iter().find_map(|it| check(it, templates).err())
    }

    #[test]
    fn every_template_that_is_needed_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["email/digest/subject.txt", "email/summary/body.html", "sms/stalled.txt"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{{ nonsense }}").unwrap();
        }
        let templates = Templates::new(Some(folder.path().to_owned()));
        let level = |action: &str| {
            format!("[[flow]]\nname = \"f\"\n[[flow.escalation]]\nstage = \"s\"\nafter = \"1m\"\n{action}")
        };
        let mail = "channel = \"email\"\nto = [\"a@example.com\"]\n";
        for (body, expected) in [
            (level(&format!("{mail}template = \"stalled\"")), None),
            (level(&format!("{mail}template = \"absent\"")), Some("flow f: template `absent`")),
            (level("channel = \"call\"\nto = [\"+15551234567\"]"), None),
            (
                level("channel = \"call\"\nto = [\"+15551234567\"]\ntext = \"{{ nonsense }}\""),
                Some("flow f: the text of a call can't be used: text:1"),
            ),
            (level("channel = \"sms\"\nto = [\"+15551234567\"]"), Some("flow f: the text of a sms can't be used: stalled.txt:1")),
            (
                "[[flow]]\nname = \"f\"\ndigest = { more_than = 1, within = \"5m\" }".to_owned(),
                Some("flow f: template `digest` can't be used: digest/subject.txt:1"),
            ),
            (
                "[[team]]\nkey = \"t\"\ntime_zone = \"UTC\"\nsummary = { at = \"08:00\", to = [\"a@example.com\"] }".to_owned(),
                Some("team t: template `summary` can't be used: summary/body.html:1"),
            ),
        ] {
            let found = problem(&body, &templates);
            match expected {
                Some(expected) => assert!(found.as_ref().is_some_and(|it| it.starts_with(expected)), "{body}: {found:?}"),
                None => assert_eq!(found, None, "{body}"),
            }
            assert_eq!(problem(&body, &Templates::built_in()).is_some(), body.contains("absent") || body.contains("nonsense"), "{body}");
        }
    }

    #[test]
    fn a_mistyped_template_is_told_which_was_meant() {
        let body = "[[flow]]\nname = \"f\"\n[[flow.escalation]]\nstage = \"s\"\nafter = \"1m\"\nchannel = \"email\"\n\
                    to = [\"a@example.com\"]\ntemplate = ";
        let found = problem(&format!("{body}\"no_replly\""), &Templates::built_in()).unwrap();
        assert!(found.ends_with("did you mean `no_reply`?"), "{found}");
    }
}
