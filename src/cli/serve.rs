//! `stagepost serve`: wires the floors together and runs until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use url::Url;

use super::{secret_key, templates, tls};

use crate::clock::{self, Clock};
use crate::config::{Config, OWN_STORE, Secret, StoreChoice};
use crate::delivery::dispatcher::{Dispatcher, EngineOutbox};
use crate::delivery::email::{MailSettings, Mailer, SmtpSettings};
use crate::delivery::http_client::HttpClient;
use crate::delivery::sender::{RealSender, Sender};
use crate::delivery::templates::Templates;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::definition::{Definition, SourceKind};
use crate::domain::ids::IdSource;
use crate::domain::link::Links;
use crate::engine::{ApplyOptions, Engine, EngineError, Settings, Surroundings, Ticker, Writer};
use crate::http::api::{ApiState, token_hash};
use crate::http::ingest::IngestConfig;
use crate::http::proxies::Proxies;
use crate::http::sign_in::SetUpLink;
use crate::store::memory::MemoryStore;
use crate::store::postgres::PostgresStore;
use crate::store::seal::Sealer;
use crate::store::sled::SledStore;
use crate::store::{Store, StoreError};
use crate::{http, metrics, reconcile, starter};

/// Runs the server. `definitions` is `None` when no file was given that could hold any: an empty store then begins with
/// [`starter::starter`].
///
/// # Errors
/// Why it could not start, or ended early.
pub fn run(config: Config, definitions: Option<Vec<Definition>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("can't start threads: {error}"))?;
    runtime.block_on(serve(config, definitions))
}

/// How long a start waits for the database.
const DATABASE_WAIT: Duration = Duration::from_secs(60);
/// How often it says so meanwhile.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// The writer on its thread.
struct WriterThread {
    ended: oneshot::Receiver<Result<(), StoreError>>,
}

/// The same, on a runtime that is there.
///
/// # Errors
/// As [`run`].
pub(super) async fn serve(config: Config, definitions: Option<Vec<Definition>>) -> Result<(), String> {
    let listener = TcpListener::bind(config.listen).map_err(|error| {
        format!("can't listen on {}: {error}; give another address with --listen", config.listen)
    })?;
    let bound = listener.local_addr().map_err(|error| format!("can't listen: {error}"))?;
    let base_url = config.base_url(bound);
    let metrics = metrics::install().map_err(|error| format!("can't set up metrics: {error}"))?;
    tokio::spawn(metrics.clone().upkeep());

    refuse_misplaced(&config)?;
    let store = open_store(&config, DATABASE_WAIT).await?;
    refuse_half_copied(&*store).await?;
    let clock = Clock::system();
    let surroundings =
        Surroundings { public_url: Some(base_url.clone()), operators: config.ops_email.clone() };
    let address_policy = AddressPolicy::parse(&config.allow_private_destinations)?;
    let settings = || Settings {
        clock: clock.clone(),
        seed: clock::entropy(),
        surroundings: surroundings.clone(),
        address_policy: address_policy.clone(),
        writers: config.writers_on(thread::available_parallelism().map_or(1, NonZero::get)),
    };
    let (engine, writer) =
        until_there(DATABASE_WAIT, async || Writer::open(Arc::clone(&store), settings()).await).await?;
    let (nudge, ticks) = Ticker::channel();
    let mut writer = start_writer(writer, ticks)?;
    let beside = [
        tokio::spawn({
            let engine = engine.clone();
            async move { engine.keep_leases().await }
        }),
        tokio::spawn({
            let engine = engine.clone();
            async move { engine.follow_log().await }
        }),
    ];

    let templates = Arc::new(Templates::new(config.templates_dir.clone()));
    let is_first_start = apply_definitions(&engine, &templates, definitions).await?;
    // Time begins to act only now: by the definitions of this start, not by those of the last one.
    let ticker = Ticker::start(nudge).await.map_err(|error| format!("can't start the scheduler: {error}"))?;
    let tls = config.tls.as_ref().map(tls::load).transpose()?;
    let links = links(&config, bound, &base_url)?;
    let sender = Arc::new(sender(&config, address_policy.clone(), &engine, templates, &links, &clock)?);
    let outbox = Arc::new(EngineOutbox::new(engine.clone(), Arc::clone(&store)));
    let dispatcher = Dispatcher::new(outbox, Arc::clone(&sender) as Arc<dyn Sender>, clock.clone());
    settle_admin_token(&engine, config.admin_token.as_ref()).await?;
    dispatcher.start();
    let looking_back = tokio::spawn(reconcile::run(engine.clone(), HttpClient::new(address_policy)?));
    if let Some(node) = engine.leases().node() {
        tracing::info!(node, "this is what the node is called in leases");
    }

    let state =
        ApiState::new(engine.clone(), metrics, base_url.clone()).with_tester(sender).with_links(links);
    let state = state.with_proxies(Proxies::new(config.trusted_proxies.clone()));
    let set_up = set_up_token(&engine).await?;
    let state = match &set_up {
        Some(token) => state.with_set_up(SetUpLink::new(token)),
        None => state,
    };
    let ingest =
        IngestConfig { public_url: config.public_url.as_deref().and_then(|url| Url::parse(url).ok()) };
    let grace = Duration::from_secs(config.shutdown_secs);
    let server = http::Server::start(listener, tls, engine.clone(), ingest, state, grace / 2)
        .map_err(|error| format!("can't serve on {bound}: {error}"))?;
    greet(&config, &engine, &base_url, is_first_start);
    if let Some(token) = set_up {
        println!(
            "\nThere is no admin yet. Make the first one here (until that is done, or the server starts again):\n  {base_url}/setup/{token}\n"
        );
    }

    let failure = tokio::select! {
        signal = stop_signal() => { tracing::info!(signal, "stopping"); None }
        ended = &mut writer.ended => Some(match ended {
            Ok(Err(error)) => format!("the store failed: {error}"),
            Ok(Ok(())) | Err(_) => "the writer ended".to_owned(),
        }),
    };
    stop(grace, server, dispatcher, &engine, ticker, writer, failure.is_none()).await;
    beside.iter().chain([&looking_back]).for_each(JoinHandle::abort);
    engine.give_up_leases().await;
    tracing::info!("stopped");
    failure.map_or(Ok(()), Err)
}

/// Refuses to make a new store where there is one next door: in the data directory itself, or in `store` under the one that is set.
fn refuse_misplaced(config: &Config) -> Result<(), String> {
    let StoreChoice::Sled(path) = &config.store else { return Ok(()) };
    let is_there = |path: &Path| SledStore::is_there(path).map_err(|error| error.to_string());
    if is_there(path)? {
        return Ok(());
    }
    let is_own = *path == config.data_dir.join(OWN_STORE);
    let next_door = if is_own { config.data_dir.clone() } else { path.join(OWN_STORE) };
    if !is_there(&next_door)? {
        return Ok(());
    }
    Err(format!(
        "there is no store in {path}, but one in {next_door}: to serve that one, set STAGEPOST_STORE=sled:{next_door}, or move its \
         files to {path}; nothing was changed",
        path = path.display(),
        next_door = next_door.display()
    ))
}

/// Opens the store that the settings name; waits as long as that for a database.
///
/// # Errors
/// Why it could not.
pub(super) async fn open_store(config: &Config, patience: Duration) -> Result<Arc<dyn Store>, String> {
    let begun = Instant::now();
    let store: Arc<dyn Store> = match &config.store {
        StoreChoice::Memory => {
            tracing::warn!("the store is in memory: everything is gone when the process ends");
            Arc::new(MemoryStore::new())
        }
        StoreChoice::Sled(path) => {
            let cache_bytes = config.cache_mb * 1024 * 1024;
            let sealer = secret_key::sealer(config, path)?;
            Arc::new(SledStore::open(path, cache_bytes, sealer).map_err(|error| error.to_string())?)
        }
        StoreChoice::Postgres(url) => {
            let sealer = secret_key::shared_sealer(config)?;
            Arc::new(open_postgres(url, sealer, patience).await?)
        }
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(store = store.describe(), took_ms, "store opened");
    Ok(store)
}

/// A store that is still being filled from another one is none to be served.
pub(super) async fn refuse_half_copied(store: &dyn Store) -> Result<(), String> {
    match store.copy_mark().await.map_err(|error| error.to_string())? {
        None => Ok(()),
        Some(mark) if mark.differs => Err(format!(
            "{to} holds a copy of {from} that is not the same as what it was copied from: empty it, and copy anew; nothing was changed",
            to = store.describe(),
            from = mark.source
        )),
        Some(mark) => Err(format!(
            "{to} holds only a part of a copy of {from}, or one that was not compared with it: run `stagepost copy --from … --to …` \
             again, which goes on where it was; nothing was changed",
            to = store.describe(),
            from = mark.source
        )),
    }
}

async fn open_postgres(url: &Secret, sealer: Sealer, patience: Duration) -> Result<PostgresStore, String> {
    let open = async || PostgresStore::open(url.expose(), sealer.clone(), Handle::current()).await;
    until_there(patience, open).await
}

/// Waits for a database that is not there yet: it may be starting, too.
async fn until_there<T>(
    patience: Duration,
    mut open: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, String> {
    let begun = Instant::now();
    let mut said: Option<Instant> = None;
    loop {
        match open().await {
            Err(error) if error.is_passing() && !lacks_tls(&error) && begun.elapsed() < patience => {
                if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                    said = Some(Instant::now());
                    tracing::warn!(%error, "waiting for the database");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) if lacks_tls(&error) => {
                return Err(format!(
                    "{error}; switch TLS on there, or take sslmode and sslrootcert out of its URL"
                ));
            }
            opened => return opened.map_err(|error| error.to_string()),
        }
    }
}

/// Whether the database was reached and speaks no TLS, though its URL asks for it: that does not pass. (The client has no error of
/// its own for that, only this text.)
fn lacks_tls(error: &StoreError) -> bool {
    matches!(error, StoreError::Away { detail, .. } if detail.contains("server does not support TLS"))
}

/// The writer has a thread of its own: it reads and syncs the disk, and nobody else waits for that.
fn start_writer(writer: Writer, ticks: mpsc::Receiver<()>) -> Result<WriterThread, String> {
    let (done, ended) = oneshot::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = match runtime {
            Ok(runtime) => runtime.block_on(writer.run(ticks)),
            Err(error) => Err(StoreError::Stopped(format!("no runtime for the writer: {error}"))),
        };
        // Nobody listening means that the process is ending anyway.
        let _ = done.send(result);
    };
    thread::Builder::new()
        .name("writer".to_owned())
        .spawn(run)
        .map_err(|error| format!("can't start the writer's thread: {error}"))?;
    Ok(WriterThread { ended })
}

/// Applies what was given, or on an empty store the starter definitions; says whether it was the latter.
async fn apply_definitions(
    engine: &Engine,
    templates: &Templates,
    definitions: Option<Vec<Definition>>,
) -> Result<bool, String> {
    let known = engine.definitions();
    let is_empty = known.sources.is_empty()
        && known.flows.is_empty()
        && known.destinations.is_empty()
        && known.audiences.is_empty();
    let is_first_start = definitions.is_none() && is_empty;
    let wanted = match definitions {
        Some(definitions) => definitions,
        None if is_empty => starter::starter().map_err(|problems| in_lines(&problems))?,
        None => Vec::new(),
    };
    for definition in &wanted {
        templates::check(definition, templates)?;
    }
    match engine.apply(wanted, ApplyOptions::default()).await {
        Ok(_) => Ok(is_first_start),
        Err(EngineError::Invalid(problems)) => Err(in_lines(&problems)),
        Err(error) => Err(error.to_string()),
    }
}

fn in_lines<T: std::fmt::Display>(problems: &[T]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("the definitions do not fit together:{}", lines.concat())
}

/// Sets the token that was configured, or makes one when there is none: it is shown at once, for only its hash is kept.
async fn settle_admin_token(engine: &Engine, configured: Option<&Secret>) -> Result<(), String> {
    let known = engine.admin_token_hash().await.map_err(|error| error.to_string())?;
    let (token, is_new) = match configured {
        Some(token) => (token.clone(), false),
        None if known.is_some() => return Ok(()),
        None => (Secret::new(IdSource::new(clock::entropy()).secret("sp_", 24)), true),
    };
    let hash = token_hash(token.expose());
    if known.as_deref() != Some(hash.as_str()) {
        if known.is_some() {
            tracing::warn!(
                "the admin token that is set here takes the place of the one before, on every server over this store"
            );
        }
        engine.set_admin_token_hash(hash).await.map_err(|error| error.to_string())?;
    }
    if is_new {
        println!("Admin token (shown this once, only its hash is kept):\n  {}\n", token.expose());
    }
    Ok(())
}

/// The token of the link for the set-up, while there is no admin. Only this process knows it, so each start makes another.
async fn set_up_token(engine: &Engine) -> Result<Option<String>, String> {
    let is_set_up = engine.is_set_up().await.map_err(|error| error.to_string())?;
    Ok((!is_set_up).then(|| IdSource::new(clock::entropy()).secret("", 24)))
}

/// What makes the links that act. Without a public URL nobody on another machine could follow them, so there are none unless the
/// server listens for this one alone, as it does out of the box: whoever reads its mails reads them here.
pub(super) fn links(config: &Config, bound: SocketAddr, base_url: &str) -> Result<Option<Links>, String> {
    if config.public_url.is_none() {
        let reach = if bound.ip().is_loopback() {
            "links in mails and messages work on this machine only"
        } else {
            "mails and messages have no links to act by"
        };
        tracing::warn!(
            "{reach}: set STAGEPOST_PUBLIC_URL to the address where readers, and Twilio, reach this server"
        );
        if !bound.ip().is_loopback() {
            return Ok(None);
        }
    }
    Ok(Some(Links { key: secret_key::link_key(config)?, base_url: base_url.to_owned() }))
}

/// What sends over the network, by these settings.
pub(super) fn sender(
    config: &Config,
    address_policy: AddressPolicy,
    engine: &Engine,
    templates: Arc<Templates>,
    links: &Option<Links>,
    clock: &Clock,
) -> Result<RealSender, String> {
    let smtp = config.smtp_url.as_ref().map(|url| SmtpSettings::parse(url.expose())).transpose()?;
    let folder = config.data_dir.join("mail");
    if smtp.is_none() {
        tracing::info!(folder = %folder.display(), "no mail server is set: mails are written as files");
    }
    let settings = MailSettings { smtp, from: config.mail_from.clone(), folder, links: links.clone() };
    let mailer = Mailer::new(settings, templates)?;
    let http = HttpClient::new(address_policy)?;
    Ok(RealSender::new(engine.watch_definitions(), http, Arc::new(mailer), clock.clone()))
}

/// Says where it listens and how to try it.
fn greet(config: &Config, engine: &Engine, base_url: &str, is_first_start: bool) {
    let definitions = engine.definitions();
    println!("stagepost {} listening on {base_url}", env!("CARGO_PKG_VERSION"));
    let studio = definitions.sources.values().find(|source| source.kind == SourceKind::Studio);
    if let Some(source) = studio {
        let url = format!("{base_url}/studio/{}", source.write_key);
        let flow = definitions.flows.keys().next().map_or("appointment_confirmation", String::as_str);
        println!("\nStudio posts to:\n  {url}");
        println!(
            "\nTry it:\n  curl -d userID=u1 -d phoneNumber=+15551234567 -d flow={flow} -d stage=no_reply {url}"
        );
    }
    if let Some(source) = definitions.sources.values().find(|source| source.kind == SourceKind::Http) {
        println!(
            "\nSDKs, servers and websites post to {base_url} with the write key:\n  {}",
            source.write_key
        );
    }
    if studio.is_none() {
        println!("\nNo source of kind `studio` is defined: Studio's posts are refused until there is one.");
    }
    if is_first_start {
        println!("\nThese are starter definitions; see `stagepost apply --help` for your own.");
    }
    if config.smtp_url.is_none() {
        println!("\nMails are written to {}", config.data_dir.join("mail").display());
    }
}

pub(super) async fn stop_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::error!(%error, "can't listen to a signal");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => "SIGTERM",
        () = wait(SignalKind::interrupt()) => "SIGINT",
    }
}

/// Stops in the order of the data: nothing new comes in, what was claimed is sent, what was handed in is written.
async fn stop(
    grace: Duration,
    server: http::Server,
    dispatcher: Dispatcher,
    engine: &Engine,
    ticker: Ticker,
    writer: WriterThread,
    writer_runs: bool,
) {
    server.stop().await;
    let unfinished = dispatcher.shutdown(grace / 3).await;
    if unfinished > 0 {
        tracing::info!(unfinished, "attempts under way are made again at the next start");
    }
    if writer_runs {
        let ended = async {
            engine.stop().await;
            // It answered the stop; all that is left is to leave its loop.
            let _ = writer.ended.await;
        };
        if tokio::time::timeout(grace / 6, ended).await.is_err() {
            tracing::warn!("the writer did not stop in time");
        }
    }
    ticker.stop().await;
}
