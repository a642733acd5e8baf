//! What the handlers of the API and of operations share.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, watch};

use super::guard::Guard;
use super::test_send::DestinationTester;
use crate::domain::limits;
use crate::engine::Engine;
use crate::metrics;

/// A further sign of life for `/readyz`.
pub type Check = Arc<dyn Fn() -> bool + Send + Sync>;

/// What the handlers share; make one per process and hand it to every worker as `web::Data`.
pub struct ApiState {
    /// The engine.
    pub engine: Engine,
    /// What was measured.
    pub metrics: metrics::Handle,
    /// Where the server is reached from outside, without a slash at its end.
    pub public_url: String,
    /// When the server started.
    pub started: Instant,
    /// Sends samples; `None` where nothing is sent.
    pub(super) tester: Option<Arc<dyn DestinationTester>>,
    /// Further checks of `/readyz`, by name.
    pub(in crate::http) checks: Vec<(&'static str, Check)>,
    pub(super) guard: Guard,
    /// One permit per listener to the debugger's feed.
    pub(super) listeners: Arc<Semaphore>,
    /// One permit per preview under way.
    pub(super) previews: Semaphore,
    stopping: watch::Sender<bool>,
}

impl ApiState {
    /// A state without a tester and further checks.
    pub fn new(engine: Engine, metrics: metrics::Handle, public_url: impl Into<String>) -> Self {
        Self {
            engine,
            metrics,
            public_url: public_url.into(),
            started: Instant::now(),
            tester: None,
            checks: Vec::new(),
            guard: Guard::default(),
            listeners: Arc::new(Semaphore::new(limits::MAX_LISTENERS)),
            previews: Semaphore::new(limits::MAX_PREVIEWS),
            stopping: watch::Sender::new(false),
        }
    }

    /// The same, with who sends samples.
    pub fn with_tester(self, tester: Arc<dyn DestinationTester>) -> Self {
        Self { tester: Some(tester), ..self }
    }

    /// The same, with one more check of `/readyz`.
    pub fn with_check(mut self, name: &'static str, check: Check) -> Self {
        self.checks.push((name, check));
        self
    }

    /// Ends the streams that would otherwise go on for ever. Call it when the server is to stop.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Tells when the server is to stop.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}
