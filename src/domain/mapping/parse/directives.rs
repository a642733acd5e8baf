//! One directive each: its argument, and what has to be right about it.

use serde_json::Value;

use crate::domain::limits::{MAX_PATTERN_CHARS, MAX_REPLACEMENT_CHARS};
use crate::domain::mapping::DIRECTIVES;
use crate::domain::mapping::expression::{
    ArrayPath, Case, Directive, Expression, Flatten, If, Json, Merge, Replace, Source, Test, Transform,
};
use crate::domain::mapping::path::Path;
use crate::domain::mapping::resolved::is_falsy;
use crate::domain::mapping::template::Template;

use super::{Parser, UNREAD, kind};

impl<'v> Parser<'v> {
    /// Reads the directive of this name.
    pub(super) fn named(&mut self, name: &'v str, argument: &'v Value) -> Expression {
        if name == "@liquid" {
            self.problem(
                "has the directive @liquid, which is not supported; use @template, @if, @case or @replace",
            );
            return UNREAD;
        }
        if !DIRECTIVES.contains(&name) {
            self.problem(format!(
                "has an invalid directive: {name}; the directives are {}",
                DIRECTIVES.join(", ")
            ));
            return UNREAD;
        }
        let directive = self.within(name, |parser| match name {
            "@path" => Some(Directive::Path(parser.source(argument, Path::parse))),
            "@literal" => Some(Directive::Literal(parser.expression(argument))),
            "@template" => Some(Directive::Template(parser.source(argument, Template::parse))),
            "@if" => parser.condition(argument),
            "@case" => parser.case(argument),
            "@replace" => parser.replace(argument),
            "@merge" => parser.merge(argument),
            "@flatten" => parser.flatten(argument),
            "@json" => parser.json(argument),
            "@arrayPath" => parser.array_path(argument),
            "@transform" => parser.transform(argument),
            _ => Some(Directive::ExcludeWhenNull(parser.expression(argument))),
        });
        directive.map_or(UNREAD, |directive| Expression::Directive(Box::new(directive)))
    }

    /// A text that is read now, or a directive that gives one later.
    fn source<T>(&mut self, value: &'v Value, read: impl FnOnce(&str) -> T) -> Source<T> {
        match value {
            Value::String(text) => Source::Fixed(read(text)),
            _ => Source::Computed(self.directive_or_text(value)),
        }
    }

    fn condition(&mut self, argument: &'v Value) -> Option<Directive> {
        let fields = self.fields(argument, &["exists", "blank", "then", "else"])?;
        let is_given = |name: &str| fields.get(name).is_some_and(|value| !is_falsy(value));
        if !is_given("exists") && !is_given("blank") {
            self.problem(
                "should have field \"exists\" or \"blank\", and not only a literal false, 0, null or \"\"",
            );
        }
        let exists = self.optional(fields, "exists", Self::expression);
        let blank = self.optional(fields, "blank", Self::expression);
        let then = self.optional(fields, "then", Self::expression);
        let otherwise = self.optional(fields, "else", Self::expression);
        let otherwise =
            otherwise.filter(|branch| !matches!(branch, Expression::Constant(value) if is_falsy(value)));
        let test = exists.map(Test::Exists).or(blank.map(Test::Blank))?;
        Some(Directive::If(If { test, then, otherwise }))
    }

    fn case(&mut self, argument: &'v Value) -> Option<Directive> {
        let fields = self.fields(argument, &["operator", "value"])?;
        let operator =
            self.required(fields, "operator", |parser, value| parser.text_of(value, 1, usize::MAX));
        let value = self.optional(fields, "value", Self::directive_or_text).filter(is_not_empty_text);
        Some(Directive::Case(Case { operator: operator?, value }))
    }

    fn replace(&mut self, argument: &'v Value) -> Option<Directive> {
        let known = ["pattern", "replacement", "pattern2", "replacement2", "value", "ignorecase", "global"];
        let fields = self.fields(argument, &known)?;
        let replacement = |parser: &mut Self, value| parser.text_of(value, 0, MAX_REPLACEMENT_CHARS);
        let pattern =
            self.required(fields, "pattern", |parser, value| parser.text_of(value, 1, MAX_PATTERN_CHARS));
        let first = self.optional(fields, "replacement", replacement).unwrap_or_default();
        // An empty second pattern is none.
        let pattern2 =
            self.optional(fields, "pattern2", |parser, value| parser.text_of(value, 0, MAX_PATTERN_CHARS));
        let second = self.optional(fields, "replacement2", replacement).unwrap_or_default();
        let ignore_case = self.optional(fields, "ignorecase", Self::truth).unwrap_or(false);
        let global = self.optional(fields, "global", Self::truth).unwrap_or(true);
        let value = self.required(fields, "value", Self::directive_or_text)?;
        let mut pairs = vec![(pattern?, first)];
        pairs.extend(pattern2.filter(|pattern| !pattern.is_empty()).map(|pattern| (pattern, second)));
        let value = Some(value).filter(is_not_empty_text);
        Some(Directive::Replace(Replace { pairs, ignore_case, global, value }))
    }

    fn merge(&mut self, argument: &'v Value) -> Option<Directive> {
        let fields = self.fields(argument, &["objects", "direction"])?;
        let earlier_wins =
            self.required(fields, "direction", |parser, value| parser.either(value, ["left", "right"]));
        let objects = self.required(fields, "objects", |parser, value| match value {
            Value::Array(entries) => Some(parser.entries(entries, Self::directive_or_object)),
            _ => {
                parser.problem(format!("should be an array but it is {}", kind(value)));
                None
            }
        });
        Some(Directive::Merge(Merge { objects: objects.flatten()?, earlier_wins: earlier_wins? }))
    }

    fn flatten(&mut self, argument: &'v Value) -> Option<Directive> {
        let fields = self.fields(argument, &["value", "separator", "omitArrays"])?;
        let value = self.required(fields, "value", Self::expression);
        let separator = self.required(fields, "separator", |parser, value| {
            if value.as_str() == Some("") {
                parser.problem("should be a string of length 1 or greater");
            }
            parser.directive_or_text(value)
        });
        let omit_arrays = self.optional(fields, "omitArrays", Self::truth).unwrap_or(false);
        Some(Directive::Flatten(Flatten { value: value?, separator: separator?, omit_arrays }))
    }

    fn json(&mut self, argument: &'v Value) -> Option<Directive> {
        let fields = self.fields(argument, &["mode", "value"])?;
        let encode =
            self.required(fields, "mode", |parser, value| parser.either(value, ["encode", "decode"]));
        let value = self.required(fields, "value", Self::not_falsy);
        Some(Directive::Json(Json { encode: encode?, value: value? }))
    }

    /// Anything but a literal that JavaScript takes for false.
    fn not_falsy(&mut self, value: &'v Value) -> Expression {
        if is_falsy(value) {
            self.problem("should not be a literal false, 0, null or \"\"");
        }
        self.expression(value)
    }

    fn array_path(&mut self, argument: &'v Value) -> Option<Directive> {
        let Value::Array(entries) = argument else {
            self.problem(format!("should be an array but it is {}", kind(argument)));
            return None;
        };
        let ([list] | [list, _]) = &entries[..] else {
            self.problem(format!("should be a path and maybe a shape but it has {} entries", entries.len()));
            return None;
        };
        let list = self.within("0", |parser| parser.source(list, Path::parse));
        let shape = entries.get(1).map(|shape| {
            let read = self.within("1", |parser| parser.expression(shape));
            let shapes = shape.as_object().is_some_and(|members| !members.is_empty());
            shapes.then_some(read)
        });
        Some(Directive::ArrayPath(ArrayPath { list, shape: shape.flatten() }))
    }

    fn transform(&mut self, argument: &'v Value) -> Option<Directive> {
        let fields = self.fields(argument, &["apply", "mapping"])?;
        let apply = self.required(fields, "apply", Self::directive_or_object);
        let mapping = self.required(fields, "mapping", Self::not_falsy);
        Some(Directive::Transform(Transform { apply: apply?, mapping: mapping? }))
    }

    /// The directive at the root that takes the rest of the root as its mapping; one of its own gives way.
    pub(super) fn root_transform(&mut self, value: &'v Value, mapping: Expression) -> Expression {
        let Some(members) = value.as_object().filter(|_| kind(value) == "a directive") else {
            self.problem(format!("should be a directive object but it is {}", kind(value)));
            return UNREAD;
        };
        let mut names = members.iter();
        let (Some((name, argument)), None) = (names.next(), names.next()) else {
            self.problem(format!("should only have one directive but it has {} keys", members.len()));
            return UNREAD;
        };
        if name != "@transform" {
            self.problem(format!("should be a @transform, which alone takes a mapping, but it is {name}"));
            return UNREAD;
        }
        self.within(name, |parser| {
            let Some(fields) = parser.fields(argument, &["apply", "mapping"]) else { return UNREAD };
            let apply = parser.required(fields, "apply", Self::directive_or_object);
            parser.optional(fields, "mapping", Self::expression);
            apply.map_or(UNREAD, |apply| {
                Expression::Directive(Box::new(Directive::Transform(Transform { apply, mapping })))
            })
        })
    }
}

fn is_not_empty_text(value: &Expression) -> bool {
    !matches!(value, Expression::Constant(Value::String(text)) if text.is_empty())
}
