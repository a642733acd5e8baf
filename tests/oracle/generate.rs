//! Random queries over the whole grammar, over few names and few values so that they meet.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::build::{boolean, number, path, text};
use crate::language::{
    As, Condition, Duration, Literal, Place, Query, Reducer, Relation, Scalar, Stream, Test, Window,
};
use crate::theme::{Kind, SOURCES, Theme};
use crate::value::Writing;

const CONTEXTS: [(&str, Kind); 2] = [("page.url", Kind::Text), ("screen.width", Kind::Number)];

/// Where a condition stands.
#[derive(Clone, Copy)]
struct Scope {
    /// How many `where` it is in.
    level: usize,
    /// Whether it may ask about accounts.
    account: bool,
}

/// Makes queries.
pub struct Queries<'r> {
    pub rng: &'r mut StdRng,
    pub theme: &'r Theme,
    /// Keys of definitions that may be asked about: of users, of accounts.
    pub known: [Vec<(String, Kind)>; 2],
    /// Comparisons so far.
    pub size: usize,
}

impl Queries<'_> {
    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from.choose(self.rng).expect("something to choose from").clone()
    }

    /// An audience without `ANY` and `ALL`, of users or of accounts.
    pub fn audience(&mut self, account: bool) -> Query {
        Query::Audience(self.condition(Scope { level: 0, account }))
    }

    /// An audience of accounts: at least one `ANY` or `ALL`.
    pub fn account_audience(&mut self) -> Query {
        let quantified = self.quantified();
        let condition = match self.rng.random_range(0..4) {
            0 => quantified,
            1 => Condition::Not(Box::new(quantified)),
            other => {
                let beside = match self.chance(0.4) {
                    true => self.quantified(),
                    false => self.comparison(Scope { level: 0, account: true }),
                };
                let items =
                    if self.chance(0.5) { vec![quantified, beside] } else { vec![beside, quantified] };
                if other == 2 { Condition::And(items) } else { Condition::Or(items) }
            }
        };
        Query::Audience(condition)
    }

    fn quantified(&mut self) -> Condition {
        let inner = Box::new(self.condition(Scope { level: 0, account: false }));
        if self.chance(0.5) { Condition::Any(inner) } else { Condition::All(inner) }
    }

    /// A computed trait, and the kind of its values.
    pub fn computed(&mut self, account: bool) -> (Query, Kind) {
        self.size += 1;
        let mut stream = self.stream(Scope { level: 0, account });
        if self.chance(0.3) {
            stream.window = Window::Session(self.session());
        }
        // Each kind of computed trait as often as the others.
        let draw = self.pick(&[0, 0, 7, 7, 9, 9, 11, 11, 13, 14, 15, 15, 18, 18]);
        let (reducer, kind) = self.reducer_of(draw);
        let reducer = match reducer {
            Reducer::UniqueCount(place) if self.chance(0.6) => Reducer::Unique(place),
            other => other,
        };
        (Query::Trait(stream, reducer), kind)
    }

    /// Short ones: of what lies long before a session only so much is kept, so that of long ones late arrivals could join
    /// more than is there.
    fn session(&mut self) -> Duration {
        let span = self.span();
        let longest = if self.theme.busy { 2 * 3_600_000 } else { 7 * 86_400_000 };
        if span.millis() > longest || self.chance(0.15) { Duration::new(1800, "seconds") } else { span }
    }

    fn span(&mut self) -> Duration {
        self.pick(&self.theme.spans)
    }

    fn condition(&mut self, scope: Scope) -> Condition {
        let most = if scope.level == 0 { 10 } else { 7 };
        match self.rng.random_range(0..most) {
            0..5 => self.comparison(scope),
            5 => Condition::Not(Box::new(self.condition(scope))),
            draw => {
                let count = if self.size > 12 { 2 } else { self.rng.random_range(2..4) };
                let items = (0..count).map(|_| self.operand_condition(scope)).collect();
                if draw % 2 == 0 { Condition::And(items) } else { Condition::Or(items) }
            }
        }
    }

    fn operand_condition(&mut self, scope: Scope) -> Condition {
        if self.size > 10 || self.chance(0.7) { self.comparison(scope) } else { self.condition(scope) }
    }

    fn comparison(&mut self, scope: Scope) -> Condition {
        self.size += 1;
        if scope.level >= 2 && self.chance(0.35) {
            return self.like_the_parent();
        }
        let (left, kind) = self.scalar(scope, true);
        let test = match &left {
            Scalar::Stream(_, Reducer::Count | Reducer::UniqueCount(_)) => self.count_test(scope),
            _ => self.test(kind, scope),
        };
        Condition::Test(left, test)
    }

    /// A property of an event against the same one of its parent.
    fn like_the_parent(&mut self) -> Condition {
        let (name, _) = self.pick(&self.theme.properties);
        let path = path(&name.replace('$', "0"));
        let (own, parent) = (Scalar::Property(path.clone()), Scalar::ParentProperty(path));
        let (left, right) = if self.chance(0.7) { (own, parent) } else { (parent, own) };
        Condition::Test(left, Test::Relation(self.relation(), right))
    }

    /// A value, and its kind as a rule. On the left it may have several values (`$`).
    fn scalar(&mut self, scope: Scope, left: bool) -> (Scalar, Kind) {
        let draw = self.rng.random_range(0..100);
        let (of_trait, of_stream) = match scope.level {
            0 => (30, 99),
            1 => (13, 36),
            2 => (10, 15),
            _ => (10, 10),
        };
        if draw < of_trait {
            return self.of_trait(scope, left);
        }
        // Plainly computed, events in the `where` of very many events would take too long.
        let too_long = self.theme.busy && scope.level > 0;
        if draw < of_stream && self.size < 20 && !too_long {
            let (reducer, kind) = self.reducer();
            return (Scalar::Stream(self.stream(scope), reducer), kind);
        }
        if scope.level == 0 {
            let (kind, literal) = self.any_literal();
            return (Scalar::Literal(literal), kind);
        }
        let (place, kind) = self.place(left);
        match place {
            Place::Property(path) if scope.level >= 2 && self.chance(0.35) => {
                (Scalar::ParentProperty(path), kind)
            }
            Place::Property(path) => (Scalar::Property(path), kind),
            Place::Context(path) => (Scalar::Context(path), kind),
        }
    }

    fn of_trait(&mut self, scope: Scope, each_allowed: bool) -> (Scalar, Kind) {
        let known = self.known[usize::from(scope.account)].clone();
        if !known.is_empty() && self.chance(0.45) {
            let (key, kind) = self.pick(&known);
            return (Scalar::Trait(path(&key)), kind);
        }
        let (name, kind) = self.pick(&self.theme.traits);
        let name = if each_allowed { name } else { name.trim_end_matches(".$") };
        (Scalar::Trait(path(name)), kind)
    }

    fn place(&mut self, each_allowed: bool) -> (Place, Kind) {
        if self.chance(0.1) {
            let (name, kind) = self.pick(&CONTEXTS);
            return (Place::Context(path(name)), kind);
        }
        if self.chance(0.06) {
            let name = if self.chance(0.5) { "page_name" } else { "screen_name" };
            return (Place::Property(path(name)), Kind::Text);
        }
        let (name, kind) = self.pick(&self.theme.properties);
        let name = if each_allowed { name.to_owned() } else { name.replace('$', "0") };
        (Place::Property(path(&name)), kind)
    }

    fn stream(&mut self, scope: Scope) -> Stream {
        let inner = Scope { level: scope.level + 1, account: scope.account };
        let filters = if scope.level > 1 || self.size > 12 { 1 } else { self.rng.random_range(0..3) };
        let filters = if self.chance(0.4) { 0 } else { filters };
        Stream {
            event: self.event_name(),
            filters: (0..filters).map(|_| self.condition(inner)).collect(),
            excluded: if self.chance(0.1) { vec![self.pick(&SOURCES).to_owned()] } else { Vec::new() },
            window: self.window(scope),
        }
    }

    fn event_name(&mut self) -> String {
        self.pick(&self.theme.events).to_owned()
    }

    fn window(&mut self, scope: Scope) -> Window {
        if scope.level > 0 && self.chance(0.6) {
            return Window::AfterParent(self.span());
        }
        match self.rng.random_range(0..10) {
            0..4 => Window::None,
            4..8 => Window::Within(self.span()),
            _ => {
                let (one, other) = (self.span(), self.span());
                if one.millis() == other.millis() { Window::Within(one) } else { Window::Between(one, other) }
            }
        }
    }

    /// Where numbers are found, if anywhere.
    fn numeric_place(&mut self, otherwise: &Place) -> Place {
        let numeric: Vec<_> =
            self.theme.properties.iter().filter(|(_, kind)| *kind == Kind::Number).collect();
        match numeric.choose(self.rng) {
            Some((name, _)) => Place::Property(path(&name.replace('$', "0"))),
            None => otherwise.clone(),
        }
    }

    fn reducer(&mut self) -> (Reducer, Kind) {
        let draw = self.rng.random_range(0..20);
        self.reducer_of(draw)
    }

    fn reducer_of(&mut self, draw: u32) -> (Reducer, Kind) {
        let (place, kind) = self.place(false);
        let price = self.numeric_place(&place);
        match draw {
            0..7 => (Reducer::Count, Kind::Number),
            7..9 => (Reducer::Sum(price), Kind::Number),
            9..11 => (Reducer::Average(price), Kind::Number),
            11..13 => {
                let make = if self.chance(0.5) { Reducer::Minimum } else { Reducer::Maximum };
                match self.rng.random_range(0..3) {
                    0 => (make(place, As::String), Kind::Text),
                    1 => (make(price, As::Number), Kind::Number),
                    _ => (make(price, As::Unsaid), Kind::Number),
                }
            }
            13 => (Reducer::First(place), kind),
            14 => (Reducer::Last(place), kind),
            15..18 => {
                let how = self.pick(&[As::Unsaid, As::Unsaid, As::String, As::Array, As::Array, As::Number]);
                (Reducer::Mode(place, how, self.pick(&[2, 2, 2, 3])), Kind::Text)
            }
            _ => (Reducer::UniqueCount(place), Kind::Number),
        }
    }

    fn count_test(&mut self, scope: Scope) -> Test {
        if self.chance(0.04) {
            let other = self.scalar(scope, false).0;
            // A constant has to be a number here.
            if !matches!(other, Scalar::Literal(_)) {
                return Test::Relation(self.relation(), other);
            }
        }
        let small = |queries: &mut Self| number(queries.pick(&["0", "1", "1", "1", "2", "2", "3"]));
        match self.rng.random_range(0..40) {
            0 | 1 => Test::OneOf(vec![small(self), small(self)]),
            2 | 3 => Test::NoneOf(vec![small(self), small(self)]),
            4 => Test::Relation(self.relation(), number(self.pick(&["-1", "0.5", "1.5", "1000000"]))),
            5 => Test::Relation(self.relation(), text(self.pick(&["1", "2", "1.0"]))),
            6 => Test::Contains(vec![small(self)]),
            7 => self.pick(&[Test::Exists, Test::Absent]),
            _ => Test::Relation(self.relation(), small(self)),
        }
    }

    fn relation(&mut self) -> Relation {
        use Relation::{AtLeast, AtMost, Differs, Equals, Greater, Less};
        self.pick(&[Equals, Equals, Differs, Greater, AtLeast, AtLeast, Less, AtMost])
    }

    fn test(&mut self, kind: Kind, scope: Scope) -> Test {
        let kind = if self.chance(0.1) {
            self.pick(&[Kind::Number, Kind::Text, Kind::Date, Kind::Boolean])
        } else {
            kind
        };
        let list = |queries: &mut Self| {
            let count = queries.rng.random_range(1..4);
            (0..count).map(|_| queries.operand(kind, scope)).collect::<Vec<_>>()
        };
        match self.rng.random_range(0..12) {
            0 => Test::Exists,
            1 => Test::Absent,
            2 => Test::OneOf(list(self)),
            3 => Test::NoneOf(list(self)),
            draw => match kind {
                Kind::Text if draw < 6 => match self.rng.random_range(0..5) {
                    0 => Test::StartsWith(self.operand(kind, scope)),
                    1 => Test::EndsWith(self.operand(kind, scope)),
                    2 => Test::Omits(list(self)),
                    _ => Test::Contains(list(self)),
                },
                Kind::Date if draw < 11 => self.date_test(),
                _ => self.relation_test(kind, scope),
            },
        }
    }

    fn relation_test(&mut self, kind: Kind, scope: Scope) -> Test {
        let right = self.operand(kind, scope);
        let relation = self.relation();
        let ordered = !matches!(relation, Relation::Equals | Relation::Differs);
        if ordered && matches!(right, Scalar::Literal(Literal::Boolean(_))) {
            return Test::Relation(Relation::Equals, right);
        }
        Test::Relation(relation, right)
    }

    fn date_test(&mut self) -> Test {
        match self.rng.random_range(0..6) {
            0 => Test::BeforeDate(self.literal(Kind::Date)),
            1 => Test::AfterDate(self.literal(Kind::Date)),
            2 => Test::WithinLast(self.span()),
            3 => Test::WithinNext(self.span()),
            4 => Test::BeforeLast(self.span()),
            _ => Test::AfterNext(self.span()),
        }
    }

    /// What stands on the right.
    fn operand(&mut self, kind: Kind, scope: Scope) -> Scalar {
        let other = if scope.level == 0 { 0.08 } else { 0.25 };
        if self.chance(other) { self.scalar(scope, true).0 } else { Scalar::Literal(self.literal(kind)) }
    }

    fn any_literal(&mut self) -> (Kind, Literal) {
        let kind = self.pick(&[Kind::Number, Kind::Text]);
        (kind, self.literal(kind))
    }

    fn literal(&mut self, kind: Kind) -> Literal {
        let literal = |scalar| match scalar {
            Scalar::Literal(literal) => literal,
            other => panic!("{other:?} is no literal"),
        };
        match kind {
            Kind::Number if self.chance(0.15) => literal(text(self.pick(&self.theme.numbers))),
            Kind::Number => literal(number(self.pick(&self.theme.numbers))),
            Kind::Text => literal(text(self.pick(&self.theme.texts))),
            Kind::Boolean if self.chance(0.4) => literal(text(self.pick(&["true", "false"]))),
            Kind::Boolean => literal(boolean(self.rng.random_bool(0.6))),
            Kind::Date => {
                Literal::Date(self.theme.date(self.rng, &[Writing::Utc, Writing::Utc, Writing::Day]))
            }
        }
    }
}
