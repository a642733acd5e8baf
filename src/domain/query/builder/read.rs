//! From a query to its form.

use super::{
    Condition, Events, Filter, Form, Group, Groups, Join, Measure, Operator, Period, PeriodKind, Subject,
    Test,
};
use crate::domain::leaf::{As, Reduce, Window};
use crate::domain::query::ast::{Comparison, Literal, Place, Scalar, Stream, Term};
use crate::domain::query::comparator::{Comparator, Matching};
use crate::domain::query::logic::Logic;
use crate::domain::query::path::Path;
use crate::domain::query::{Expression, Query};
use crate::domain::time::Span;

impl Form {
    /// The form that shows that query; `is_audience` says of which keys there are audiences. `None`: the query says more than a
    /// form can show.
    pub fn from_query(query: &Query, is_audience: &dyn Fn(&str) -> bool) -> Option<Self> {
        match &query.expression {
            Expression::Condition(logic) => Reader { query, is_audience }.groups(logic).map(Self::Condition),
            Expression::Value => query.leaves.first().and_then(|leaf| events(leaf.stream())).map(Self::Value),
        }
    }
}

struct Reader<'a> {
    query: &'a Query,
    is_audience: &'a dyn Fn(&str) -> bool,
}

impl Reader<'_> {
    /// Members that stand alone go into a group together, in their order; a member in brackets is a group.
    fn groups(&self, logic: &Logic<Term>) -> Option<Groups> {
        let (join, members) = members(logic);
        let (mut groups, mut alone) = (Vec::new(), Vec::new());
        for member in members {
            if let Some(simple) = simple(member) {
                alone.push(self.condition(simple)?);
                continue;
            }
            groups.extend(group(join, std::mem::take(&mut alone)));
            groups.push(self.group(member)?);
        }
        groups.extend(group(join, alone));
        let join = if groups.len() > 1 { join } else { Join::All };
        Some(Groups { join, groups })
    }

    fn group(&self, logic: &Logic<Term>) -> Option<Group> {
        let (negated, inner) = match logic {
            Logic::Not(inner) => (true, &**inner),
            other => (false, other),
        };
        let (join, members) = members(inner);
        let conditions: Option<Vec<Condition>> =
            members.iter().map(|member| simple(member).and_then(|simple| self.condition(simple))).collect();
        group(join, conditions?).map(|group| Group { negated, ..group })
    }

    fn condition(&self, (negated, term): (bool, &Term)) -> Option<Condition> {
        let Term::Compare(comparison) = term else { return None };
        let comparator = constant(&comparison.comparator)?;
        let subject = match &comparison.left {
            Scalar::Trait(path) => self.of_trait(path, &comparator)?,
            Scalar::Leaf(index) => {
                let events = events(self.query.leaves.get(*index)?.stream())?;
                let test = Test::showing(&comparator)?;
                let is_shown = !events.measure.is_count() || Operator::COUNT.contains(&test.operator);
                is_shown.then_some(Subject::Events(events, test))?
            }
            Scalar::Field(_) | Scalar::Parent(_) | Scalar::Literal(_) | Scalar::Stream(_) => return None,
        };
        Some(Condition { negated, subject })
    }

    fn of_trait(&self, path: &Path, comparator: &Comparator<Literal>) -> Option<Subject> {
        let text = typed(path)?;
        let is_true =
            matches!(comparator, Comparator::Value(Matching::Equals, of) if *of == [Literal::Boolean(true)]);
        if is_true && text == path.root() && (self.is_audience)(&text) {
            return Some(Subject::Audience(text));
        }
        Some(Subject::Trait(text, Test::showing(comparator)?))
    }
}

fn members<T>(logic: &Logic<T>) -> (Join, &[Logic<T>]) {
    match logic {
        Logic::And(members) => (Join::All, members),
        Logic::Or(members) => (Join::Any, members),
        Logic::Not(_) | Logic::Test(_) => (Join::All, std::slice::from_ref(logic)),
    }
}

/// A single test, and whether it is negated.
fn simple<T>(logic: &Logic<T>) -> Option<(bool, &T)> {
    match logic {
        Logic::Test(test) => Some((false, test)),
        Logic::Not(inner) => match &**inner {
            Logic::Test(test) => Some((true, test)),
            Logic::And(_) | Logic::Or(_) | Logic::Not(_) => None,
        },
        Logic::And(_) | Logic::Or(_) => None,
    }
}

/// A group of these, if there are any; a single condition is joined with nothing.
fn group(join: Join, conditions: Vec<Condition>) -> Option<Group> {
    let join = if conditions.len() > 1 { join } else { Join::All };
    (!conditions.is_empty()).then_some(Group { join, negated: false, conditions })
}

/// The same comparator, if it compares with constants only.
fn constant(comparator: &Comparator<Scalar>) -> Option<Comparator<Literal>> {
    let is_constant = |scalar: &Scalar| matches!(scalar, Scalar::Literal(_));
    let of = |scalar: &Scalar| match scalar {
        Scalar::Literal(literal) => literal.clone(),
        _ => Literal::Boolean(false),
    };
    comparator.operands().iter().all(is_constant).then(|| comparator.map(&mut { of }))
}

fn events(stream: &Stream) -> Option<Events> {
    let is_shown = stream.excluded.is_empty() && stream.after_parent.is_none() && is_typed(&stream.event);
    let (join, filters) = match &stream.filter {
        None => (Join::All, Vec::new()),
        Some(filter) => {
            let (join, members) = members(filter);
            let filters: Option<Vec<Filter>> = members.iter().map(filter_of).collect();
            (join, filters?)
        }
    };
    let (measure, property) = match (&stream.reducer.field, stream.reducer.reduce) {
        (None, Reduce::Count) => (Measure::Count, String::new()),
        (Some(field), reduce) if field.place == Place::Property && !stream.reducer.whole => {
            (measure(reduce)?, typed(&field.path)?)
        }
        _ => return None,
    };
    let period = period(stream.window)?;
    is_shown.then(|| Events { name: stream.event.clone(), join, filters, period, measure, property })
}

fn filter_of(logic: &Logic<Comparison<Scalar>>) -> Option<Filter> {
    let Logic::Test(comparison) = logic else { return None };
    let Scalar::Field(field) = &comparison.left else { return None };
    let test = Test::showing(&constant(&comparison.comparator)?)?;
    Some(Filter { context: field.place == Place::Context, path: typed(&field.path)?, test })
}

fn measure(reduce: Reduce) -> Option<Measure> {
    Some(match reduce {
        Reduce::Sum => Measure::Sum,
        Reduce::Average => Measure::Average,
        Reduce::Minimum(As::Number) => Measure::Minimum,
        Reduce::Maximum(As::Number) => Measure::Maximum,
        Reduce::First => Measure::First,
        Reduce::Last => Measure::Last,
        Reduce::Mode { least: 1 } => Measure::Mode,
        Reduce::UniqueCount => Measure::Different,
        Reduce::Unique => Measure::List,
        Reduce::Count
        | Reduce::Minimum(As::Text)
        | Reduce::Maximum(As::Text)
        | Reduce::Mode { .. }
        | Reduce::List => {
            return None;
        }
    })
}

fn period(window: Window) -> Option<Period> {
    let (kind, near, far) = match window {
        Window::All => return Some(Period::default()),
        Window::Within(far) => (PeriodKind::Within, None, far),
        Window::Between { near, far } => (PeriodKind::Between, Some(near), far),
        Window::Session(pause) => (PeriodKind::Session, None, pause),
    };
    let whole = |unit: Span| {
        let count = |span: Span| {
            (span.millis() % unit.millis() == 0).then(|| (span.millis() / unit.millis()).to_string())
        };
        Some((near.map_or(Some(String::new()), count)?, count(far)?))
    };
    let days = whole(Span::from_days(1));
    let hours = days.is_none();
    let (near, far) = days.or_else(|| whole(Span::from_hours(1)))?;
    Some(Period { kind, near, far, hours })
}

/// The text of a path, if it can be typed into a field.
fn typed(path: &Path) -> Option<String> {
    Some(path.to_string()).filter(|text| is_typed(text))
}

/// Whether a field of a page can hold that text and give it back unchanged.
fn is_typed(text: &str) -> bool {
    text.trim() == text && !text.chars().any(char::is_control)
}
