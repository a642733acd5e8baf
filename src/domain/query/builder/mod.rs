//! A query as a form that people fill in: groups of conditions, each about events, a trait or another audience.
//!
//! A form holds what was typed, right or wrong. [`Form::to_query`] makes a query of it, or says which field is wrong;
//! [`Form::from_query`] shows a query as a form, where it says nothing that a form can't show. Back and forth gives the same
//! query.

mod read;
mod test;
mod write;

use super::words::COMPARATORS;

/// How things are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Join {
    /// All of them have to be true.
    #[default]
    All,
    /// One of them has to be.
    Any,
}

impl Join {
    /// The name in forms: `all` or `any`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::All, Self::Any].into_iter().find(|join| join.as_str() == name)
    }
}

/// What is filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Of an audience.
    Condition(Groups),
    /// Of a computed trait.
    Value(Events),
}

/// Groups of conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Groups {
    /// How the groups are joined.
    pub join: Join,
    /// The groups. Their fields are called `g0.`…
    pub groups: Vec<Group>,
}

/// Conditions in brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Group {
    /// How its conditions are joined.
    pub join: Join,
    /// Whether it has to be false as a whole.
    pub negated: bool,
    /// The conditions. Their fields are called `g0.c0.`…
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Whether it has to be false.
    pub negated: bool,
    /// What it asks.
    pub subject: Subject,
}

/// What a condition asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// What is made of events, against a value.
    Events(Events, Test),
    /// A trait, by its path, against a value.
    Trait(String, Test),
    /// Whether one is a member of the audience with that key.
    Audience(String),
}

/// Events of a name, and what is made of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Events {
    /// Their name.
    pub name: String,
    /// How the filters are joined.
    pub join: Join,
    /// What each event has to meet. Their fields are called `…f0.`…
    pub filters: Vec<Filter>,
    /// Which of them count, by their age.
    pub period: Period,
    /// What is made of them.
    pub measure: Measure,
    /// The path of the property it is made of; not looked at where [`Measure::takes_property`] says no.
    pub property: String,
}

/// What an event has to meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Whether it is about the event's context, not its properties.
    pub context: bool,
    /// The path in there.
    pub path: String,
    /// What is asked of it.
    pub test: Test,
}

/// Which events count, by their age.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Period {
    /// The kind; what it does not need is not looked at.
    pub kind: PeriodKind,
    /// How old the youngest may be.
    pub near: String,
    /// How old the oldest may be; of a session, the pause that ends it.
    pub far: String,
    /// Whether both are hours, not days.
    pub hours: bool,
}

/// Kinds of periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PeriodKind {
    /// Whatever their age.
    #[default]
    Ever,
    /// Not older than `far`.
    Within,
    /// Between `near` and `far` ago.
    Between,
    /// Those of the last session; for computed traits only.
    Session,
}

impl PeriodKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ever, Self::Within, Self::Between, Self::Session];

    /// The name in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ever => "ever",
            Self::Within => "within",
            Self::Between => "between",
            Self::Session => "session",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What is made of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Measure {
    /// How many there are.
    #[default]
    Count,
    /// The sum of a property.
    Sum,
    /// Its mean.
    Average,
    /// Its least number.
    Minimum,
    /// Its greatest number.
    Maximum,
    /// Its first value.
    First,
    /// Its last value.
    Last,
    /// Its most frequent value.
    Mode,
    /// How many different values it has.
    Different,
    /// Its different values; for computed traits only.
    List,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Count,
        Self::Sum,
        Self::Average,
        Self::Minimum,
        Self::Maximum,
        Self::First,
        Self::Last,
        Self::Mode,
        Self::Different,
        Self::List,
    ];

    /// The name in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Average => "avg",
            Self::Minimum => "min",
            Self::Maximum => "max",
            Self::First => "first",
            Self::Last => "last",
            Self::Mode => "mode",
            Self::Different => "different",
            Self::List => "list",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == name)
    }

    /// Whether it is made of a property.
    pub fn takes_property(self) -> bool {
        self != Self::Count
    }

    /// Whether it is a number of things, which is compared with numbers only.
    pub fn is_count(self) -> bool {
        matches!(self, Self::Count | Self::Different)
    }
}

/// A comparator and the right side, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Test {
    /// How it is compared.
    pub operator: Operator,
    /// With what; not looked at where [`Operator::takes`] says nothing.
    pub value: String,
}

/// One of the comparators of the language, by the name of its function: `equals`, `at_least`, `within_last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operator(&'static str);

impl Default for Operator {
    fn default() -> Self {
        Self("equals")
    }
}

impl Operator {
    /// How a count is compared.
    pub const COUNT: [Self; 6] = [
        Self("at_least"),
        Self("greater_than"),
        Self("equals"),
        Self("differs"),
        Self("at_most"),
        Self("less_than"),
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        COMPARATORS.into_iter().map(Self)
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|operator| operator.0 == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// What has to be typed for it.
    pub fn takes(self) -> Takes {
        match self.0 {
            "exists" | "absent" => Takes::Nothing,
            "before_date" | "after_date" => Takes::Date,
            "within_last" | "within_next" | "before_last" | "after_next" => Takes::Span,
            "contains" | "omits" | "one_of" | "none_of" => Takes::Values,
            _ => Takes::Value,
        }
    }
}

/// What has to be typed for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A number, a text, `true` or `false`; in single quotes it is a text whatever it looks like.
    Value,
    /// Such values with commas between.
    Values,
    /// A date or an instant.
    Date,
    /// A whole number of hours or days: `30 days`.
    Span,
}

/// A field that is not right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its name: `g0.c1.event`; a whole condition is `g0.c1`, the form is `form`.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}
