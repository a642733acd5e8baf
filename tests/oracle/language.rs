//! The query language as the oracle knows it: plain data, made by the generator, printed and evaluated here. Nothing of
//! the product's own query code is used.

/// Milliseconds since 1970, or a length of time.
pub type Millis = i64;

/// A boolean expression.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there are few of them")]
pub enum Condition {
    /// A value and what it has to be.
    Test(Scalar, Test),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    /// At least one user of the account.
    Any(Box<Condition>),
    /// Every user of the account, and there is one.
    All(Box<Condition>),
}

/// Something that has a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Trait(Path),
    /// Of the event under test.
    Property(Path),
    /// Of the event in whose `where` the event under test is looked for.
    ParentProperty(Path),
    Context(Path),
    Literal(Literal),
    Stream(Stream, Reducer),
}

/// A way into nested values.
#[derive(Clone, Debug, PartialEq)]
pub struct Path(pub Vec<Step>);

/// A step of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A key, or an array's index in digits.
    Key(String),
    /// `$`: each entry of an array on its own.
    Each,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Its digits as written.
    Number(String),
    Text(String),
    /// A date or timestamp without quotes.
    Date(String),
    Boolean(bool),
}

/// Events of one name, filtered.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    pub event: String,
    /// One `where` each.
    pub filters: Vec<Condition>,
    /// Sources whose events do not count.
    pub excluded: Vec<String>,
    pub window: Window,
}

/// Which events a stream looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    None,
    Within(Duration),
    /// So long after the parent event.
    AfterParent(Duration),
    Between(Duration, Duration),
    /// `expires_after`.
    Session(Duration),
}

/// A length of time as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Duration {
    pub number: i64,
    /// `hour`, `hours`, `day`, `days`, `second` or `seconds`.
    pub unit: &'static str,
}

impl Duration {
    pub fn new(number: i64, unit: &'static str) -> Self {
        Self { number, unit }
    }

    pub fn millis(&self) -> Millis {
        let unit = match self.unit {
            "second" | "seconds" => 1_000,
            "hour" | "hours" => 3_600_000,
            "day" | "days" => 86_400_000,
            other => panic!("{other} is no unit"),
        };
        self.number * unit
    }
}

/// What a stream is reduced to.
#[derive(Clone, Debug, PartialEq)]
pub enum Reducer {
    Count,
    Sum(Place),
    Average(Place),
    Minimum(Place, As),
    Maximum(Place, As),
    First(Place),
    Last(Place),
    Mode(Place, As, usize),
    Unique(Place),
    /// `unique(…).count()`
    UniqueCount(Place),
}

/// Where a reducer finds its value in an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    Property(Path),
    Context(Path),
}

/// How a reducer reads its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum As {
    /// Nothing is said.
    Unsaid,
    Number,
    String,
    Array,
}

/// What a value has to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    Relation(Relation, Scalar),
    Exists,
    Absent,
    Contains(Vec<Scalar>),
    Omits(Vec<Scalar>),
    OneOf(Vec<Scalar>),
    NoneOf(Vec<Scalar>),
    StartsWith(Scalar),
    EndsWith(Scalar),
    BeforeDate(Literal),
    AfterDate(Literal),
    WithinLast(Duration),
    WithinNext(Duration),
    BeforeLast(Duration),
    AfterNext(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Relation {
    Equals,
    Differs,
    Greater,
    AtLeast,
    Less,
    AtMost,
}

/// A whole definition's query.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// An audience.
    Audience(Condition),
    /// A computed trait.
    Trait(Stream, Reducer),
}

impl Query {
    pub fn is_audience(&self) -> bool {
        matches!(self, Self::Audience(_))
    }

    /// Whether it is about accounts.
    pub fn is_account_level(&self) -> bool {
        fn of(condition: &Condition) -> bool {
            match condition {
                Condition::Any(_) | Condition::All(_) => true,
                Condition::Not(inner) => of(inner),
                Condition::And(items) | Condition::Or(items) => items.iter().any(of),
                Condition::Test(..) => false,
            }
        }
        match self {
            Self::Audience(condition) => of(condition),
            Self::Trait(..) => false,
        }
    }

    /// Every length of time that it names: instants at which it may change lie so far from its events and dates.
    pub fn durations(&self) -> Vec<Millis> {
        let mut all = Vec::new();
        match self {
            Self::Audience(condition) => in_condition(condition, &mut all),
            Self::Trait(stream, _) => in_stream(stream, &mut all),
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn in_condition(condition: &Condition, all: &mut Vec<Millis>) {
    match condition {
        Condition::And(items) | Condition::Or(items) => items.iter().for_each(|item| in_condition(item, all)),
        Condition::Not(inner) | Condition::Any(inner) | Condition::All(inner) => in_condition(inner, all),
        Condition::Test(left, test) => {
            in_scalar(left, all);
            match test {
                Test::Relation(_, right) | Test::StartsWith(right) | Test::EndsWith(right) => {
                    in_scalar(right, all)
                }
                Test::Contains(list) | Test::Omits(list) | Test::OneOf(list) | Test::NoneOf(list) => {
                    list.iter().for_each(|item| in_scalar(item, all));
                }
                Test::WithinLast(span)
                | Test::WithinNext(span)
                | Test::BeforeLast(span)
                | Test::AfterNext(span) => all.push(span.millis()),
                Test::Exists | Test::Absent | Test::BeforeDate(_) | Test::AfterDate(_) => {}
            }
        }
    }
}

fn in_scalar(scalar: &Scalar, all: &mut Vec<Millis>) {
    if let Scalar::Stream(stream, _) = scalar {
        in_stream(stream, all);
    }
}

fn in_stream(stream: &Stream, all: &mut Vec<Millis>) {
    match &stream.window {
        Window::None => {}
        Window::Within(span) | Window::AfterParent(span) | Window::Session(span) => all.push(span.millis()),
        Window::Between(one, other) => all.extend([one.millis(), other.millis()]),
    }
    stream.filters.iter().for_each(|filter| in_condition(filter, all));
}
