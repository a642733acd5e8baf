//! Query texts: as the documentation writes them, or in one of the many other spellings that mean the same.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::language::{
    As, Condition, Duration, Literal, Path, Place, Query, Reducer, Relation, Scalar, Step, Stream, Test,
    Window,
};

/// The text of a query as the documentation would write it.
pub fn plain(query: &Query) -> String {
    print(query, None)
}

/// The text of a query in some other spelling.
pub fn spelled(query: &Query, rng: &mut StdRng) -> String {
    print(query, Some(rng))
}

fn print(query: &Query, rng: Option<&mut StdRng>) -> String {
    let mut printer = Printer { text: String::new(), space: false, rng };
    match query {
        Query::Audience(condition) => printer.condition(condition, 0),
        Query::Trait(stream, reducer) => printer.reduced(stream, reducer),
    }
    printer.text
}

struct Printer<'r> {
    text: String,
    /// A space stands before the next token in the plain spelling.
    space: bool,
    rng: Option<&'r mut StdRng>,
}

/// How firmly the words bind: OR, AND, NOT.
const OR: u8 = 1;
const AND: u8 = 2;
const UNARY: u8 = 3;

impl Printer<'_> {
    /// Whether to write something in its other way.
    fn other_way(&mut self, probability: f64) -> bool {
        self.rng.as_mut().is_some_and(|rng| rng.random_bool(probability))
    }

    fn token(&mut self, token: &str) {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let apart = self.text.ends_with(is_word) && token.starts_with(is_word);
        match &mut self.rng {
            None => self.text.push_str(if self.space { " " } else { "" }),
            Some(rng) => {
                let space = ["", "", "", " ", " ", "  ", "\n", "\t", " \r\n "][rng.random_range(0..9)];
                self.text.push_str(if apart && space.is_empty() { " " } else { space });
            }
        }
        self.space = false;
        self.text.push_str(token);
    }

    fn spaced(&mut self, token: &str) {
        self.space = true;
        self.token(token);
        self.space = true;
    }

    fn keyword(&mut self, keyword: &str) {
        let other = self.other_way(0.3);
        let keyword = match &mut self.rng {
            Some(rng) if other => {
                let any_case = |c: char| if rng.random_bool(0.5) { c.to_ascii_lowercase() } else { c };
                keyword.chars().map(any_case).collect()
            }
            _ => keyword.to_owned(),
        };
        self.token(&keyword);
        self.space = true;
    }

    /// `around` is how firmly the words around it bind.
    fn condition(&mut self, condition: &Condition, around: u8) {
        let own = match condition {
            Condition::Or(_) => OR,
            Condition::And(_) => AND,
            Condition::Not(_) | Condition::Any(_) | Condition::All(_) | Condition::Test(..) => UNARY,
        };
        let brackets = own < around || self.other_way(0.08);
        if brackets {
            self.token("(");
        }
        match condition {
            Condition::Or(items) => self.junction("OR", items, OR),
            Condition::And(items) => self.junction("AND", items, AND),
            Condition::Not(inner) => self.unary("NOT", inner),
            Condition::Any(inner) => self.unary("ANY", inner),
            Condition::All(inner) => self.unary("ALL", inner),
            Condition::Test(left, test) => {
                self.scalar(left);
                self.test(test);
            }
        }
        if brackets {
            self.token(")");
        }
    }

    fn junction(&mut self, word: &str, items: &[Condition], own: u8) {
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.space = true;
                self.keyword(word);
            }
            self.condition(item, own);
        }
    }

    fn unary(&mut self, word: &str, inner: &Condition) {
        self.keyword(word);
        self.condition(inner, UNARY);
    }

    fn scalar(&mut self, scalar: &Scalar) {
        match scalar {
            Scalar::Trait(path) => self.call("trait", |printer| printer.path(path)),
            Scalar::Property(path) => self.call("property", |printer| printer.path(path)),
            Scalar::ParentProperty(path) => self.call("property", |printer| {
                printer.parent();
                printer.path(path);
            }),
            Scalar::Context(path) => self.call("context", |printer| printer.path(path)),
            Scalar::Literal(literal) => self.call("literal", |printer| printer.literal(literal)),
            Scalar::Stream(stream, reducer) => self.reduced(stream, reducer),
        }
    }

    fn call(&mut self, name: &str, arguments: impl FnOnce(&mut Self)) {
        self.token(name);
        self.token("(");
        arguments(self);
        self.token(")");
    }

    /// `.name(…)`
    fn method(&mut self, name: &str, arguments: impl FnOnce(&mut Self)) {
        self.token(".");
        self.call(name, arguments);
    }

    fn parent(&mut self) {
        self.token("parent");
        self.token(":");
        self.space = true;
    }

    fn reduced(&mut self, stream: &Stream, reducer: &Reducer) {
        self.call("event", |printer| printer.string(&stream.event));
        let mut order: Vec<usize> = (0..stream.filters.len() + 2).collect();
        if let Some(rng) = &mut self.rng {
            order.shuffle(rng);
        }
        for place in order {
            match place.checked_sub(stream.filters.len()) {
                None => self.filter(&stream.filters[place]),
                Some(0) => self.sources(&stream.excluded),
                Some(_) => self.window(&stream.window),
            }
        }
        self.reducer(reducer);
    }

    fn filter(&mut self, filter: &Condition) {
        let braces = self.other_way(0.1);
        self.method("where", |printer| {
            if braces {
                printer.token("{");
            }
            printer.condition(filter, 0);
            if braces {
                printer.token("}");
            }
        });
    }

    fn sources(&mut self, excluded: &[String]) {
        if excluded.is_empty() {
            return;
        }
        let brackets = self.other_way(0.4);
        self.method("sources", |printer| {
            printer.token("{");
            printer.token("exclude");
            printer.token(":");
            printer.space = true;
            if brackets {
                printer.token("[");
            }
            printer.list(excluded, |printer, source| printer.string(source));
            if brackets {
                printer.token("]");
            }
            printer.token("}");
        });
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        for (place, each) in items.iter().enumerate() {
            if place > 0 {
                self.token(",");
            }
            item(self, each);
        }
    }

    fn window(&mut self, window: &Window) {
        match window {
            Window::None => {}
            Window::Within(span) => self.method("within", |printer| printer.duration(span)),
            Window::AfterParent(span) => self.method("within", |printer| {
                printer.parent();
                printer.duration(span);
            }),
            Window::Between(one, other) => {
                let (one, other) = if self.other_way(0.5) { (other, one) } else { (one, other) };
                self.method("between", |printer| {
                    printer.duration(one);
                    printer.token(",");
                    printer.space = true;
                    printer.duration(other);
                });
            }
            Window::Session(span) => self.method("expires_after", |printer| printer.duration(span)),
        }
    }

    fn duration(&mut self, span: &Duration) {
        let hours = span.millis() / 3_600_000;
        let (number, unit) = if self.other_way(0.3) && span.millis() % 3_600_000 == 0 {
            (hours, if self.other_way(0.5) { "hour" } else { "hours" })
        } else {
            (span.number, span.unit)
        };
        self.token(&number.to_string());
        self.space = true;
        self.token(unit);
    }

    fn reducer(&mut self, reducer: &Reducer) {
        match reducer {
            Reducer::Count => self.method("count", |_| {}),
            Reducer::Sum(place) => self.method("sum", |printer| printer.place(place, As::Unsaid)),
            Reducer::Average(place) => self.method("avg", |printer| printer.place(place, As::Unsaid)),
            Reducer::Minimum(place, how) => self.method("min", |printer| printer.place(place, *how)),
            Reducer::Maximum(place, how) => self.method("max", |printer| printer.place(place, *how)),
            Reducer::First(place) => self.method("first", |printer| printer.place(place, As::Unsaid)),
            Reducer::Last(place) => self.method("last", |printer| printer.place(place, As::Unsaid)),
            Reducer::Mode(place, how, least) => self.method("mode", |printer| {
                printer.place(place, *how);
                printer.token(",");
                printer.space = true;
                printer.token(&least.to_string());
            }),
            Reducer::Unique(place) => self.method("unique", |printer| printer.place(place, As::Unsaid)),
            Reducer::UniqueCount(place) => {
                self.method("unique", |printer| printer.place(place, As::Unsaid));
                self.method("count", |_| {});
            }
        }
    }

    fn place(&mut self, place: &Place, how: As) {
        match place {
            Place::Property(path) => self.call("property", |printer| printer.path(path)),
            Place::Context(path) => self.call("context", |printer| printer.path(path)),
        }
        let how = match how {
            As::Unsaid => return,
            As::Number => "number",
            As::String => "string",
            As::Array => "array",
        };
        self.spaced("as");
        self.token(how);
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::Relation(relation, right) => self.relation(*relation, right),
            Test::Exists => self.method("exists", |_| {}),
            Test::Absent => self.method("absent", |_| {}),
            Test::Contains(list) => self.method("contains", |printer| printer.operands(list)),
            Test::Omits(list) => self.method("omits", |printer| printer.operands(list)),
            Test::OneOf(list) => self.method("one_of", |printer| printer.operands(list)),
            Test::NoneOf(list) => self.method("none_of", |printer| printer.operands(list)),
            Test::StartsWith(right) => self.method("starts_with", |printer| printer.operand(right)),
            Test::EndsWith(right) => self.method("ends_with", |printer| printer.operand(right)),
            Test::BeforeDate(date) => self.method("before_date", |printer| printer.literal(date)),
            Test::AfterDate(date) => self.method("after_date", |printer| printer.literal(date)),
            Test::WithinLast(span) => self.method("within_last", |printer| printer.duration(span)),
            Test::WithinNext(span) => self.method("within_next", |printer| printer.duration(span)),
            Test::BeforeLast(span) => self.method("before_last", |printer| printer.duration(span)),
            Test::AfterNext(span) => self.method("after_next", |printer| printer.duration(span)),
        }
    }

    fn relation(&mut self, relation: Relation, right: &Scalar) {
        let (symbol, name) = match relation {
            Relation::Equals => (if self.other_way(0.5) { "==" } else { "=" }, "equals"),
            Relation::Differs => ("!=", "differs"),
            Relation::Greater => (">", "greater_than"),
            Relation::AtLeast => (">=", "at_least"),
            Relation::Less => ("<", "less_than"),
            Relation::AtMost => ("<=", "at_most"),
        };
        if self.other_way(0.4) {
            self.method(name, |printer| printer.operand(right));
        } else {
            self.spaced(symbol);
            self.operand(right);
        }
    }

    fn operands(&mut self, list: &[Scalar]) {
        self.list(list, Self::operand);
    }

    /// A literal on the right needs no `literal(…)` around it.
    fn operand(&mut self, operand: &Scalar) {
        match operand {
            Scalar::Literal(literal) if !self.other_way(0.1) => self.literal(literal),
            other => self.scalar(other),
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Number(digits) if !digits.contains('.') && self.other_way(0.15) => {
                self.token(&format!("{digits}.0"));
            }
            Literal::Number(digits) => self.token(digits),
            Literal::Text(text) => self.string(text),
            Literal::Date(date) if self.other_way(0.3) => self.string(date),
            Literal::Date(date) => self.token(date),
            Literal::Boolean(boolean) => self.token(if *boolean { "true" } else { "false" }),
        }
    }

    fn string(&mut self, text: &str) {
        let quote = if self.other_way(0.3) { '"' } else { '\'' };
        let mut token = String::from(quote);
        for c in text.chars() {
            if c == quote || c == '\\' || matches!(c, '\'' | '"') && self.other_way(0.3) {
                token.push('\\');
            }
            token.push(c);
        }
        token.push(quote);
        self.token(&token);
    }

    fn path(&mut self, path: &Path) {
        let mut text = String::new();
        for (place, step) in path.0.iter().enumerate() {
            if place > 0 {
                text.push('.');
            }
            match step {
                Step::Each => text.push('$'),
                Step::Key(key) => text.push_str(&key.replace('.', "\\.")),
            }
        }
        // A backslash before a dot may also stand alone in the query text.
        if text.contains('\\') && self.other_way(0.5) {
            self.token(&format!("'{text}'"));
        } else {
            self.string(&text);
        }
    }
}
