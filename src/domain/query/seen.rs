//! An event as a query sees it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::domain::event::Event;
use crate::domain::leaf::{As, Reduce, number_value};

use super::ast::{Comparison, Field, Place, Reducer, Scalar, Stream};
use super::compare::{Datum, Test, text_of};
use super::moment::Moment;
use super::reduce::number_of;

/// What queries may ask of an event.
pub(super) struct Seen<'e> {
    name: &'e str,
    source: &'e str,
    properties: Cow<'e, Map<String, Value>>,
    context: Cow<'e, Map<String, Value>>,
}

impl<'e> Seen<'e> {
    /// `None` for calls that are no events to queries.
    pub(super) fn of(event: &'e Event) -> Option<Self> {
        let (name, properties) = event.as_behaviour()?;
        Some(Self { name, source: &event.source, properties, context: Cow::Borrowed(&event.context) })
    }

    fn object(&self, place: Place) -> &Map<String, Value> {
        match place {
            Place::Property => &self.properties,
            Place::Context => &self.context,
        }
    }

    /// The values of a field: several, or none at all, only where its path has a `$`. A value that is not there is null.
    pub(super) fn values(&self, field: &Field) -> Vec<Value> {
        let mut found = Vec::new();
        field.path.any_in(self.object(field.place), &mut |value| {
            found.push(value.cloned().unwrap_or_default());
            false
        });
        found
    }

    /// Whether it is of the stream's name and from none of the sources that the stream excludes.
    pub(super) fn is_of(&self, stream: &Stream) -> bool {
        self.name == stream.event && !stream.excluded.iter().any(|source| source == self.source)
    }

    /// Whether it passes a test that it alone answers ([`Comparison::is_plain`]).
    pub(super) fn passes(&self, comparison: &Comparison<Scalar>, moment: &Moment) -> bool {
        comparison.holds(&|scalar, test| self.any(scalar, test), moment)
    }

    fn any(&self, scalar: &Scalar, test: Test<'_>) -> bool {
        match scalar {
            Scalar::Field(field) => field
                .path
                .any_in(self.object(field.place), &mut |value| test(value.and_then(Datum::of).as_ref())),
            Scalar::Literal(literal) => test(Some(&Datum::of_literal(literal))),
            Scalar::Trait(_) | Scalar::Parent(_) | Scalar::Leaf(_) | Scalar::Stream(_) => test(None),
        }
    }

    /// What a reducer keeps of it, as `Entry::value` says; `None` if the reducer skips it.
    pub(super) fn reduced(&self, reducer: &Reducer) -> Option<Value> {
        let Some(field) = &reducer.field else { return Some(Value::Null) };
        let value = self.values(field).into_iter().next().filter(|value| !value.is_null())?;
        match reducer.reduce {
            Reduce::Count => Some(Value::Null),
            Reduce::Sum | Reduce::Average | Reduce::Minimum(As::Number) | Reduce::Maximum(As::Number) => {
                number_of(&value).map(number_value)
            }
            Reduce::Minimum(As::Text) | Reduce::Maximum(As::Text) | Reduce::Unique | Reduce::UniqueCount => {
                Some(Value::from(text_of(&value)))
            }
            Reduce::First | Reduce::Last | Reduce::List => Some(value),
            Reduce::Mode { .. } => counted_texts(&value, reducer.whole),
        }
    }
}

/// What counts for a mode: each entry of an array unless it is counted whole.
fn counted_texts(value: &Value, whole: bool) -> Option<Value> {
    let text = |value: &Value| Value::from(text_of(value));
    match value {
        Value::Array(entries) if !whole => {
            let texts: Vec<Value> = entries.iter().filter(|entry| !entry.is_null()).map(text).collect();
            (!texts.is_empty()).then_some(Value::Array(texts))
        }
        _ => Some(Value::Array(vec![text(value)])),
    }
}
