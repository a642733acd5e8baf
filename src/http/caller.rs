//! Who makes a request: known to handlers once a token or a session was checked.

use crate::domain::people::Scope;

/// Who makes a request, and what he may do. Middleware puts it into the request's extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who, for notes and the audit log: a person's address, `token <name>`, `admin token`.
    pub name: String,
    /// What he may do.
    pub scopes: Vec<Scope>,
    /// The session he came with, for forms; `None` with a token.
    pub session: Option<CallerSession>,
}

/// The session of a person at the console.
#[derive(Clone, Debug)]
pub struct CallerSession {
    /// The person's id.
    pub person: String,
    /// The name that is shown.
    pub shown: String,
    /// The role that is shown.
    pub role: &'static str,
    /// What each form has to bring along.
    pub csrf: String,
}

impl Caller {
    /// Whether he may do that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}
