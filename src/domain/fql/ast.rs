//! What a filter says, as a tree.

use super::function::Function;
use super::glob::Glob;
use super::number::Number;

/// A condition or a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// Two or more conditions, none of which is joined by the same word.
    Joined(Junction, Vec<Expression>),
    /// The opposite of a condition.
    Not(Box<Expression>),
    /// Two values compared.
    Compare(Box<Expression>, Relation, Box<Expression>),
    /// A function of values.
    Call(Call),
    /// A list of values.
    List(Vec<Expression>),
    /// A field of the event.
    Path(Path),
    /// A constant text. It never holds both kinds of quotes: there is no way to write that.
    Text(String),
    /// A constant number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// A function and what it is given, as many values as it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) arguments: Vec<Expression>,
    /// The pattern of a `match`, read once, where it is a constant.
    pub(super) glob: Option<Glob>,
}

/// What joins conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Junction {
    And,
    Or,
}

impl Junction {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
        }
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Different,
    Greater,
    AtLeast,
    Less,
    AtMost,
    In,
}

impl Relation {
    pub(super) const ALL: [Self; 7] =
        [Self::Equal, Self::Different, Self::Greater, Self::AtLeast, Self::Less, Self::AtMost, Self::In];

    /// How it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Different => "!=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::In => "in",
        }
    }
}

/// Where a field is: its names from the top of the event down, one at least, none of them empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) first: String,
    pub(super) rest: Vec<String>,
}

/// The types of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    List,
    Bool,
    Null,
    /// A JSON object. Filters cannot write one, but a path may lead to it.
    Map,
}

impl Type {
    /// What `typeof` calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::List => "list",
            Self::Bool => "bool",
            Self::Null => "null",
            Self::Map => "map",
        }
    }
}

/// Fields at the top of an event that are texts wherever they are there at all.
const TEXT_FIELDS: [&str; 8] =
    ["type", "event", "name", "userId", "anonymousId", "groupId", "previousId", "messageId"];

impl Expression {
    /// The type of its value whatever the event, if that is known; the value may be null besides.
    pub(super) fn known_type(&self) -> Option<Type> {
        match self {
            Self::Joined(..) | Self::Not(_) | Self::Compare(..) | Self::Bool(_) => Some(Type::Bool),
            Self::Call(call) => Some(call.function.gives()),
            Self::List(_) => Some(Type::List),
            Self::Path(path) if path.rest.is_empty() && TEXT_FIELDS.contains(&path.first.as_str()) => {
                Some(Type::Text)
            }
            Self::Path(_) => None,
            Self::Text(_) => Some(Type::Text),
            Self::Number(_) => Some(Type::Number),
            Self::Null => Some(Type::Null),
        }
    }
}
