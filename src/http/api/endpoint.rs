//! One path of the API with its methods: what is registered, and what the OpenAPI document is checked against.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder, Route, guard, web};

use super::auth::require_scope;
use crate::domain::people::Scope;
use crate::http::problem::ApiProblem;

/// One path with its methods.
pub struct Endpoint {
    path: &'static str,
    /// Each with what its caller has to be allowed; `None`: anybody may call it.
    routes: Vec<(Method, Option<Scope>, Route)>,
    /// Whether other methods are for a later path that fits too.
    yields: bool,
}

/// A path of fixed words that leaves other methods to one with a placeholder.
#[derive(Clone)]
pub struct Yielded {
    path: &'static str,
    methods: String,
}

impl Endpoint {
    /// A path without methods yet.
    pub fn at(path: &'static str) -> Self {
        Self { path, routes: Vec::new(), yields: false }
    }

    /// Leaves methods that it does not take to a path registered later, with a placeholder where this one has a word.
    pub fn yielding(self) -> Self {
        Self { yields: true, ..self }
    }

    /// The whole path, as in the OpenAPI document.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Its methods.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.routes.iter().map(|(method, _, _)| method)
    }

    /// Its methods with what each caller has to be allowed; `None`: anybody may call it.
    pub fn scopes(&self) -> impl Iterator<Item = (&Method, Option<Scope>)> {
        self.routes.iter().map(|(method, scope, _)| (method, *scope))
    }

    fn on<F, Args>(mut self, method: Method, scope: Option<Scope>, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::method(method.clone()).to(handler);
        let route = match scope {
            Some(scope) => route.wrap(from_fn(move |request, next| require_scope(scope, request, next))),
            None => route,
        };
        self.routes.push((method, scope, route));
        self
    }

    /// Takes GET from anybody who gets here: behind the middleware, from whoever is known.
    pub fn get_open<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, None, handler)
    }

    /// Takes GET, from whoever may read.
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.get_as(Scope::Read, handler)
    }

    /// Takes GET, from whoever may do that.
    pub fn get_as<F, Args>(self, scope: Scope, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, Some(scope), handler)
    }

    /// Takes POST, from whoever may do that.
    pub fn post<F, Args>(self, scope: Scope, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, Some(scope), handler)
    }

    /// Takes PUT, from whoever may do that.
    pub fn put<F, Args>(self, scope: Scope, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PUT, Some(scope), handler)
    }

    /// Takes DELETE, from whoever may do that.
    pub fn delete<F, Args>(self, scope: Scope, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::DELETE, Some(scope), handler)
    }

    /// Its path with its methods, where it yields others.
    pub fn yielded(&self) -> Option<Yielded> {
        self.yields.then(|| Yielded { path: self.path, methods: self.allow() })
    }

    fn allow(&self) -> String {
        self.methods().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    /// As a service inside a scope whose prefix is `prefix`; other methods are answered with 405 and `Allow`, which names those
    /// of `yielded` at the same path too.
    pub fn service(self, prefix: &str, yielded: &[Yielded]) -> impl HttpServiceFactory + 'static {
        let allow = self.allow();
        let yielded = yielded.to_vec();
        let mut resource = Resource::new(self.path.strip_prefix(prefix).unwrap_or(self.path));
        if self.yields {
            let methods: Vec<Method> = self.methods().cloned().collect();
            resource =
                resource.guard(guard::fn_guard(move |request| methods.contains(&request.head().method)));
        }
        for (_, _, route) in self.routes {
            resource = resource.route(route);
        }
        resource.default_service(web::to(move |request: HttpRequest| {
            let beside = yielded.iter().find(|it| it.path == request.path());
            let allow = beside.map_or_else(|| allow.clone(), |it| format!("{}, {allow}", it.methods));
            let problem = ApiProblem::method_not_allowed(request.method().as_str(), allow);
            async move { Err::<&'static str, _>(problem) }
        }))
    }
}
