//! One event against a filter.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use crate::domain::limits::MAX_FQL_TEXT_BYTES;

use super::Dialect;
use super::ast::{Call, Expression, Junction, Path, Relation, Type};
use super::datum::Datum;
use super::fault::{Budget, FqlFault};
use super::function::Function;
use super::glob::Glob;
use super::number::Number;

type Result<T> = std::result::Result<T, FqlFault>;

/// Whether a condition holds; `None` is unknown (see [`Dialect::Trigger`]): neither it nor its negation does.
type Truth = Option<bool>;

/// Whether `event` matches.
pub(super) fn evaluate(expression: &Expression, event: &Value, dialect: Dialect) -> Result<bool> {
    let mut judge = Judge { event, dialect, budget: Budget::new() };
    judge.truth(expression).map(|truth| truth.unwrap_or(false))
}

struct Judge<'e> {
    event: &'e Value,
    dialect: Dialect,
    budget: Budget,
}

impl<'e> Judge<'e> {
    fn truth(&mut self, expression: &'e Expression) -> Result<Truth> {
        match expression {
            Expression::Joined(Junction::And, items) => self.joined(items, false),
            Expression::Joined(Junction::Or, items) => self.joined(items, true),
            Expression::Not(inner) => Ok(self.truth(inner)?.map(|holds| !holds)),
            Expression::Compare(left, relation, right) => self.compare(left, *relation, right),
            Expression::Call(call) if matches!(call.function, Function::Contains | Function::Match) => {
                self.search(call)
            }
            Expression::Call(_)
            | Expression::List(_)
            | Expression::Path(_)
            | Expression::Text(_)
            | Expression::Number(_)
            | Expression::Bool(_)
            | Expression::Null => match self.value(expression)? {
                Datum::Bool(holds) => Ok(Some(holds)),
                Datum::Null => Ok(Some(false)),
                other => Err(FqlFault::NoCondition { found: other.type_of().name() }),
            },
        }
    }

    /// Conditions of which the first that is `decisive` decides.
    fn joined(&mut self, items: &'e [Expression], decisive: bool) -> Result<Truth> {
        let mut joined = Some(!decisive);
        for item in items {
            match self.truth(item)? {
                Some(holds) if holds == decisive => return Ok(Some(decisive)),
                Some(_) => {}
                None => joined = None,
            }
        }
        Ok(joined)
    }

    /// What a test of a value comes to that is not of its kind.
    fn not_of_its_kind(&self) -> Truth {
        match self.dialect {
            Dialect::Filter => Some(false),
            Dialect::Trigger => None,
        }
    }

    fn compare(&mut self, left: &'e Expression, relation: Relation, right: &'e Expression) -> Result<Truth> {
        let is_number = matches!(left, Expression::Number(_)) || matches!(right, Expression::Number(_));
        let (left, right) = (self.value(left)?, self.value(right)?);
        let order = match (&left, &right) {
            (Datum::Number(left), Datum::Number(right)) => Some(left.cmp(right)),
            _ => None,
        };
        let ordered = |wanted: fn(Ordering) -> bool| match order {
            Some(order) => Ok(Some(wanted(order))),
            None => Ok(self.not_of_its_kind()),
        };
        match relation {
            Relation::Equal | Relation::Different
                if is_number && order.is_none() && self.dialect == Dialect::Trigger =>
            {
                Ok(None)
            }
            Relation::Equal => left.equals(&right, &mut self.budget).map(Some),
            Relation::Different => left.equals(&right, &mut self.budget).map(|equal| Some(!equal)),
            Relation::Greater => ordered(Ordering::is_gt),
            Relation::AtLeast => ordered(Ordering::is_ge),
            Relation::Less => ordered(Ordering::is_lt),
            Relation::AtMost => ordered(Ordering::is_le),
            Relation::In => {
                for place in 0..right.length() {
                    if left.equals(&right.entry(place), &mut self.budget)? {
                        return Ok(Some(true));
                    }
                }
                Ok(Some(false))
            }
        }
    }

    /// `contains` and `match`.
    fn search(&mut self, call: &'e Call) -> Result<Truth> {
        let [text, wanted] = call.arguments.as_slice() else { return Ok(Some(false)) };
        match (self.value(text)?, self.value(wanted)?) {
            (Datum::Text(text), Datum::Text(wanted)) => {
                self.budget.spend(text.len())?;
                if call.function == Function::Contains {
                    return Ok(Some(text.contains(&*wanted)));
                }
                let holds = match &call.glob {
                    Some(glob) => glob.matches(&text, &mut self.budget),
                    None => Glob::parse(&wanted).map_err(FqlFault::Pattern)?.matches(&text, &mut self.budget),
                };
                holds.map(Some)
            }
            (text, wanted) => {
                let is_strange = |kind: &Type| *kind != Type::Null && !call.function.takes().contains(kind);
                match [text.type_of(), wanted.type_of()].into_iter().find(is_strange) {
                    Some(kind) if self.dialect == Dialect::Filter => {
                        Err(FqlFault::wrong_type(call.function, kind))
                    }
                    Some(_) | None => Ok(self.not_of_its_kind()),
                }
            }
        }
    }

    fn value(&mut self, expression: &'e Expression) -> Result<Datum<'e>> {
        match expression {
            Expression::Joined(..) | Expression::Not(_) | Expression::Compare(..) => {
                Ok(self.truth(expression)?.map_or(Datum::Null, Datum::Bool))
            }
            Expression::Call(call) => self.call(expression, call),
            Expression::List(items) => {
                items.iter().map(|item| self.value(item)).collect::<Result<_>>().map(Datum::List)
            }
            Expression::Path(path) => Ok(self.field(path)),
            Expression::Text(text) => Ok(Datum::Text(Cow::Borrowed(text))),
            Expression::Number(number) => Ok(Datum::Number(*number)),
            Expression::Bool(value) => Ok(Datum::Bool(*value)),
            Expression::Null => Ok(Datum::Null),
        }
    }

    /// A field of the event; null if it is not there.
    fn field(&self, path: &Path) -> Datum<'e> {
        let first = self.event.get(&path.first);
        let found = path.rest.iter().fold(first, |value, name| value.and_then(|value| value.get(name)));
        found.map_or(Datum::Null, Datum::of)
    }

    fn call(&mut self, expression: &'e Expression, call: &'e Call) -> Result<Datum<'e>> {
        let function = call.function;
        let argument = match call.arguments.as_slice() {
            [argument] => self.value(argument)?,
            // `contains` and `match`.
            _ => return Ok(self.truth(expression)?.map_or(Datum::Null, Datum::Bool)),
        };
        match (function, argument) {
            (Function::Typeof, any) => Ok(Datum::Text(Cow::Borrowed(any.type_of().name()))),
            (Function::Length, Datum::Null) => Ok(Datum::Number(Number::of_length(0))),
            (Function::Length, Datum::Text(text)) => Ok(Datum::Number(Number::of_length(text.len()))),
            (Function::Length, list @ (Datum::Array(_) | Datum::List(_))) => {
                Ok(Datum::Number(Number::of_length(list.length())))
            }
            (Function::Lowercase, Datum::Text(text)) => self.written(text.to_lowercase()),
            (Function::Uppercase, Datum::Text(text)) => self.written(text.to_uppercase()),
            (Function::Snakecase, Datum::Text(text)) => self.written(text.replace(' ', "_")),
            (Function::Kebabcase, Datum::Text(text)) => self.written(text.replace(' ', "-")),
            (Function::Titlecase, Datum::Text(text)) => self.written(titlecase(&text)),
            (Function::Bool, value) => to_bool(&value).map(Datum::Bool),
            (Function::String, value) => {
                let text = to_text(value)?;
                self.written(text)
            }
            (Function::Number, number @ Datum::Number(_)) => Ok(number),
            (Function::Number, Datum::Text(text)) => {
                Number::parse(&text).map(Datum::Number).ok_or(FqlFault::NoNumber)
            }
            (_, Datum::Null) => Ok(Datum::Null),
            (_, strange) => Err(FqlFault::wrong_type(function, strange.type_of())),
        }
    }

    /// A text that a function made.
    fn written(&mut self, text: String) -> Result<Datum<'e>> {
        if text.len() > MAX_FQL_TEXT_BYTES {
            return Err(FqlFault::TooLong);
        }
        self.budget.spend(text.len())?;
        Ok(Datum::Text(Cow::Owned(text)))
    }
}

/// Every word with a capital; the other letters stay.
fn titlecase(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut begins_word = true;
    for character in text.chars() {
        if begins_word {
            titled.extend(character.to_uppercase());
        } else {
            titled.push(character);
        }
        begins_word = character.is_whitespace();
    }
    titled
}

fn to_bool(value: &Datum<'_>) -> Result<bool> {
    match value {
        Datum::Null => Ok(false),
        Datum::Bool(value) => Ok(*value),
        Datum::Number(number) => Ok(!number.is_zero()),
        Datum::Text(text) => Ok(!matches!(text.as_ref(), "" | "false" | "0")),
        Datum::Array(_) | Datum::List(_) => Ok(value.length() > 0),
        Datum::Map(_) => Err(FqlFault::wrong_type(Function::Bool, value.type_of())),
    }
}

fn to_text(value: Datum<'_>) -> Result<String> {
    match value {
        Datum::Null => Ok(String::new()),
        Datum::Bool(value) => Ok(value.to_string()),
        Datum::Number(number) => Ok(number.to_string()),
        Datum::Text(text) => Ok(text.into_owned()),
        list @ (Datum::Array(_) | Datum::List(_)) => list.json(),
        Datum::Map(_) => Err(FqlFault::wrong_type(Function::String, value.type_of())),
    }
}
