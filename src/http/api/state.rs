//! What the handlers of the API and of operations share.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::guard::Guard;
use crate::delivery::sender::RealSender;
use crate::domain::limits;
use crate::domain::link::Links;
use crate::engine::{Engine, EngineError};
use crate::http::profiles::Bucket;
use crate::http::proxies::Proxies;
use crate::http::sign_in::{SetUpLink, SignIns};
use crate::metrics;

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
    /// Opens the links of mails; without it there are none.
    pub(in crate::http) links: Option<Links>,
    /// Sends samples; `None` where nothing is sent.
    pub(super) tester: Option<Arc<RealSender>>,
    pub(in crate::http) guard: Guard,
    /// Whose word is taken on where requests come from.
    pub(in crate::http) proxies: Proxies,
    /// Who tried to sign in to the console.
    pub(in crate::http) sign_ins: SignIns,
    /// The link of the set-up that was printed; `None`: none was.
    pub(in crate::http) set_up: Option<SetUpLink>,
    /// One permit per listener to the debugger's feed.
    pub(super) listeners: Arc<Semaphore>,
    /// One permit per preview under way.
    pub(super) previews: Semaphore,
    /// One permit per search through profiles or events.
    searches: Semaphore,
    /// What bounds the calls of the Profile API.
    pub(in crate::http) profile_calls: Bucket,
    stopping: watch::Sender<bool>,
}

impl ApiState {
    /// A state without a tester.
    pub fn new(engine: Engine, metrics: metrics::Handle, public_url: impl Into<String>) -> Self {
        Self {
            engine,
            metrics,
            public_url: public_url.into(),
            started: Instant::now(),
            links: None,
            tester: None,
            guard: Guard::default(),
            proxies: Proxies::default(),
            sign_ins: SignIns::default(),
            set_up: None,
            listeners: Arc::new(Semaphore::new(limits::MAX_LISTENERS)),
            previews: Semaphore::new(limits::MAX_PREVIEWS),
            searches: Semaphore::new(limits::MAX_SEARCHES),
            profile_calls: Bucket::new(limits::PROFILE_CALLS_PER_SECOND),
            stopping: watch::Sender::new(false),
        }
    }

    /// The same, with who sends samples.
    pub fn with_tester(self, tester: Arc<RealSender>) -> Self {
        Self { tester: Some(tester), ..self }
    }

    /// Who sends samples, and knows what calls say.
    pub(in crate::http) fn tester(&self) -> Option<&RealSender> {
        self.tester.as_deref()
    }

    /// The same, with what opens the links of mails.
    pub fn with_links(self, links: impl Into<Option<Links>>) -> Self {
        Self { links: links.into(), ..self }
    }

    /// The same, with the link of the set-up that was printed.
    pub fn with_set_up(self, link: SetUpLink) -> Self {
        Self { set_up: Some(link), ..self }
    }

    /// The same, behind these proxies.
    pub fn with_proxies(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// Ends the streams that would otherwise go on for ever. Call it when the server is to stop.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits for the turn of a search through profiles or events; it is over when the permit is dropped.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when the turn does not come within `limits::SEARCH_WAIT`.
    pub(in crate::http) async fn search_turn(&self) -> Result<SemaphorePermit<'_>, EngineError> {
        match tokio::time::timeout(limits::SEARCH_WAIT.to_std(), self.searches.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(EngineError::Busy),
        }
    }

    /// The same, however long it takes: for the later pages of a file, which can't be refused any more.
    pub(super) async fn next_search_turn(&self) -> Result<SemaphorePermit<'_>, EngineError> {
        self.searches.acquire().await.map_err(|_| EngineError::Busy)
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
