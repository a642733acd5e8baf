//! Several files whose definitions are applied together.

use std::collections::HashMap;

use super::{File, FileProblem};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::definition::plan::plan;
use crate::domain::definition::{Definition, Definitions, Kind, Problem};
use crate::domain::ids::IdSource;
use crate::domain::time::Timestamp;

/// Files whose definitions are one document.
#[derive(Debug)]
pub struct Bundle {
    files: Vec<File>,
}

impl Bundle {
    /// The files, in their order.
    pub fn new(files: Vec<File>) -> Self {
        Self { files }
    }

    /// What is wrong with each file alone, and what is defined in two of them.
    pub fn problems(&self) -> Vec<FileProblem> {
        let alone = self.files.iter().flat_map(|file| file.problems.iter().cloned());
        alone.chain(self.defined_twice()).collect()
    }

    /// What does not fit together when there is nothing else: references to what is not defined, shared write keys; and
    /// addresses that `policy` refuses.
    pub fn loose_ends(&self, policy: &AddressPolicy) -> Vec<FileProblem> {
        let definitions: Vec<Definition> = self.definitions().cloned().collect();
        // Nothing of the plan is kept, so that neither its ids nor its times matter.
        let mut ids = IdSource::new([0; 32]);
        let plan = plan(&Definitions::default(), definitions, false, Timestamp::default(), &mut ids, policy);
        plan.err().unwrap_or_default().into_iter().map(|problem| self.locate(problem)).collect()
    }

    /// What `check` says against each definition, where that stands.
    pub fn check_each(&self, check: impl Fn(&Definition) -> Result<(), String>) -> Vec<FileProblem> {
        let mut counts: HashMap<Kind, usize> = HashMap::new();
        let mut problems = Vec::new();
        for definition in self.definitions() {
            let index = counts.entry(definition.kind()).or_default();
            let field = format!("{}[{index}]", definition.kind().as_str());
            *index += 1;
            problems.extend(check(definition).err().map(|message| self.locate(Problem { field, message })));
        }
        problems
    }

    /// The definitions of all files, in their order.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.files.iter().flat_map(|file| &file.definitions)
    }

    /// The files.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Where a problem with [`Bundle::definitions`] stands, whose field counts through all files.
    fn locate(&self, problem: Problem) -> FileProblem {
        let Some((kind, index, rest)) = split(&problem.field) else {
            return FileProblem { key: problem.field, ..FileProblem::whole("", problem.message) };
        };
        let mut index = index;
        for file in &self.files {
            let here = file.definitions.iter().filter(|definition| definition.kind() == kind).count();
            if index < here {
                let field = format!("{}{rest}", file.place(kind, index));
                return file.locate(Problem { field, message: problem.message });
            }
            index -= here;
        }
        FileProblem { key: problem.field, ..FileProblem::whole("", problem.message) }
    }

    fn defined_twice(&self) -> Vec<FileProblem> {
        let mut first: HashMap<(Kind, &str), &str> = HashMap::new();
        let mut problems = Vec::new();
        for file in &self.files {
            let mut counts: HashMap<Kind, usize> = HashMap::new();
            for definition in &file.definitions {
                let (kind, key) = (definition.kind(), definition.key());
                let index = counts.entry(kind).or_default();
                let field = file.place(kind, *index);
                *index += 1;
                match first.get(&(kind, key)) {
                    Some(other) => {
                        let message = format!("{} `{key}` is defined in {other} too", kind.as_str());
                        problems.push(file.locate(Problem { field, message }));
                    }
                    None => {
                        first.insert((kind, key), &file.name);
                    }
                }
            }
        }
        problems
    }
}

/// `audience[3].destinations[0]` as its kind, its index and the rest.
fn split(field: &str) -> Option<(Kind, usize, &str)> {
    let (table, rest) = field.split_once('[')?;
    let (index, rest) = rest.split_once(']')?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == table)?;
    Some((kind, index.parse().ok()?, rest))
}
