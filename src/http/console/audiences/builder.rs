//! The form's side of the editor as fields of a page: `g0.c1.event` is the event of the second condition of the first group,
//! `v.event` that of a computed trait.

use std::cell::Cell;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::form::Fields;
use crate::domain::definition::Class;
use crate::domain::query::MAX_EXPRESSIONS;
use crate::domain::query::builder::{
    Condition, Events, Filter, Form, Group, Groups, Join, Measure, Operator, Period, PeriodKind, Subject,
    Takes, Test,
};

/// Where the fields of a computed trait stand.
const VALUE: &str = "v";
/// What a new condition on events asks for: at least one within so many days.
const DAYS: &str = "30";

/// The form that a new definition begins with.
pub(super) fn blank(class: Class) -> Form {
    match class {
        Class::Audience => {
            let group = Group { conditions: vec![new_events()], ..Group::default() };
            Form::Condition(Groups { join: Join::All, groups: vec![group] })
        }
        Class::Trait => Form::Value(Events::default()),
    }
}

fn new_events() -> Condition {
    let period = Period { kind: PeriodKind::Within, far: DAYS.to_owned(), ..Period::default() };
    let at_least_one = Test { operator: Operator::COUNT[0], value: "1".to_owned() };
    condition(Subject::Events(Events { period, ..Events::default() }, at_least_one))
}

fn condition(subject: Subject) -> Condition {
    Condition { negated: false, subject }
}

/// What was posted of it; `None` where the page did not show it.
pub(super) fn read(fields: &Fields, class: Class) -> Option<Form> {
    // A page may hold thousands of fields; each is looked up a few times.
    let mut given: HashMap<&str, &str> = HashMap::new();
    for (name, value) in &fields.0 {
        given.entry(name.as_str()).or_insert(value.trim());
    }
    let given = Given { fields: given, room: Cell::new(2 * MAX_EXPRESSIONS + 1) };
    if given.text("", "form") != "shown" {
        return None;
    }
    Some(match class {
        Class::Audience => Form::Condition(given.groups()),
        Class::Trait => Form::Value(given.events(VALUE)),
    })
}

struct Given<'f> {
    fields: HashMap<&'f str, &'f str>,
    /// How many more groups, conditions and filters are read: more than a query can have, so that it says so.
    room: Cell<usize>,
}

impl Given<'_> {
    fn known(&self, at: &str, name: &str) -> Option<&str> {
        let name = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        self.fields.get(name.as_str()).copied()
    }

    fn text(&self, at: &str, name: &str) -> &str {
        self.known(at, name).unwrap_or_default()
    }

    fn join(&self, at: &str) -> Join {
        Join::named(self.text(at, "join")).unwrap_or_default()
    }

    /// The places `at0`, `at1`, … of which there is the field `name`, while there is room.
    fn places(&self, at: &str, name: &'static str) -> impl Iterator<Item = String> {
        let places = (0..).map(move |index| format!("{at}{index}"));
        places.take_while(move |place| {
            let room = self.room.get();
            let is_there = room > 0 && self.known(place, name).is_some();
            self.room.set(room - usize::from(is_there));
            is_there
        })
    }

    fn groups(&self) -> Groups {
        let group = |at: String| Group {
            join: self.join(&at),
            negated: self.text(&at, "not") == "not",
            conditions: self.places(&format!("{at}.c"), "kind").map(|at| self.condition(&at)).collect(),
        };
        Groups { join: self.join(""), groups: self.places("g", "join").map(group).collect() }
    }

    fn condition(&self, at: &str) -> Condition {
        let subject = match self.text(at, "kind") {
            "trait" => Subject::Trait(self.text(at, "trait").to_owned(), self.test(at)),
            "audience" => Subject::Audience(self.text(at, "audience").to_owned()),
            _ => Subject::Events(self.events(at), self.test(at)),
        };
        Condition { negated: self.text(at, "not") == "not", subject }
    }

    fn events(&self, at: &str) -> Events {
        let filter = |at: String| Filter {
            context: self.text(&at, "of") == "context",
            path: self.text(&at, "path").to_owned(),
            test: self.test(&at),
        };
        let measure = Measure::named(self.text(at, "measure")).unwrap_or_default();
        Events {
            name: self.text(at, "event").to_owned(),
            join: self.join(at),
            filters: self.places(&format!("{at}.f"), "path").map(filter).collect(),
            period: self.period(at),
            measure,
            property: if measure.takes_property() {
                self.text(at, "property").to_owned()
            } else {
                String::new()
            },
        }
    }

    fn period(&self, at: &str) -> Period {
        let kind = PeriodKind::named(self.text(at, "period")).unwrap_or_default();
        let when = |wanted: bool, name| if wanted { self.text(at, name).to_owned() } else { String::new() };
        Period {
            kind,
            near: when(kind == PeriodKind::Between, "near"),
            far: when(kind != PeriodKind::Ever, "far"),
            hours: kind != PeriodKind::Ever && self.text(at, "unit") == "hours",
        }
    }

    fn test(&self, at: &str) -> Test {
        let operator = Operator::named(self.text(at, "op")).unwrap_or_default();
        let value = if operator.takes() == Takes::Nothing { "" } else { self.text(at, "value") };
        Test { operator, value: value.to_owned() }
    }
}

/// The form as templates draw it.
pub(super) fn shown(form: &Form) -> Value {
    match form {
        Form::Condition(groups) => {
            let all = groups.groups.iter().enumerate();
            json!({ "join": groups.join.as_str(), "groups": all.map(|(index, group)| group_shown(index, group)).collect::<Vec<_>>() })
        }
        Form::Value(events) => json!({ "value": events_shown(VALUE, VALUE, events) }),
    }
}

fn group_shown(index: usize, group: &Group) -> Value {
    let all = group.conditions.iter().enumerate();
    json!({
        "at": format!("g{index}"), "place": index.to_string(), "join": group.join.as_str(), "not": group.negated,
        "conditions": all.map(|(place, condition)| condition_shown(index, place, condition)).collect::<Vec<_>>(),
    })
}

fn condition_shown(group: usize, place: usize, condition: &Condition) -> Value {
    let (at, place) = (format!("g{group}.c{place}"), format!("{group}.{place}"));
    let mut shown = json!({ "at": at, "place": place, "not": condition.negated });
    match &condition.subject {
        Subject::Events(events, test) => {
            shown["kind"] = "events".into();
            shown["events"] = events_shown(&at, &place, events);
            shown["test"] = test_shown(&at, test);
            shown["counted"] = events.measure.is_count().into();
        }
        Subject::Trait(path, test) => {
            shown["kind"] = "trait".into();
            shown["trait"] = path.as_str().into();
            shown["test"] = test_shown(&at, test);
        }
        Subject::Audience(key) => {
            shown["kind"] = "audience".into();
            shown["audience"] = key.as_str().into();
        }
    }
    shown
}

fn events_shown(at: &str, place: &str, events: &Events) -> Value {
    let filter = |(index, filter): (usize, &Filter)| {
        let at = format!("{at}.f{index}");
        let of = if filter.context { "context" } else { "property" };
        json!({ "at": at, "place": format!("{place}.{index}"), "of": of, "path": filter.path, "test": test_shown(&at, &filter.test) })
    };
    json!({
        "at": at, "place": place, "name": events.name, "join": events.join.as_str(),
        "measure": events.measure.as_str(), "property": events.property,
        "period": events.period.kind.as_str(), "near": events.period.near, "far": events.period.far,
        "unit": if events.period.hours { "hours" } else { "days" },
        "filters": events.filters.iter().enumerate().map(filter).collect::<Vec<_>>(),
    })
}

fn test_shown(at: &str, test: &Test) -> Value {
    json!({ "at": at, "op": test.operator.as_str(), "value": test.value })
}

/// Does what a button of the form says: `add-event:0`, `remove-filter:0.1.2`; nothing where there is no such place.
pub(super) fn change(form: &mut Form, action: &str) {
    let (what, place) = action.split_once(':').unwrap_or((action, ""));
    let places: Vec<usize> = place.split('.').filter_map(|number| number.parse().ok()).collect();
    match form {
        Form::Value(events) => change_filters(events, what, places.first().copied()),
        Form::Condition(groups) => change_groups(groups, what, &places),
    }
}

fn change_groups(groups: &mut Groups, what: &str, places: &[usize]) {
    if what == "add-group" {
        groups.groups.push(Group { conditions: vec![new_events()], ..Group::default() });
        return;
    }
    let Some(group) = places.first().and_then(|place| groups.groups.get_mut(*place)) else { return };
    let conditions = &mut group.conditions;
    match (what, &places[1..]) {
        ("remove-group", []) => conditions.clear(),
        ("add-event", []) => conditions.push(new_events()),
        ("add-trait", []) => conditions.push(condition(Subject::Trait(String::new(), Test::default()))),
        ("add-audience", []) => conditions.push(condition(Subject::Audience(String::new()))),
        ("remove", [place]) if *place < conditions.len() => {
            conditions.remove(*place);
        }
        (_, [place, rest @ ..]) => {
            if let Some(Condition { subject: Subject::Events(events, _), .. }) = conditions.get_mut(*place) {
                change_filters(events, what, rest.first().copied());
            }
        }
        _ => {}
    }
    // A group without conditions says nothing.
    groups.groups.retain(|group| !group.conditions.is_empty());
}

fn change_filters(events: &mut Events, what: &str, place: Option<usize>) {
    match (what, place) {
        ("add-filter", _) => events.filters.push(Filter::default()),
        ("remove-filter", Some(place)) if place < events.filters.len() => {
            events.filters.remove(place);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_was_posted_is_what_is_drawn() {
        let posted = fields(&[
            ("form", "shown"),
            ("join", "any"),
            ("g0.join", "all"),
            ("g0.c0.kind", "events"),
            ("g0.c0.not", "not"),
            ("g0.c0.event", " Order Completed "),
            ("g0.c0.measure", "sum"),
            ("g0.c0.property", "total"),
            ("g0.c0.period", "between"),
            ("g0.c0.near", "1"),
            ("g0.c0.far", "12"),
            ("g0.c0.unit", "hours"),
            ("g0.c0.op", "at_least"),
            ("g0.c0.value", "100"),
            ("g0.c0.f0.path", "sku"),
            ("g0.c0.f0.op", "exists"),
            ("g0.c0.f0.value", "not looked at"),
            ("g0.c1.kind", "trait"),
            ("g0.c1.trait", "plan"),
            ("g0.c1.op", "equals"),
            ("g0.c1.value", "pro"),
            ("g1.join", "all"),
            ("g1.not", "not"),
            ("g1.c0.kind", "audience"),
            ("g1.c0.audience", "vip"),
        ]);
        let form = read(&posted, Class::Audience).unwrap();
        assert_eq!(
            form.to_query().unwrap().to_string(),
            "NOT event('Order Completed').where(property('sku').exists()).between(1 hour, 12 hours).sum(property('total')) >= 100 \
             AND trait('plan') = 'pro' OR NOT trait('vip') = true"
        );
        let drawn = shown(&form);
        assert_eq!(drawn["groups"][0]["conditions"][0]["events"]["filters"][0]["at"], "g0.c0.f0");
        assert_eq!(drawn["groups"][1]["conditions"][0]["audience"], "vip");
        assert_eq!(read(&fields(&[("g0.join", "all")]), Class::Audience), None);
    }

    #[test]
    fn buttons_add_and_remove() {
        let mut form = blank(Class::Audience);
        for action in ["add-trait:0", "add-filter:0.0", "add-group", "add-audience:1", "remove:1.0"] {
            change(&mut form, action);
        }
        let count = |form: &Form| match form {
            Form::Condition(groups) => {
                groups.groups.iter().map(|group| group.conditions.len()).collect::<Vec<_>>()
            }
            Form::Value(events) => vec![events.filters.len()],
        };
        assert_eq!(count(&form), [2, 1]);
        for hostile in [
            "",
            "remove:9.9",
            "remove:0",
            "remove-filter:0.0.7",
            "add-filter:5.5",
            "remove-group:77",
            "x:y.z",
        ] {
            let before = form.clone();
            change(&mut form, hostile);
            assert_eq!(form, before, "{hostile}");
        }
        for action in ["remove-filter:0.0.0", "remove:1.0", "remove-group:0"] {
            change(&mut form, action);
        }
        assert_eq!(count(&form), [0; 0]);
        let mut value = blank(Class::Trait);
        change(&mut value, "add-filter:v");
        change(&mut value, "add-filter:v");
        change(&mut value, "remove-filter:v.0");
        assert_eq!(count(&value), [1]);
    }

    #[test]
    fn a_hostile_form_is_bounded() {
        let many = (0..5000).flat_map(|index| {
            [
                (format!("g{index}.join"), "all".to_owned()),
                (format!("g{index}.c0.kind"), "audience".to_owned()),
            ]
        });
        let posted = Fields([("form".to_owned(), "shown".to_owned())].into_iter().chain(many).collect());
        let Some(Form::Condition(groups)) = read(&posted, Class::Audience) else { panic!("a form") };
        assert_eq!(groups.groups.len(), MAX_EXPRESSIONS + 1);
    }
}
