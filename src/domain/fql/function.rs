//! The functions of the language: their names, and the types they take and give.

use super::ast::Type;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    Match,
    Length,
    Lowercase,
    Uppercase,
    Snakecase,
    Kebabcase,
    Titlecase,
    Typeof,
    Bool,
    String,
    Number,
}

impl Function {
    const ALL: [Self; 12] = [
        Self::Contains,
        Self::Match,
        Self::Length,
        Self::Lowercase,
        Self::Uppercase,
        Self::Snakecase,
        Self::Kebabcase,
        Self::Titlecase,
        Self::Typeof,
        Self::Bool,
        Self::String,
        Self::Number,
    ];

    /// How it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::Match => "match",
            Self::Length => "length",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
            Self::Snakecase => "snakecase",
            Self::Kebabcase => "kebabcase",
            Self::Titlecase => "titlecase",
            Self::Typeof => "typeof",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Number => "number",
        }
    }

    /// All names, for messages.
    pub(super) fn names() -> [&'static str; 12] {
        Self::ALL.map(Self::name)
    }

    /// The function of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// How many values it takes.
    pub(super) fn arity(self) -> usize {
        match self {
            Self::Contains | Self::Match => 2,
            Self::Length
            | Self::Lowercase
            | Self::Uppercase
            | Self::Snakecase
            | Self::Kebabcase
            | Self::Titlecase
            | Self::Typeof
            | Self::Bool
            | Self::String
            | Self::Number => 1,
        }
    }

    /// The types that it takes. Besides these, every function takes null: that is what an absent field is.
    pub(super) fn takes(self) -> &'static [Type] {
        match self {
            Self::Contains
            | Self::Match
            | Self::Lowercase
            | Self::Uppercase
            | Self::Snakecase
            | Self::Kebabcase
            | Self::Titlecase => &[Type::Text],
            Self::Length => &[Type::List, Type::Text],
            Self::Typeof => &[Type::Text, Type::Number, Type::List, Type::Bool, Type::Map],
            Self::Bool | Self::String => &[Type::Text, Type::Number, Type::List, Type::Bool],
            Self::Number => &[Type::Number, Type::Text],
        }
    }

    /// The type of its value; of some functions null if they are given null.
    pub(super) fn gives(self) -> Type {
        match self {
            Self::Contains | Self::Match | Self::Bool => Type::Bool,
            Self::Length | Self::Number => Type::Number,
            Self::Lowercase
            | Self::Uppercase
            | Self::Snakecase
            | Self::Kebabcase
            | Self::Titlecase
            | Self::Typeof
            | Self::String => Type::Text,
        }
    }
}
