//! The plain evaluator: a query over everything that is known of somebody, at an instant. It keeps nothing and is in no
//! hurry; each rule of the language is one obvious line.

use serde_json::Value;

use crate::flaw::Flaw;
use crate::history::{Fields, Happened};
use crate::language::{Condition, Literal, Millis, Path, Relation, Scalar, Step, Stream, Test, Window};
use crate::reduce::reduce;
use crate::value::{self, instant, number, text};

/// What traits somebody has, by name.
pub type Traits<'a> = Box<dyn Fn(&str) -> Option<Value> + 'a>;

/// Of whom a condition is to hold.
pub struct Subject<'a> {
    /// His events, or those of all the account's users, in the order of arrival.
    pub events: Vec<&'a Happened>,
    pub traits: Traits<'a>,
    /// The account's users.
    pub users: Vec<Subject<'a>>,
}

/// An instant to evaluate at.
#[derive(Clone, Copy)]
pub struct Moment {
    pub now: Millis,
    pub flaw: Option<Flaw>,
}

/// The event under test, last, after those in whose `where` it is looked for.
type Chain<'a> = [&'a Happened];

impl Moment {
    pub fn is(self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Whether an audience's condition holds.
    pub fn holds(self, condition: &Condition, of: &Subject<'_>) -> bool {
        self.condition(condition, of, &[])
    }

    /// The value of a computed trait; `None` when there is none.
    pub fn value(
        self,
        stream: &Stream,
        reducer: &crate::language::Reducer,
        of: &Subject<'_>,
    ) -> Option<Value> {
        reduce(self, &self.stream(stream, of, &[]), reducer)
    }

    fn condition(self, condition: &Condition, of: &Subject<'_>, chain: &Chain<'_>) -> bool {
        let holds = |item: &Condition| self.condition(item, of, chain);
        match condition {
            Condition::And(items) => items.iter().all(holds),
            Condition::Or(items) => match self.or_before_and(items) {
                Some(wrong) => self.condition(&wrong, of, chain),
                None => items.iter().any(holds),
            },
            Condition::Not(inner) => {
                let unknown = self.is(Flaw::NullLogic) && self.unknown(inner, of, chain);
                !unknown && !holds(inner)
            }
            Condition::Any(inner) => {
                let mut users = of.users.iter();
                if self.is(Flaw::AnyIsAll) {
                    return users.all(|user| self.condition(inner, user, chain));
                }
                users.any(|user| self.condition(inner, user, chain))
            }
            Condition::All(inner) => {
                let count = if self.is(Flaw::AllOfOnlyTheFirst) { 1 } else { usize::MAX };
                !of.users.is_empty()
                    && of.users.iter().take(count).all(|user| self.condition(inner, user, chain))
            }
            Condition::Test(left, test) => {
                self.scalar(left, of, chain).iter().any(|value| self.test(value.as_ref(), test, of, chain))
            }
        }
    }

    /// For one flaw: `a AND b OR c` read as `a AND (b OR c)`.
    fn or_before_and(self, items: &[Condition]) -> Option<Condition> {
        let Some((Condition::And(first), rest)) =
            items.split_first().filter(|_| self.is(Flaw::OrBindsBeforeAnd))
        else {
            return None;
        };
        let (last, before) = first.split_last()?;
        let mut either = vec![last.clone()];
        either.extend(rest.iter().cloned());
        let mut all = before.to_vec();
        all.push(Condition::Or(either));
        Some(Condition::And(all))
    }

    /// For one flaw: whether a test's value is missing.
    fn unknown(self, condition: &Condition, of: &Subject<'_>, chain: &Chain<'_>) -> bool {
        match condition {
            Condition::Test(left, _) => self.scalar(left, of, chain).iter().all(Option::is_none),
            _ => false,
        }
    }

    /// The values that a scalar has: one, or with `$` in its path one for each entry.
    fn scalar(self, scalar: &Scalar, of: &Subject<'_>, chain: &Chain<'_>) -> Vec<Option<Value>> {
        let event = |back: usize| chain[chain.len() - back];
        match scalar {
            Scalar::Trait(path) => self.of_trait(path, of),
            Scalar::Property(path) => self.under(Some(&event(1).properties), path),
            Scalar::ParentProperty(path) if self.is(Flaw::NestedWhereSeesTheParent) => {
                self.under(Some(&event(1).properties), path)
            }
            Scalar::ParentProperty(path) => self.under(Some(&event(2).properties), path),
            Scalar::Context(path) => self.under(Some(&event(1).context), path),
            Scalar::Literal(literal) => vec![Some(constant(literal))],
            Scalar::Stream(stream, reducer) => vec![reduce(self, &self.stream(stream, of, chain), reducer)],
        }
    }

    fn of_trait(self, path: &Path, of: &Subject<'_>) -> Vec<Option<Value>> {
        let Some((Step::Key(root), rest)) = path.0.split_first() else { panic!("a path begins with a key") };
        let traits = match of.users.first() {
            Some(user) if self.is(Flaw::TraitsOfUsersForAccounts) => &user.traits,
            _ => &of.traits,
        };
        self.walk(traits(root).as_ref(), rest)
    }

    /// What a path leads to in an event's fields.
    pub fn under(self, fields: Option<&Fields>, path: &Path) -> Vec<Option<Value>> {
        let Some((Step::Key(root), rest)) = path.0.split_first() else { panic!("a path begins with a key") };
        self.walk(fields.and_then(|fields| fields.get(root)), rest)
    }

    fn walk(self, value: Option<&Value>, steps: &[Step]) -> Vec<Option<Value>> {
        let Some((step, rest)) = steps.split_first() else {
            return vec![value.filter(|value| !value.is_null()).cloned()];
        };
        match (step, value) {
            (Step::Each, Some(Value::Array(entries))) if !entries.is_empty() => {
                let count = if self.is(Flaw::EachMeansTheFirst) { 1 } else { usize::MAX };
                entries.iter().take(count).flat_map(|entry| self.walk(Some(entry), rest)).collect()
            }
            (Step::Key(key), Some(Value::Object(fields))) => self.walk(fields.get(key), rest),
            (Step::Key(key), Some(Value::Array(entries))) => {
                self.walk(key.parse::<usize>().ok().and_then(|index| entries.get(index)), rest)
            }
            _ => vec![None],
        }
    }

    /// The events of a stream, in the order of time, then of arrival, then of message ids.
    fn stream<'a>(self, stream: &Stream, of: &Subject<'a>, chain: &Chain<'_>) -> Vec<&'a Happened> {
        let filters = if self.is(Flaw::OnlyTheFirstFilterCounts) { 1 } else { usize::MAX };
        let passes = |event: &&Happened| {
            let mut inner = chain.to_vec();
            inner.push(event);
            event.name == stream.event
                && (self.is(Flaw::SourcesAreNotExcluded)
                    || !stream.excluded.iter().any(|source| source == event.source))
                && (self.is(Flaw::ParentIsForgotten) || self.follows(event, &stream.window, chain))
                && stream.filters.iter().take(filters).all(|filter| self.condition(filter, of, &inner))
        };
        let mut events: Vec<&Happened> = of.events.iter().copied().filter(passes).collect();
        events.sort_by_key(|event| (event.at, event.received_at, &event.message));
        if self.is(Flaw::OnlyTheFirstParentCounts)
            && stream.filters.iter().any(|filter| !matches!(filter, Condition::Test(Scalar::Property(_), _)))
        {
            events.truncate(1);
        }
        self.window(events, &stream.window)
    }

    /// An event in another's `where` is one that came later.
    fn follows(self, event: &Happened, window: &Window, chain: &Chain<'_>) -> bool {
        let Some(parent) = chain.last() else { return true };
        let later = event.at > parent.at
            || self.is(Flaw::ParentWindowTakesTheParentsInstant) && event.at == parent.at;
        match window {
            Window::AfterParent(span) if self.is(Flaw::ParentWindowLeavesOutItsEnd) => {
                later && event.at < parent.at + span.millis()
            }
            Window::AfterParent(span) => later && event.at <= parent.at + span.millis(),
            _ => later,
        }
    }

    fn window<'a>(self, mut events: Vec<&'a Happened>, window: &Window) -> Vec<&'a Happened> {
        let now = self.now;
        match window {
            Window::None | Window::AfterParent(_) => {
                events.retain(|event| event.at <= now || !self.is(Flaw::NoWindowLeavesOutTheFuture));
            }
            Window::Within(span) => {
                let mut from = now - span.millis();
                from += i64::from(self.is(Flaw::WithinLeavesOutItsEnd));
                from -= i64::from(self.is(Flaw::WithinIsAMillisecondLonger));
                let to = if self.is(Flaw::WithinTakesTheFuture) { Millis::MAX } else { now };
                events.retain(|event| from <= event.at && event.at <= to);
            }
            Window::Between(one, other) => {
                let (one, other) = (one.millis(), other.millis());
                let mut near = one.min(other);
                let mut far = one.max(other);
                if self.is(Flaw::BetweenTakesItsEndsAsWritten) {
                    (near, far) = (one, other);
                }
                near += i64::from(self.is(Flaw::BetweenLeavesOutItsNearEnd));
                far -= i64::from(self.is(Flaw::BetweenLeavesOutItsFarEnd));
                events.retain(|event| now - far <= event.at && event.at <= now - near);
            }
            Window::Session(span) => return self.session(events, span.millis()),
        }
        events
    }

    /// The last run of events with no gap longer than `span`, while the gap to now is no longer either.
    fn session(self, mut events: Vec<&Happened>, span: Millis) -> Vec<&Happened> {
        let span = span - i64::from(self.is(Flaw::SessionEndsAtItsGap));
        events.retain(|event| event.at <= self.now || self.is(Flaw::SessionTakesTheFuture));
        let Some(last) = events.last() else { return events };
        if self.now - last.at > span && !self.is(Flaw::SessionNeverEnds) {
            return Vec::new();
        }
        let is_gap = |place: &usize| events[*place].at - events[*place - 1].at > span;
        let start = (1..events.len()).rev().find(is_gap).unwrap_or(0);
        if self.is(Flaw::SessionIsTheWholeHistory) { events } else { events.split_off(start) }
    }

    fn test(self, value: Option<&Value>, test: &Test, of: &Subject<'_>, chain: &Chain<'_>) -> bool {
        let values = |right: &Scalar| self.scalar(right, of, chain);
        let any = |list: &[Scalar], passes: &dyn Fn(&Value) -> bool| {
            let matches = |right: &Scalar| values(right).iter().flatten().any(passes);
            if self.is(Flaw::ContainsWantsAll) { list.iter().all(matches) } else { list.iter().any(matches) }
        };
        // A right side that is not there fails every comparison.
        let known = |list: &[Scalar]| list.iter().all(|right| values(right).iter().all(Option::is_some));
        let Some(value) =
            value.filter(|value| !(self.is(Flaw::FalseIsAbsent) && **value == Value::Bool(false)))
        else {
            return match test {
                Test::Absent => true,
                Test::Omits(list) => known(list) && !self.is(Flaw::NullIsNotOmitted),
                Test::Relation(Relation::Differs, _) => self.is(Flaw::NullDiffers),
                Test::NoneOf(_) => self.is(Flaw::NullIsNoneOf),
                _ => false,
            };
        };
        let contains = |part: &Value| text(value).contains(&text(part));
        let at = value.as_str().and_then(|text| self.date(text));
        let at_is = |test: &dyn Fn(Millis) -> bool| at.is_some_and(test);
        let now = self.now;
        let open = |flaw| i64::from(self.is(flaw));
        match test {
            Test::Exists => true,
            Test::Absent => false,
            Test::Relation(relation, right) => values(right).iter().any(|right| match right {
                Some(right) => self.related(*relation, value, right),
                None => self.is(Flaw::NullOnTheRightDiffers) && *relation == Relation::Differs,
            }),
            Test::Contains(list) => any(list, &contains),
            Test::Omits(list) => known(list) && !any(list, &contains),
            Test::OneOf(list) => any(list, &|right| self.equal(value, right)),
            Test::NoneOf(list) => known(list) && !any(list, &|right| self.equal(value, right)),
            Test::StartsWith(right) => {
                values(right).iter().flatten().any(|right| text(value).starts_with(&text(right)))
            }
            Test::EndsWith(right) => {
                values(right).iter().flatten().any(|right| text(value).ends_with(&text(right)))
            }
            Test::BeforeDate(date) => at_is(&|at| at < said(date) + open(Flaw::BeforeDateTakesItsDate)),
            Test::AfterDate(date) => at_is(&|at| at > said(date) - open(Flaw::AfterDateTakesItsDate)),
            Test::WithinLast(span) => at_is(&|at| {
                let future = self.is(Flaw::WithinLastTakesTheFuture);
                now - span.millis() + open(Flaw::WithinLastLeavesOutItsEnd) <= at && (at <= now || future)
            }),
            Test::WithinNext(span) => at_is(&|at| {
                now + open(Flaw::WithinNextLeavesOutNow) <= at
                    && at <= now + span.millis() - open(Flaw::WithinNextLeavesOutItsEnd)
            }),
            Test::BeforeLast(span) => {
                at_is(&|at| at <= now - span.millis() - open(Flaw::BeforeLastLeavesOutItsEnd))
            }
            Test::AfterNext(span) => {
                at_is(&|at| at >= now + span.millis() + open(Flaw::AfterNextLeavesOutItsEnd))
            }
        }
    }

    fn date(self, text: &str) -> Option<Millis> {
        let lenient = || instant(&format!("{text}Z")).filter(|_| self.is(Flaw::DatesWithoutZoneAreTaken));
        instant(text).or_else(lenient)
    }

    fn related(self, relation: Relation, left: &Value, right: &Value) -> bool {
        let order = || self.order(left, right);
        match relation {
            Relation::Equals => self.equal(left, right),
            Relation::Differs => !self.equal(left, right),
            Relation::Greater => order().is_some_and(std::cmp::Ordering::is_gt),
            Relation::AtLeast => order().is_some_and(std::cmp::Ordering::is_ge),
            Relation::Less => order().is_some_and(std::cmp::Ordering::is_lt),
            Relation::AtMost => order().is_some_and(std::cmp::Ordering::is_le),
        }
    }

    /// As numbers if both read as numbers, else as texts.
    fn equal(self, left: &Value, right: &Value) -> bool {
        match (number(left), number(right)) {
            (Some(left), Some(right)) if !self.is(Flaw::EqualsComparesTexts) => left == right,
            _ => text(left) == text(right),
        }
    }

    /// As numbers if both read as numbers; else as texts by code point, if both are.
    fn order(self, left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
        if let (Some(left), Some(right)) = (number(left), number(right))
            && !self.is(Flaw::OrderComparesTexts)
        {
            return Some(left.cmp(&right));
        }
        let is_text = |value: &Value| {
            !matches!(value, Value::Bool(_) | Value::Number(_)) || self.is(Flaw::NumbersAndTextsAreOrdered)
        };
        if self.is(Flaw::OrderOfTextsIgnoresCase) {
            return Some(text(left).to_lowercase().cmp(&text(right).to_lowercase()));
        }
        (is_text(left) && is_text(right)).then(|| text(left).cmp(&text(right)))
    }
}

fn constant(literal: &Literal) -> Value {
    match literal {
        Literal::Number(digits) => value::json(value::decimal(digits).expect("a number")),
        Literal::Text(text) | Literal::Date(text) => Value::from(text.as_str()),
        Literal::Boolean(boolean) => Value::from(*boolean),
    }
}

fn said(date: &Literal) -> Millis {
    constant(date).as_str().and_then(instant).expect("a date")
}
