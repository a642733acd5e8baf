//! The form of a team: what was typed, row by row, and the definition that it makes.
//!
//! Fields of a row are called `<list>.<row>.<field>`; the lists are `hours` and `on_call`. Days are boxes: a name may be there
//! several times.

use std::collections::BTreeMap;

use chrono::{NaiveTime, Weekday};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::form::Fields;
use crate::domain::definition::{Shift, Team, WeekHours};

/// What a team has besides its rows and its summary's days.
const OWN: [&str; 5] = ["time_zone", "holidays", "summary.at", "summary.to", "summary.flows"];
/// What a row has besides its days; only who is on call has a name and addresses.
const ROW: [&str; 5] = ["from", "until", "name", "email", "phone"];
/// The days as definitions have them.
pub(super) const WEEK: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The days of a row that was just added.
const USUAL_DAYS: [&str; 5] = ["mon", "tue", "wed", "thu", "fri"];
/// Lists whose lines are told apart where one is wrong.
const LINES: [&str; 5] = ["holidays", "to", "flows", "email", "phone"];

/// Texts by the names of their fields.
type Texts = BTreeMap<&'static str, String>;

/// A team as it stands in its form.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct TeamForm {
    pub own: Texts,
    pub summary_days: Vec<&'static str>,
    pub hours: Vec<Row>,
    pub on_call: Vec<Row>,
}

/// A piece of the week, and who is on call then.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Row {
    pub days: Vec<&'static str>,
    pub own: Texts,
}

impl TeamForm {
    /// A team that is there.
    pub fn of(team: &Team) -> Self {
        let summary = team.summary.as_ref();
        let own = [
            team.time_zone.name().to_owned(),
            team.holidays.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            summary.map(|summary| clock(summary.at)).unwrap_or_default(),
            summary.map(|summary| summary.to.join("\n")).unwrap_or_default(),
            summary.map(|summary| summary.flows.join("\n")).unwrap_or_default(),
        ];
        Self {
            own: OWN.into_iter().zip(own).collect(),
            summary_days: summary.map_or(USUAL_DAYS.to_vec(), |summary| days(&summary.days)),
            hours: team.hours.iter().map(Row::of_hours).collect(),
            on_call: team.on_call.iter().map(Row::of_shift).collect(),
        }
    }

    /// One that nobody defined yet.
    pub fn new() -> Self {
        let own = OWN.into_iter().map(|name| (name, String::new())).collect();
        Self { own, summary_days: USUAL_DAYS.to_vec(), hours: vec![Row::new()], on_call: Vec::new() }
    }

    /// What was sent.
    pub fn read(fields: &Fields) -> Self {
        let rows = |list: &str| -> Vec<Row> {
            let place = |row: usize| format!("{list}.{row}.");
            let is_there = |place: &String| fields.all(&format!("{place}from")).next().is_some();
            (0..).map(place).take_while(is_there).map(|place| Row::read(fields, &place)).collect()
        };
        Self {
            own: texts(fields, "", &OWN),
            summary_days: ticked(fields, "summary.days"),
            hours: rows("hours"),
            on_call: rows("on_call"),
        }
    }

    /// Does what a button says: `add <list>`, `drop <list>.<row>`.
    pub fn change(&mut self, button: &str) {
        let (what, place) = button.split_once(' ').unwrap_or((button, ""));
        let (list, row) = place.split_once('.').unwrap_or((place, ""));
        let rows = match list {
            "hours" => &mut self.hours,
            "on_call" => &mut self.on_call,
            _ => return,
        };
        match (what, row.parse::<usize>()) {
            ("add", _) => rows.push(Row::new()),
            ("drop", Ok(row)) if row < rows.len() => {
                rows.remove(row);
            }
            _ => {}
        }
    }

    /// The definition that it makes.
    pub fn definition(&self) -> Value {
        let own = |name: &str| self.own.get(name).map_or("", String::as_str);
        let mut definition = Map::from_iter([("time_zone".to_owned(), own("time_zone").into())]);
        let mut put = |name: &str, value: Value| {
            if !value.as_array().is_some_and(Vec::is_empty) {
                definition.insert(name.to_owned(), value);
            }
        };
        put("hours", self.hours.iter().map(Row::definition).collect());
        put("holidays", lines(own("holidays")));
        put("on_call", self.on_call.iter().map(Row::definition).collect());
        // None of it is no summary; some of it has to be all.
        if ["at", "to", "flows"].iter().any(|name| !own(&format!("summary.{name}")).is_empty()) {
            let mut summary = json!({ "days": self.summary_days, "to": lines(own("summary.to")), "flows": lines(own("summary.flows")) });
            if !own("summary.at").is_empty() {
                summary["at"] = own("summary.at").into();
            }
            put("summary", summary);
        }
        definition.into()
    }
}

impl Row {
    fn new() -> Self {
        let text = |name| match name {
            "from" => "09:00".to_owned(),
            "until" => "17:00".to_owned(),
            _ => String::new(),
        };
        Self { days: USUAL_DAYS.to_vec(), own: ROW.into_iter().map(|name| (name, text(name))).collect() }
    }

    fn of_hours(hours: &WeekHours) -> Self {
        let time = |time: NaiveTime| if time == NaiveTime::MIN { String::new() } else { clock(time) };
        let own = [time(hours.from), time(hours.until), String::new(), String::new(), String::new()];
        Self { days: days(&hours.days), own: ROW.into_iter().zip(own).collect() }
    }

    fn of_shift(shift: &Shift) -> Self {
        let mut row = Self::of_hours(&shift.hours);
        let who = [
            ("name", shift.name.clone()),
            ("email", shift.email.join("\n")),
            ("phone", shift.phone.join("\n")),
        ];
        row.own.extend(who);
        row
    }

    fn read(fields: &Fields, place: &str) -> Self {
        Self { days: ticked(fields, &format!("{place}days")), own: texts(fields, place, &ROW) }
    }

    /// What is empty is left out: a time is midnight then, and an address none.
    fn definition(&self) -> Value {
        let mut row = Map::from_iter([("days".to_owned(), json!(self.days))]);
        for (name, text) in self.own.iter().filter(|(_, text)| !text.is_empty()) {
            let is_list = LINES.contains(name);
            row.insert((*name).to_owned(), if is_list { lines(text) } else { text.as_str().into() });
        }
        row.into()
    }
}

/// The field for a path such as `on_call[1].email[0]`, and the line of it.
pub(super) fn field(path: &str) -> (String, Option<usize>) {
    let path = path.replace('[', ".").replace(']', "");
    let number = |text: &str| text.parse::<usize>().ok();
    if let Some((list, line)) = path.rsplit_once('.').filter(|(_, last)| number(last).is_some()) {
        let name = list.rsplit('.').next().unwrap_or_default();
        if LINES.contains(&name) {
            return (list.to_owned(), number(line).map(|line| line + 1));
        }
        if name == "days" {
            return (list.to_owned(), None);
        }
    }
    let is_of_row = path.starts_with("hours.") || path.starts_with("on_call.");
    let is_known =
        is_of_row || OWN.contains(&path.as_str()) || ["key", "summary.days"].contains(&path.as_str());
    (if is_known { path } else { String::new() }, None)
}

fn texts(fields: &Fields, place: &str, names: &[&'static str]) -> Texts {
    names.iter().map(|name| (*name, fields.text(&format!("{place}{name}")).replace('\r', ""))).collect()
}

fn ticked(fields: &Fields, name: &str) -> Vec<&'static str> {
    WEEK.into_iter().filter(|day| fields.all(name).any(|ticked| ticked == *day)).collect()
}

fn days(days: &[Weekday]) -> Vec<&'static str> {
    days.iter().filter_map(|day| WEEK.get(day.num_days_from_monday() as usize).copied()).collect()
}

fn clock(time: NaiveTime) -> String {
    time.format("%H:%M").to_string()
}

/// The lines of a text that are not empty.
fn lines(text: &str) -> Value {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::definition::{Definition, Kind, document, render};

    fn team(definition: &Value) -> Team {
        match document::read_one(Kind::Team, Some("ops"), definition) {
            Ok(Definition::Team(team)) => team,
            other => panic!("{other:?}"),
        }
    }

    fn sent(form: &TeamForm) -> Fields {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut put = |place: &str, days: &[&str], days_name: &str, own: &Texts| {
            fields.extend(days.iter().map(|day| (format!("{place}{days_name}"), (*day).to_owned())));
            fields.extend(own.iter().map(|(name, text)| (format!("{place}{name}"), text.clone())));
        };
        put("", &form.summary_days, "summary.days", &form.own);
        for (list, rows) in [("hours", &form.hours), ("on_call", &form.on_call)] {
            for (number, row) in rows.iter().enumerate() {
                put(&format!("{list}.{number}."), &row.days, "days", &row.own);
            }
        }
        Fields(fields)
    }

    #[test]
    fn a_team_goes_through_its_form_unchanged() {
        let whole = team(&json!({
            "time_zone": "Europe/Brussels",
            "hours": [{ "days": "mon-fri", "from": "08:00", "until": "18:00" }, { "days": "sat", "until": "12:00" }],
            "holidays": ["2026-12-25", "2027-01-01"],
            "on_call": [
                { "from": "18:00", "until": "08:00", "name": "Ada", "email": ["a@example.com", "b@example.com"], "phone": "+32470123456" },
                { "days": ["sun"], "phone": "client:ann" },
            ],
            "summary": { "at": "08:00", "days": ["mon", "sat"], "to": ["ops@example.com"], "flows": ["a", "b"] },
        }));
        let form = TeamForm::of(&whole);
        let read = TeamForm::read(&sent(&form));
        assert_eq!(read, form);
        assert_eq!(render::team(&team(&read.definition())), render::team(&whole));
        let bare = team(&json!({ "time_zone": "UTC" }));
        assert_eq!(render::team(&team(&TeamForm::of(&bare).definition())), render::team(&bare));
    }

    #[test]
    fn buttons_add_and_drop_rows_and_nothing_else() {
        let mut form = TeamForm::new();
        form.change("add on_call");
        form.change("add hours");
        form.hours[1].own.insert("from", "10:00".to_owned());
        form.change("drop hours.0");
        for nonsense in ["drop hours.7", "drop hours", "drop on_call.x", "add", "add days", "explode hours.0"]
        {
            form.change(nonsense);
        }
        assert_eq!((form.hours.len(), form.on_call.len()), (1, 1));
        assert_eq!(form.hours[0].own["from"], "10:00");
    }

    #[test]
    fn each_path_has_its_field() {
        for (path, expected, line) in [
            ("time_zone", "time_zone", None),
            ("key", "key", None),
            ("holidays[1]", "holidays", Some(2)),
            ("hours[0].days", "hours.0.days", None),
            ("hours[0].days[3]", "hours.0.days", None),
            ("on_call[1]", "on_call.1", None),
            ("on_call[12].email[2]", "on_call.12.email", Some(3)),
            ("summary.at", "summary.at", None),
            ("summary.to[0]", "summary.to", Some(1)),
            ("hours", "", None),
            ("summary", "", None),
        ] {
            assert_eq!(field(path), (expected.to_owned(), line), "{path}");
        }
    }
}
