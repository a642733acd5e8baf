//! The whole server in this process: real HTTP in and out, and a clock that stands until a test moves it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::mpsc;
use url::Url;

use stagepost::clock::{self, Clock};
use stagepost::delivery::dispatcher::{Dispatcher, EngineOutbox};
use stagepost::delivery::email::{MailSettings, Mailer};
use stagepost::delivery::http_client::HttpClient;
use stagepost::delivery::sender::{RealSender, Sender};
use stagepost::delivery::templates::Templates;
use stagepost::domain::address_policy::AddressPolicy;
use stagepost::domain::definition::Status;
use stagepost::domain::delivery::{DeliveryFilter, DeliveryStatus, EMAIL};
use stagepost::domain::link::{LinkKey, Links};
use stagepost::domain::page::PageRequest;
use stagepost::domain::time::{Span, Timestamp};
use stagepost::engine::{Engine, Settings, Surroundings, Writer};
use stagepost::http::Server;
use stagepost::http::api::{ApiState, token_hash};
use stagepost::http::ingest::IngestConfig;
use stagepost::http::proxies::Proxies;
use stagepost::http::sign_in::SetUpLink;
use stagepost::metrics;
use stagepost::store::Store;

use crate::BACKEND;
use crate::support::api::TOKEN;
use crate::support::stores::{Backend, Place};

/// Where every test's clock begins.
pub const START: &str = "2026-11-21T10:00:00.000Z";
/// Who runs every test's server.
pub const OPERATOR: &str = "operator@example.com";
/// The token of the link for the set-up, which every server has printed.
pub const SET_UP: &str = "test-set-up-token";
/// How long anything may take that does not wait for the clock.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How a server is set up.
pub struct Setup {
    backend: Backend,
    public_url: Option<Url>,
    allow: &'static str,
    proxies: &'static [&'static str],
}

impl Setup {
    /// Over the backend that these tests run over, loopback destinations allowed.
    pub fn new() -> Self {
        Self { backend: BACKEND, public_url: None, allow: "127.0.0.0/8", proxies: &[] }
    }

    /// Over sled, if these tests run in memory.
    pub fn on_disk(self) -> Self {
        let backend = if self.backend == Backend::Memory { Backend::Sled } else { self.backend };
        Self { backend, ..self }
    }

    pub fn at(self, public_url: &str) -> Self {
        Self { public_url: Some(public_url.parse().expect("a URL")), ..self }
    }

    /// Behind proxies in these networks.
    pub fn behind(self, proxies: &'static [&'static str]) -> Self {
        Self { proxies, ..self }
    }

    /// With the default policy on destinations' addresses.
    pub fn public_destinations_only(self) -> Self {
        Self { allow: "", ..self }
    }

    pub async fn start(self) -> TestApp {
        let folder = tempfile::tempdir().expect("a folder");
        let start = Timestamp::parse_lenient(START).expect("a time");
        let clock = Clock::manual(start);
        let mut app = TestApp {
            place: Place::new(self.backend, folder.path(), &clock),
            setup: self,
            folder,
            clock,
            running: None,
            pending_allowed: false,
            rejections_allowed: false,
            finished: false,
        };
        app.start(true).await;
        app
    }
}

/// The server and its surroundings. Every test ends with [`TestApp::finish`], which looks for what is left over.
pub struct TestApp {
    setup: Setup,
    place: Place,
    folder: TempDir,
    clock: Clock,
    running: Option<Running>,
    pending_allowed: bool,
    rejections_allowed: bool,
    finished: bool,
}

struct Running {
    engine: Engine,
    store: Arc<dyn Store>,
    dispatcher: Dispatcher,
    ticks: mpsc::Sender<()>,
    server: Server,
    writer: Option<JoinHandle<()>>,
    base: String,
    client: reqwest::Client,
    /// Tells the debugger's listeners, where the store is shared.
    feed: tokio::task::JoinHandle<()>,
    /// The writer, where it is not to run yet.
    idle: Option<(Writer, mpsc::Receiver<()>)>,
}

/// With loopback destinations: what most tests need.
pub async fn app() -> TestApp {
    Setup::new().start().await
}

fn measured() -> metrics::Handle {
    static METRICS: OnceLock<metrics::Handle> = OnceLock::new();
    METRICS.get_or_init(|| metrics::install().expect("metrics")).clone()
}

fn run(writer: Writer, ticks: mpsc::Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(writer.run(ticks)).expect("the writer");
    })
}

impl TestApp {
    async fn start(&mut self, writing: bool) {
        // The first test of the process installs the provider; the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = self.place.open().await;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("the port"));
        let public_url = self.setup.public_url.clone();
        let shown = public_url.as_ref().map_or(base.clone(), |url| url.as_str().trim_end_matches('/').into());
        let operators = vec![OPERATOR.to_owned()];
        let surroundings = Surroundings { public_url: Some(shown.clone()), operators };
        let policy = AddressPolicy::parse(self.setup.allow).expect("a policy");
        let settings = Settings {
            clock: self.clock.clone(),
            seed: clock::entropy(),
            surroundings,
            address_policy: policy.clone(),
            writers: 2,
        };
        let (engine, writer) = Writer::open(Arc::clone(&store), settings).await.expect("an engine");
        let (ticks, nudges) = mpsc::channel(1);
        let (writer, idle) =
            if writing { (Some(run(writer, nudges)), None) } else { (None, Some((writer, nudges))) };
        if writing {
            engine.set_admin_token_hash(token_hash(TOKEN)).await.expect("the token");
        }
        let templates = Arc::new(Templates::new(None));
        let links = Links { key: LinkKey::new("the key of the tests' links"), base_url: shown.clone() };
        let mails = MailSettings {
            smtp: None,
            from: "stagepost@example.com".to_owned(),
            folder: self.mail_folder(),
            links: Some(links.clone()),
        };
        let mailer = Arc::new(Mailer::new(mails, templates).expect("a mailer"));
        let http = HttpClient::new(policy).expect("an HTTP client");
        let sender = Arc::new(RealSender::new(engine.watch_definitions(), http, mailer, self.clock.clone()));
        let outbox = EngineOutbox::new(engine.clone(), Arc::clone(&store));
        let sending = Arc::clone(&sender) as Arc<dyn Sender>;
        let dispatcher = Dispatcher::new(Arc::new(outbox), sending, self.clock.clone());
        dispatcher.start();
        let state = ApiState::new(engine.clone(), measured(), shown).with_tester(sender).with_links(links);
        let proxies = self.setup.proxies.iter().map(|network| network.parse().expect("a network"));
        let state = state.with_set_up(SetUpLink::new(SET_UP)).with_proxies(Proxies::new(proxies.collect()));
        let ingest = IngestConfig { public_url };
        let server =
            Server::start(listener, None, engine.clone(), ingest, state, PATIENCE).expect("a server");
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("an HTTP client");
        let feed = tokio::spawn({
            let engine = engine.clone();
            async move { engine.follow_log().await }
        });
        let running = Running { engine, store, dispatcher, ticks, server, writer, base, client, feed, idle };
        self.running = Some(running);
        if writing {
            self.rest().await;
        }
    }

    async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        drop(running.client);
        running.feed.abort();
        running.server.stop().await;
        assert_eq!(running.dispatcher.shutdown(PATIENCE).await, 0, "attempts under way");
        if let Some(writer) = running.writer {
            running.engine.stop().await;
            running.engine.give_up_leases().await;
            tokio::task::spawn_blocking(move || writer.join().expect("the writer's thread"))
                .await
                .expect("the writer's thread");
        }
    }

    /// Stops as on SIGTERM and starts again over the same data, at the same time of the clock.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start(true).await;
    }

    /// The same, with the default policy on destinations' addresses from now on.
    pub async fn restart_with_public_destinations_only(&mut self) {
        self.setup.allow = "";
        self.restart().await;
    }

    /// The same, with loopback destinations allowed from now on.
    pub async fn restart_with_private_destinations(&mut self) {
        self.setup.allow = "127.0.0.0/8";
        self.restart().await;
    }

    /// The same, but the writer does not work before [`Self::let_writer_run`].
    pub async fn restart_without_writer(&mut self) {
        self.stop().await;
        self.start(false).await;
    }

    pub fn let_writer_run(&mut self) {
        let running = self.running.as_mut().expect("a running server");
        let (writer, ticks) = running.idle.take().expect("a writer that does not run");
        running.writer = Some(run(writer, ticks));
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("a running server")
    }

    pub fn base(&self) -> &str {
        &self.running().base
    }

    pub fn client(&self) -> &reqwest::Client {
        &self.running().client
    }

    pub fn engine(&self) -> &Engine {
        &self.running().engine
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.running().store
    }

    /// The clock that it goes by.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time so many milliseconds ago, as RFC 3339.
    pub fn ago(&self, ms: i64) -> String {
        self.now().minus(Span::from_millis(ms)).to_rfc3339()
    }

    /// The folder of everything that it keeps.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes what is stored elsewhere to a file there.
    pub fn dump_store(&self) {
        self.place.dump(self.folder());
    }

    pub fn mail_folder(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// Every mail so far, by the names of their files.
    pub fn mails(&self) -> Vec<(String, String)> {
        let Ok(entries) = std::fs::read_dir(self.mail_folder()) else { return Vec::new() };
        let mut mails: Vec<_> = entries
            .map(|entry| entry.expect("a file").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .map(|path| {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, std::fs::read_to_string(&path).expect("a mail"))
            })
            .collect();
        mails.sort();
        mails
    }

    /// Moves the clock without telling anybody.
    pub fn set_clock(&self, to: Timestamp) {
        self.clock.set(to);
    }

    /// Lets `ms` pass, ticks, and waits until everything that follows has happened.
    pub async fn advance(&self, ms: i64) {
        self.clock.set(self.now().plus(Span::from_millis(ms)));
        self.rest().await;
    }

    /// Moves the clock to `to` (RFC 3339), ticks, and waits until everything that follows has happened.
    pub async fn advance_to(&self, to: &str) {
        self.clock.set(Timestamp::parse_lenient(to).expect("a time"));
        self.rest().await;
    }

    /// Moves the clock, and lets what is due be sent before the timers are looked at.
    pub async fn advance_sender(&self, ms: i64) {
        self.clock.set(self.now().plus(Span::from_millis(ms)));
        let running = self.running();
        for key in self.lanes() {
            while running.dispatcher.step(&key).await.expect("a step of the dispatcher") > 0 {}
        }
    }

    /// Ticks, and waits until the engine is at rest and everything that is due was sent.
    pub async fn rest(&self) {
        let running = self.running();
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "it does not come to rest");
            running.engine.renew_leases().await;
            if running.ticks.capacity() > 0 {
                running.ticks.send(()).await.expect("the writer");
            }
            let rested = self.engine_rests().await;
            let mut attempts = 0;
            for key in self.lanes() {
                attempts += running.dispatcher.step(&key).await.expect("a step of the dispatcher");
            }
            // What the destinations' own loops began is over, too, with its outcome on the disk.
            let sends = attempts > 0 || running.dispatcher.under_way() > 0;
            if rested && !sends && self.engine_rests().await && self.nothing_is_due().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn lanes(&self) -> Vec<String> {
        let definitions = self.engine().definitions();
        let enabled = definitions.destinations.values().filter(|destination| destination.enabled);
        enabled.map(|destination| destination.key.clone()).chain([EMAIL.to_owned()]).collect()
    }

    async fn engine_rests(&self) -> bool {
        let Running { engine, store, ticks, .. } = self.running();
        let definitions = engine.definitions();
        let computing = definitions.computations().any(|it| it.status == Status::Computing);
        let revisiting = definitions.flows.values().any(|flow| flow.revisit.is_some());
        let health = engine.health();
        ticks.capacity() > 0
            && engine.queue().0 == 0
            && !computing
            && !revisiting
            && health.writer_alive
            && health.sweeper_alive
            && store.due_timers(self.now(), 1).await.expect("the timers").is_empty()
    }

    async fn nothing_is_due(&self) -> bool {
        for key in self.lanes() {
            if self.running().dispatcher.waits(&key) {
                continue;
            }
            let due = self.running().store.due_deliveries(&key, self.now(), &Default::default(), 1).await;
            if !due.expect("the queue").is_empty() {
                return false;
            }
        }
        true
    }

    /// Deliveries may be waiting at the end.
    pub fn allow_pending(&mut self) {
        self.pending_allowed = true;
    }

    /// Posts were meant to be refused.
    pub fn allow_rejections(&mut self) {
        self.rejections_allowed = true;
    }

    /// Makes sure that nothing is left over, then stops.
    pub async fn finish(mut self) {
        self.rest().await;
        let running = self.running();
        let ready = self.call("GET", "/readyz", None).await;
        assert_eq!(ready.status, 200, "{}", ready.text());
        if !self.pending_allowed {
            let filter =
                DeliveryFilter { status: Some(DeliveryStatus::Pending), ..DeliveryFilter::default() };
            let page = PageRequest { limit: 10, cursor: None };
            let left = running.store.deliveries(&filter, &page).await.expect("deliveries").rows;
            assert!(left.is_empty(), "still pending: {left:#?}");
        }
        if !self.rejections_allowed {
            let refused = running.engine.debugger().rejections(10);
            assert!(refused.is_empty(), "refused: {refused:#?}");
        }
        self.finished = true;
        self.stop().await;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "the test did not finish its server");
    }
}
