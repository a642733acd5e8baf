//! Tests joined by AND, OR and NOT.

/// A boolean combination of tests.
///
/// `And` and `Or` have at least two members, none of which is the same junction again, so that one meaning has one
/// shape whatever the parentheses were.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Logic<T> {
    /// True when all members are.
    And(Vec<Logic<T>>),
    /// True when a member is.
    Or(Vec<Logic<T>>),
    /// True when the inner one is not.
    Not(Box<Logic<T>>),
    /// A single test.
    Test(T),
}

impl<T> Logic<T> {
    /// All of `items`, of which there is at least one.
    pub(super) fn and(items: Vec<Self>) -> Self {
        Self::join(items, Self::And, |item| match item {
            Self::And(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Any of `items`, of which there is at least one.
    pub(super) fn or(items: Vec<Self>) -> Self {
        Self::join(items, Self::Or, |item| match item {
            Self::Or(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn join(
        items: Vec<Self>,
        junction: fn(Vec<Self>) -> Self,
        open: fn(Self) -> Result<Vec<Self>, Self>,
    ) -> Self {
        let mut members = Vec::with_capacity(items.len());
        for item in items {
            match open(item) {
                Ok(inner) => members.extend(inner),
                Err(item) => members.push(item),
            }
        }
        if members.len() > 1 {
            return junction(members);
        }
        members.pop().unwrap_or_else(|| junction(Vec::new()))
    }

    /// Shows every test to `see`, from left to right.
    pub(super) fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a T)) {
        match self {
            Self::And(items) | Self::Or(items) => items.iter().for_each(|item| item.visit(see)),
            Self::Not(inner) => inner.visit(see),
            Self::Test(test) => see(test),
        }
    }

    /// The same combination of other tests.
    pub(super) fn map<U>(&self, change: &mut dyn FnMut(&T) -> U) -> Logic<U> {
        match self {
            Self::And(items) => Logic::And(items.iter().map(|item| item.map(change)).collect()),
            Self::Or(items) => Logic::Or(items.iter().map(|item| item.map(change)).collect()),
            Self::Not(inner) => Logic::Not(Box::new(inner.map(change))),
            Self::Test(test) => Logic::Test(change(test)),
        }
    }

    /// Whether it is true, given the truth of each test. Asks from left to right, and no further than it has to.
    pub(super) fn holds(&self, test: &dyn Fn(&T) -> bool) -> bool {
        match self {
            Self::And(items) => items.iter().all(|item| item.holds(test)),
            Self::Or(items) => items.iter().any(|item| item.holds(test)),
            Self::Not(inner) => !inner.holds(test),
            Self::Test(one) => test(one),
        }
    }

    /// Whether it is true, if that follows from the tests whose truth is known.
    pub(super) fn known(&self, test: &dyn Fn(&T) -> Option<bool>) -> Option<bool> {
        // A junction is decided by one member of a kind, or by all of the other.
        let junction = |items: &[Self], deciding: bool| {
            let mut all_known = true;
            for item in items {
                match item.known(test) {
                    Some(value) if value == deciding => return Some(deciding),
                    Some(_) => {}
                    None => all_known = false,
                }
            }
            all_known.then_some(!deciding)
        };
        match self {
            Self::And(items) => junction(items, false),
            Self::Or(items) => junction(items, true),
            Self::Not(inner) => inner.known(test).map(|value| !value),
            Self::Test(one) => test(one),
        }
    }

    /// How many parentheses, `NOT`s and what `inside` says of a test its canonical text has around its innermost part.
    pub(super) fn nesting(&self, inside: &dyn Fn(&T) -> usize) -> usize {
        let grouped = |item: &Self| usize::from(item.needs_parentheses(self)) + item.nesting(inside);
        match self {
            Self::And(items) | Self::Or(items) => items.iter().map(grouped).max().unwrap_or(0),
            Self::Not(inner) => 1 + grouped(inner),
            Self::Test(test) => inside(test),
        }
    }

    /// Whether it has to stand in parentheses directly under `parent`: `NOT` binds before AND, AND before OR.
    pub(super) fn needs_parentheses(&self, parent: &Self) -> bool {
        match (parent, self) {
            (Self::Not(_), _) => self.is_junction(),
            (Self::And(_), Self::Or(_)) => true,
            (_, _) => false,
        }
    }

    /// Whether it is an AND or an OR.
    pub(super) fn is_junction(&self) -> bool {
        matches!(self, Self::And(_) | Self::Or(_))
    }
}
