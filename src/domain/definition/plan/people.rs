//! Whether flows and teams name what is there: teams with the addresses that are asked for, destinations, flows.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::missing;
use crate::domain::definition::{
    Channel, Definitions, Flow, Kind, Level, OutsideHours, Problem, Recipient, Shift, Team,
};

/// The kind of the destinations that calls, messages, executions and tasks go through.
const TWILIO: &str = "twilio";

/// What is there once a plan is carried out.
pub(super) struct There<'a> {
    pub after: &'a Definitions,
    pub deletes: &'a [(Kind, String)],
}

/// What a channel asks of those who are on call.
#[derive(Clone, Copy)]
enum Address {
    Mail,
    Phone,
}

impl Address {
    fn of(self, shift: &Shift) -> &[String] {
        match self {
            Self::Mail => &shift.email,
            Self::Phone => &shift.phone,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mail => "a mail address",
            Self::Phone => "a telephone number",
        }
    }
}

impl There<'_> {
    /// What is wrong with what a flow names.
    pub fn flow(&self, at: &str, flow: &Flow) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(message) = flow.team.as_ref().and_then(|key| self.no_team(key)) {
            problems.push(Problem::new(format!("{at}.team"), message));
        }
        let is_twin = |other: &&Arc<Flow>| other.name != flow.name && other.sid == flow.sid;
        let twin = self.after.flows.values().filter(|_| flow.sid.is_some()).find(is_twin);
        if let Some(twin) = twin {
            let message = format!("is the Studio flow of flow `{}` too", twin.name);
            problems.push(Problem::new(format!("{at}.sid"), message));
        }
        for (index, level) in flow.escalation.iter().enumerate() {
            // Two channels of a level may name the same.
            let said: BTreeSet<String> = channels(level).flat_map(|channel| self.channel(channel)).collect();
            let place = format!("level `{}` after {}", level.stage, level.after);
            let said = said.into_iter().map(|message| format!("{place}: {message}"));
            problems.extend(said.map(|message| Problem::new(format!("{at}.escalation[{index}]"), message)));
        }
        problems
    }

    /// What is wrong with what a team names.
    pub fn team(&self, at: &str, team: &Team) -> Vec<Problem> {
        let flows = team.summary.iter().flat_map(|summary| summary.flows.iter().enumerate());
        let unknown = flows.filter(|(_, name)| !self.after.flows.contains_key(*name));
        unknown
            .map(|(index, name)| {
                let message = missing(self.after, Kind::Flow, name, self.deletes);
                Problem::new(format!("{at}.summary.flows[{index}]"), message)
            })
            .collect()
    }

    fn no_team(&self, key: &str) -> Option<String> {
        let is_there = self.after.teams.contains_key(key);
        (!is_there).then(|| missing(self.after, Kind::Team, key, self.deletes))
    }

    fn channel(&self, channel: &Channel) -> Vec<String> {
        match channel {
            Channel::Email { to, .. } => self.recipients(to, Address::Mail),
            Channel::Call { to, via, .. }
            | Channel::Sms { to, via, .. }
            | Channel::StudioExecution { to, via, .. } => {
                self.recipients(to, Address::Phone).into_iter().chain(self.via(via)).collect()
            }
            Channel::Task { workspace_sid, via, .. } => {
                let place = self.via(via).or_else(|| self.no_workspace(workspace_sid.as_deref(), via));
                place.into_iter().collect()
            }
            Channel::Webhook { to } => to.iter().filter_map(|key| self.webhook(key)).collect(),
        }
    }

    fn recipients(&self, to: &[Recipient], address: Address) -> Vec<String> {
        let of_one = |recipient: &Recipient| match recipient {
            Recipient::OnCall(key) => self.on_call(key, address),
            Recipient::Address(_) | Recipient::Field(_) => None,
        };
        to.iter().filter_map(of_one).collect()
    }

    fn on_call(&self, key: &str, address: Address) -> Option<String> {
        let Some(team) = self.after.teams.get(key) else { return self.no_team(key) };
        if team.on_call.is_empty() {
            return Some(format!("team `{key}` has no table `on_call`"));
        }
        let nobody = team.on_call.iter().all(|shift| address.of(shift).is_empty());
        nobody.then(|| format!("nobody in the table `on_call` of team `{key}` has {}", address.name()))
    }

    fn via(&self, key: &str) -> Option<String> {
        let Some(destination) = self.after.destinations.get(key) else {
            return Some(missing(self.after, Kind::Destination, key, self.deletes));
        };
        let kind = destination.kind.as_str();
        (kind != TWILIO).then(|| format!("destination `{key}` is of the kind {kind}, not {TWILIO}"))
    }

    fn no_workspace(&self, named: Option<&str>, via: &str) -> Option<String> {
        let account = self.after.destinations.get(via).and_then(|destination| destination.kind.twilio());
        let is_there = named.is_some() || account.is_some_and(|account| account.workspace_sid.is_some());
        (!is_there).then(|| {
            format!(
                "a task needs a workspace: set `workspace_sid` (WS…) of the action, or of destination `{via}`"
            )
        })
    }

    fn webhook(&self, key: &str) -> Option<String> {
        let Some(destination) = self.after.destinations.get(key) else {
            return Some(missing(self.after, Kind::Destination, key, self.deletes));
        };
        let is_twilio = destination.kind.as_str() == TWILIO;
        is_twilio.then(|| {
            format!("destination `{key}` is of the kind {TWILIO}, which takes no calls of this sort")
        })
    }
}

/// Everything a level does, at whatever hour.
fn channels(level: &Level) -> impl Iterator<Item = &Channel> {
    let instead = match &level.outside_hours {
        OutsideHours::Instead(channels) => channels.as_slice(),
        OutsideHours::Wait | OutsideHours::Send => &[],
    };
    level.actions.iter().chain(instead)
}

/// The flows that name this team, destination or flow, and the teams whose summary does.
pub(super) fn naming<'a>(existing: &'a Definitions, kind: Kind, key: &str) -> Vec<&'a str> {
    let names = |channel: &Channel| match (kind, channel) {
        (Kind::Destination, Channel::Webhook { to }) => to.iter().any(|known| known == key),
        (
            Kind::Destination,
            Channel::Call { via, .. }
            | Channel::Sms { via, .. }
            | Channel::StudioExecution { via, .. }
            | Channel::Task { via, .. },
        ) => via == key,
        (
            Kind::Team,
            Channel::Email { to, .. }
            | Channel::Call { to, .. }
            | Channel::Sms { to, .. }
            | Channel::StudioExecution { to, .. },
        ) => to.iter().any(|recipient| matches!(recipient, Recipient::OnCall(team) if team == key)),
        (
            Kind::Source | Kind::Team | Kind::Flow | Kind::Destination | Kind::Audience | Kind::Trait,
            Channel::Email { .. }
            | Channel::Webhook { .. }
            | Channel::Call { .. }
            | Channel::Sms { .. }
            | Channel::StudioExecution { .. }
            | Channel::Task { .. },
        ) => false,
    };
    let flows = existing.flows.values().filter(|flow| {
        let is_its_team = kind == Kind::Team && flow.team.as_deref() == Some(key);
        is_its_team || flow.escalation.iter().flat_map(channels).any(names)
    });
    let sums_up = |team: &&Arc<Team>| {
        let mut flows = team.summary.iter().flat_map(|summary| &summary.flows);
        kind == Kind::Flow && flows.any(|name| name == key)
    };
    let teams = existing.teams.values().filter(sums_up).map(|team| team.key.as_str());
    flows.map(|flow| flow.name.as_str()).chain(teams).collect()
}
