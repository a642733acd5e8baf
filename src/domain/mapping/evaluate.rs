//! The evaluation of a mapping: directives are replaced by their results, from the outside in.

use serde_json::Value;

use super::budget::Budget;
use super::error::Failure;
use super::expression::{ArrayPath, Case, Directive, Expression, Flatten, If, Json, Source, Test, Transform};
use super::path::Path;
use super::resolved::{Opened, Resolved, type_name};
use super::template::Template;
use super::{condition, json, shape, text};

/// A result, or why there is none.
type Outcome<'a> = Result<Resolved<'a>, Failure>;

/// What a whole mapping comes to for an event.
pub(super) fn evaluate(
    root: &Expression,
    event: &Value,
    budget: &mut Budget,
) -> Result<Option<Value>, Failure> {
    if !event.is_object() {
        return Err(Failure::new(format!("the event must be an object, got {}", type_name(event))));
    }
    root.resolve(Some(event), budget)?.into_value(budget)
}

impl Expression {
    /// What it comes to for a payload: the event, an entry of a list (None for a missing one) or what a transformation made.
    ///
    /// It calls itself only for parts of the definition, whose depth is limited.
    fn resolve<'a>(&'a self, payload: Option<&'a Value>, budget: &mut Budget) -> Outcome<'a> {
        budget.step()?;
        match self {
            Self::Constant(value) => Ok(Resolved::Borrowed(value)),
            Self::Object(members) => {
                let mut resolved = Vec::with_capacity(members.len());
                for (key, member) in members {
                    let value = member.resolve(payload, budget).map_err(|failure| failure.within(key))?;
                    resolved.push((key.as_str().into(), value));
                }
                Ok(Resolved::Object(resolved))
            }
            Self::Array(entries) => resolve_all(entries, payload, budget).map(Resolved::Array),
            Self::Directive(directive) => {
                directive.resolve(payload, budget).map_err(|failure| failure.within(directive.name()))
            }
        }
    }

    /// As [`Expression::resolve`] for the field of this name.
    fn field<'a>(&'a self, name: &str, payload: Option<&'a Value>, budget: &mut Budget) -> Outcome<'a> {
        self.resolve(payload, budget).map_err(|failure| failure.within(name))
    }

    /// As [`Expression::resolve`] with a payload that lives no longer than the call.
    fn resolve_for(&self, payload: Option<&Value>, budget: &mut Budget) -> Outcome<'static> {
        self.resolve(payload, budget)?.into_owned(budget)
    }
}

fn resolve_all<'a>(
    entries: &'a [Expression],
    payload: Option<&'a Value>,
    budget: &mut Budget,
) -> Result<Vec<Resolved<'a>>, Failure> {
    let each = entries.iter().enumerate();
    each.map(|(index, entry)| entry.resolve(payload, budget).map_err(|failure| failure.within(index)))
        .collect()
}

impl Directive {
    fn resolve<'a>(&'a self, payload: Option<&'a Value>, budget: &mut Budget) -> Outcome<'a> {
        match self {
            Self::Path(Source::Fixed(path)) => path.walk(payload, budget),
            Self::Path(Source::Computed(path)) => {
                Path::parse(&computed_text(path, payload, budget)?).walk(payload, budget)
            }
            Self::Literal(value) => value.resolve(payload, budget),
            Self::Template(Source::Fixed(template)) => template.render(payload, budget).map(text_value),
            Self::Template(Source::Computed(template)) => {
                let text = computed_text(template, payload, budget)?;
                Template::parse(&text).render(payload, budget).map(text_value)
            }
            Self::If(directive) => decide(directive, payload, budget),
            Self::Case(Case { operator, value }) => match value {
                Some(value) => {
                    let value = value.field("value", payload, budget)?;
                    text::change_case(operator, value, budget)
                }
                None => Ok(Resolved::Missing),
            },
            Self::Replace(directive) => match &directive.value {
                Some(value) => text::replace(directive, value.field("value", payload, budget)?, budget),
                None => Ok(Resolved::Missing),
            },
            Self::Merge(directive) => {
                let mut objects = resolve_all(&directive.objects, payload, budget)
                    .map_err(|failure| failure.within("objects"))?;
                if directive.earlier_wins {
                    objects.reverse();
                }
                shape::merge(objects, budget)
            }
            Self::Flatten(directive) => flatten(directive, payload, budget),
            Self::Json(Json { encode, value }) => {
                let value = value.field("value", payload, budget)?;
                if *encode { json::encode(value, budget) } else { json::decode(value, budget) }
            }
            Self::ArrayPath(directive) => each_entry(directive, payload, budget),
            Self::Transform(directive) => transform(directive, payload, budget),
            Self::ExcludeWhenNull(value) => shape::exclude_nulls(value.resolve(payload, budget)?, budget),
        }
    }
}

fn text_value(text: String) -> Resolved<'static> {
    Resolved::Owned(Value::String(text))
}

/// The text that a directive in the place of a text comes to.
fn computed_text(
    expression: &Expression,
    payload: Option<&Value>,
    budget: &mut Budget,
) -> Result<String, Failure> {
    match expression.resolve(payload, budget)?.into_text() {
        Ok(text) => {
            budget.read(text.len())?;
            Ok(text.into_owned())
        }
        Err(other) => Err(Failure::new(format!("expected string, got {}", other.type_name()))),
    }
}

fn decide<'a>(directive: &'a If, payload: Option<&'a Value>, budget: &mut Budget) -> Outcome<'a> {
    let holds = match &directive.test {
        Test::Exists(value) => value.field("exists", payload, budget)?.exists(),
        Test::Blank(value) => {
            let value = value.field("blank", payload, budget)?;
            condition::is_not_blank(value, budget)?
        }
    };
    let (name, branch) = if holds { ("then", &directive.then) } else { ("else", &directive.otherwise) };
    branch.as_ref().map_or(Ok(Resolved::Missing), |branch| branch.field(name, payload, budget))
}

fn flatten<'a>(directive: &'a Flatten, payload: Option<&'a Value>, budget: &mut Budget) -> Outcome<'a> {
    let separator = computed_text(&directive.separator, payload, budget)
        .map_err(|failure| failure.within("separator"))?;
    let value = directive.value.field("value", payload, budget)?;
    shape::flatten(value, &separator, directive.omit_arrays, budget)
}

/// Each entry of a list in a shape, with the entry as the payload; an object is a list of itself.
fn each_entry<'a>(directive: &'a ArrayPath, payload: Option<&'a Value>, budget: &mut Budget) -> Outcome<'a> {
    let list = match &directive.list {
        Source::Fixed(path) => path.walk(payload, budget)?,
        // A directive gives the list itself, not a path to it.
        Source::Computed(list) => list.field("0", payload, budget)?,
    };
    let Some(shape) = &directive.shape else { return Ok(list) };
    let mut shaped = Vec::new();
    match list {
        // What is part of the payload is not copied.
        Resolved::Borrowed(Value::Array(entries)) => {
            for entry in entries {
                shaped.push(shape.field("1", Some(entry), budget)?);
            }
        }
        Resolved::Borrowed(object @ Value::Object(_)) => {
            shaped.push(shape.field("1", Some(object), budget)?);
        }
        other => {
            let entries = match other.open(budget)? {
                Opened::Array(entries) => entries,
                Opened::Object(members) => vec![Resolved::Object(members)],
                Opened::Plain(plain) => return Ok(plain),
            };
            for entry in entries {
                let entry = entry.into_value(budget)?;
                let value = shape.resolve_for(entry.as_ref(), budget);
                shaped.push(value.map_err(|failure| failure.within(1))?);
            }
        }
    }
    Ok(Resolved::Array(shaped))
}

/// A mapping of what a mapping made of the payload; it sees nothing else.
fn transform<'a>(directive: &'a Transform, payload: Option<&'a Value>, budget: &mut Budget) -> Outcome<'a> {
    let made = directive.apply.field("apply", payload, budget)?.into_value(budget)?;
    let mapped = directive.mapping.resolve_for(made.as_ref(), budget);
    mapped.map_err(|failure| failure.within("mapping"))
}
