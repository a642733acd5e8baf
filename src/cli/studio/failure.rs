//! Why nothing was done.

use std::fmt;

use crate::cli::{FAILED, NOT_TRIED, count};
use crate::domain::definition::Problem;
use crate::file::FileProblem;

/// Why nothing was done.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something is wrong with a flow or the stages for it.
    Problems(Vec<FileProblem>),
    /// What was asked for can't be, or Twilio did not take it.
    Refused(String),
    /// Twilio was not reached, or gave no permission.
    NotTried(String),
}

impl Failure {
    /// Problems with what stands in the file of that name.
    pub fn problems(name: &str, problems: Vec<Problem>) -> Self {
        let located = problems
            .into_iter()
            .map(|problem| FileProblem { key: problem.field, ..FileProblem::whole(name, problem.message) });
        Self::Problems(located.collect())
    }

    /// What the process ends with.
    pub fn code(&self) -> u8 {
        match self {
            Self::Problems(_) | Self::Refused(_) => FAILED,
            Self::NotTried(_) => NOT_TRIED,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problems(problems) => {
                for problem in problems {
                    writeln!(f, "{problem}")?;
                }
                f.write_str(&count(problems.len(), "problem"))
            }
            Self::Refused(message) | Self::NotTried(message) => f.write_str(message),
        }
    }
}
