//! Who makes a request: known to handlers once a token or a session was checked.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::problem::{ApiProblem, Code};
use crate::domain::limits;
use crate::domain::people::{ApiToken, Person, Scope};
use crate::engine::By;

/// What the admin token is called.
const ADMIN_TOKEN: &str = "admin token";

/// Who makes a request, and what he may do. Middleware puts it into the request's extensions; handlers extract it.
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
    /// What the session is called in a list of his sessions.
    pub name: String,
    /// The name that is shown.
    pub shown: String,
    /// The role that is shown.
    pub role: &'static str,
    /// What each form has to bring along.
    pub csrf: String,
}

impl Caller {
    /// Whoever has the admin token.
    pub fn admin_token() -> Self {
        Self { name: ADMIN_TOKEN.to_owned(), scopes: Scope::ALL.to_vec(), session: None }
    }

    /// Whoever has a token of the API.
    pub fn token(token: &ApiToken) -> Self {
        Self { name: format!("token {}", token.name), scopes: token.scopes.clone(), session: None }
    }

    /// A person with the session of that name; `csrf` is what his forms bring along.
    pub fn person(person: &Person, session: &str, csrf: String) -> Self {
        let session = CallerSession {
            person: person.id.to_string(),
            name: session.to_owned(),
            shown: person.name.clone(),
            role: person.role.as_str(),
            csrf,
        };
        Self { name: person.email.clone(), scopes: person.role.scopes().to_vec(), session: Some(session) }
    }

    /// Whether he may do that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// By what he comes, for notes and the audit log: a session is the console's, whatever it calls.
    pub fn via(&self) -> &'static str {
        if self.session.is_some() { "console" } else { "api" }
    }

    /// In whose name the engine is asked.
    pub fn by(&self) -> By {
        By::new(self.name.clone(), self.via())
    }

    /// Who is noted where somebody is named in a request: whoever has the admin token is who he says he is, `otherwise` where he
    /// does not say; a person and a named token are who they are, whatever they say beside it.
    pub fn noted(&self, said: Option<&str>, otherwise: &str) -> String {
        let said = said.filter(|said| !said.is_empty());
        let noted = match said {
            _ if self.name == ADMIN_TOKEN => said.unwrap_or(otherwise).to_owned(),
            Some(said) => format!("{} ({said})", self.name),
            None => self.name.clone(),
        };
        noted.chars().take(limits::MAX_BY).collect()
    }
}

impl FromRequest for Caller {
    type Error = ApiProblem;
    type Future = Ready<Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(
            caller.ok_or_else(|| ApiProblem::new(Code::Unauthorized, "nobody is known to make this request")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_admin_token_says_who_it_is() {
        let admin = Caller::admin_token();
        assert_eq!(admin.noted(Some("ann"), "api"), "ann");
        assert_eq!(admin.noted(Some(""), "api"), "api");
        let ann = Caller { name: "ann@example.com".to_owned(), ..Caller::admin_token() };
        assert_eq!(ann.noted(Some("bob"), "api"), "ann@example.com (bob)");
        assert_eq!(ann.noted(None, "api"), "ann@example.com");
    }
}
