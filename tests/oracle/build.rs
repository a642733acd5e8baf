//! Short ways to write queries and posts down.

use serde_json::{Map, Value};

use crate::history::{Fields, Post, What};
use crate::language::{
    Condition, Duration, Literal, Millis, Path, Place, Reducer, Relation, Scalar, Step, Stream, Test, Window,
};

/// A path as it is written: dots between its steps, `\.` for a dot in a key.
pub fn path(text: &str) -> Path {
    let parts = text.replace("\\.", "\u{1}");
    let step = |part: &str| match part {
        "$" => Step::Each,
        key => Step::Key(key.replace('\u{1}', ".")),
    };
    Path(parts.split('.').map(step).collect())
}

pub fn property(text: &str) -> Scalar {
    Scalar::Property(path(text))
}

pub fn parent(text: &str) -> Scalar {
    Scalar::ParentProperty(path(text))
}

pub fn of_trait(text: &str) -> Scalar {
    Scalar::Trait(path(text))
}

pub fn context(text: &str) -> Scalar {
    Scalar::Context(path(text))
}

pub fn place(text: &str) -> Place {
    Place::Property(path(text))
}

pub fn text(text: &str) -> Scalar {
    Scalar::Literal(Literal::Text(text.to_owned()))
}

pub fn texts(all: &[&str]) -> Vec<Scalar> {
    all.iter().map(|one| text(one)).collect()
}

pub fn number(digits: &str) -> Scalar {
    Scalar::Literal(Literal::Number(digits.to_owned()))
}

pub fn boolean(value: bool) -> Scalar {
    Scalar::Literal(Literal::Boolean(value))
}

pub fn days(number: i64) -> Duration {
    Duration::new(number, "days")
}

pub fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

pub fn event(name: &str) -> Stream {
    Stream { event: name.to_owned(), filters: Vec::new(), excluded: Vec::new(), window: Window::None }
}

impl Stream {
    pub fn only(mut self, filter: Condition) -> Self {
        self.filters.push(filter);
        self
    }

    pub fn without(mut self, source: &str) -> Self {
        self.excluded.push(source.to_owned());
        self
    }

    pub fn window(self, window: Window) -> Self {
        Self { window, ..self }
    }

    pub fn within(self, span: Duration) -> Self {
        self.window(Window::Within(span))
    }

    pub fn count(self) -> Scalar {
        self.to(Reducer::Count)
    }

    pub fn to(self, reducer: Reducer) -> Scalar {
        Scalar::Stream(self, reducer)
    }
}

impl Scalar {
    pub fn is(self, test: Test) -> Condition {
        Condition::Test(self, test)
    }

    pub fn related(self, relation: Relation, right: Scalar) -> Condition {
        self.is(Test::Relation(relation, right))
    }

    pub fn equals(self, right: Scalar) -> Condition {
        self.related(Relation::Equals, right)
    }

    pub fn differs(self, right: Scalar) -> Condition {
        self.related(Relation::Differs, right)
    }

    pub fn at_least(self, digits: &str) -> Condition {
        self.related(Relation::AtLeast, number(digits))
    }
}

/// The fields of a JSON object.
pub fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

/// A track call by the first user.
pub fn track(name: &str, at: Millis, properties: Value) -> Post {
    post(at, What::Track(name.to_owned(), fields(properties)))
}

/// An identify call by the first user.
pub fn identify(at: Millis, traits: Value) -> Post {
    post(at, What::Identify(fields(traits)))
}

/// A call by the first user.
pub fn post(at: Millis, what: What) -> Post {
    Post {
        user: Some(0),
        anonymous: None,
        message: String::new(),
        source: "src_web",
        at,
        context: Map::new(),
        what,
    }
}

impl Post {
    pub fn of(self, user: usize) -> Self {
        Self { user: Some(user), ..self }
    }

    pub fn from(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    pub fn with_context(self, context: Value) -> Self {
        Self { context: fields(context), ..self }
    }
}
