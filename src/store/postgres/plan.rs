//! What one transaction is to send, and what its answers have to be.

use super::pipeline::{Answer, Param, Step};
use crate::store::{Result, StoreError};

/// Boxes the values of a statement.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        vec![$(Box::new($value) as $crate::store::postgres::pipeline::Param<'_>),*]
    };
}
pub(super) use params;

/// Looks at an answer.
type Look<'c> = dyn Fn(&Answer) -> Result<()> + Send + Sync + 'c;

/// What an answer has to be.
pub(super) enum Check<'c> {
    /// Anything.
    Any,
    /// About so many rows; else that is no longer so ([`StoreError::Conflict`]).
    Rows(u64, &'static str),
    /// What this says.
    By(Box<Look<'c>>),
}

/// Statements in the order in which they are sent.
#[derive(Default)]
pub(super) struct Plan<'c> {
    pub steps: Vec<Step<'c>>,
    checks: Vec<Check<'c>>,
}

impl<'c> Plan<'c> {
    /// One more statement; answers its place.
    pub(super) fn add(&mut self, sql: &'static str, params: Vec<Param<'c>>) -> usize {
        self.add_checked(sql, params, Check::Any)
    }

    /// One more, which has to touch that many rows.
    pub(super) fn expect(
        &mut self,
        sql: &'static str,
        params: Vec<Param<'c>>,
        rows: usize,
        what: &'static str,
    ) {
        let rows = u64::try_from(rows).expect("a count fits 64 bits");
        self.add_checked(sql, params, Check::Rows(rows, what));
    }

    /// One more, with that check.
    pub(super) fn add_checked(
        &mut self,
        sql: &'static str,
        params: Vec<Param<'c>>,
        check: Check<'c>,
    ) -> usize {
        self.steps.push(Step { sql, params });
        self.checks.push(check);
        self.steps.len() - 1
    }

    /// Whether the answers are what they have to be.
    ///
    /// # Errors
    /// That of the first that is not.
    pub(super) fn check(&self, answers: &[Answer]) -> Result<()> {
        for (check, answer) in self.checks.iter().zip(answers) {
            match check {
                Check::Any => {}
                Check::Rows(rows, _) if answer.affected == *rows => {}
                Check::Rows(_, what) => return Err(StoreError::Conflict(what)),
                Check::By(check) => check(answer)?,
            }
        }
        Ok(())
    }
}
