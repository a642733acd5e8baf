//! A parsed mapping.

use serde_json::Value;

use super::path::Path;
use super::template::Template;

/// What stands anywhere in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// Has no directive in it and stands for itself.
    Constant(Value),
    /// In the order of the definition.
    Object(Vec<(String, Expression)>),
    Array(Vec<Expression>),
    Directive(Box<Directive>),
}

/// An `@…` object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Path(Source<Path>),
    Literal(Expression),
    Template(Source<Template>),
    If(If),
    Case(Case),
    Replace(Replace),
    Merge(Merge),
    Flatten(Flatten),
    Json(Json),
    ArrayPath(ArrayPath),
    Transform(Transform),
    ExcludeWhenNull(Expression),
}

impl Directive {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Path(_) => "@path",
            Self::Literal(_) => "@literal",
            Self::Template(_) => "@template",
            Self::If(_) => "@if",
            Self::Case(_) => "@case",
            Self::Replace(_) => "@replace",
            Self::Merge(_) => "@merge",
            Self::Flatten(_) => "@flatten",
            Self::Json(_) => "@json",
            Self::ArrayPath(_) => "@arrayPath",
            Self::Transform(_) => "@transform",
            Self::ExcludeWhenNull(_) => "@excludeWhenNull",
        }
    }
}

/// A text of a certain kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source<T> {
    /// Written in the definition, and read with it.
    Fixed(T),
    /// The result of a directive, read at every evaluation.
    Computed(Expression),
}

/// `@if`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct If {
    pub(super) test: Test,
    pub(super) then: Option<Expression>,
    /// None also for a falsy literal, which never comes out.
    pub(super) otherwise: Option<Expression>,
}

/// What an `@if` asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Exists(Expression),
    Blank(Expression),
}

/// `@case`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// Another word than `lower` or `upper` is an error only once there is a text to work on.
    pub(super) operator: String,
    /// None also for an empty literal.
    pub(super) value: Option<Expression>,
}

/// `@replace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replace {
    /// One or two, each with what comes in its place; the second works on what the first gave.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) ignore_case: bool,
    pub(super) global: bool,
    /// None for an empty literal.
    pub(super) value: Option<Expression>,
}

/// `@merge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Merge {
    pub(super) objects: Vec<Expression>,
    /// Whether earlier objects win (`left`), not later ones (`right`).
    pub(super) earlier_wins: bool,
}

/// `@flatten`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flatten {
    pub(super) value: Expression,
    pub(super) separator: Expression,
    pub(super) omit_arrays: bool,
}

/// `@json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Json {
    /// Whether text is made of a value, not a value of text.
    pub(super) encode: bool,
    pub(super) value: Expression,
}

/// `@arrayPath`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArrayPath {
    /// A path to a list, or a directive that gives the list itself.
    pub(super) list: Source<Path>,
    /// What each entry becomes; None also for a shape that is no object, or an empty one.
    pub(super) shape: Option<Expression>,
}

/// `@transform`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transform {
    pub(super) apply: Expression,
    pub(super) mapping: Expression,
}
