//! The top floor: what comes in and what is shown over HTTP.

mod act;
pub mod api;
pub mod caller;
mod console;
pub mod exposition;
pub mod ingest;
pub mod operations;
pub mod problem;
mod profile_view;
pub mod profiles;
pub mod proxies;
pub mod reply;
pub mod sign_in;
mod twilio;

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use tokio::task::JoinHandle;

use self::api::ApiState;
use self::ingest::IngestConfig;
use crate::engine::Engine;

/// How long a connection may be idle before it is closed: longer than the pauses of SDKs, which keep theirs open.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send a request's head.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of one worker; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 10_000;

/// The running server.
pub struct Server {
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
    state: web::Data<ApiState>,
}

impl Server {
    /// Serves on `listener`: with TLS where certificates are given. `grace` is how long requests under way may take once it
    /// is to stop.
    ///
    /// # Errors
    /// When the listener can't be used.
    pub fn start(
        listener: TcpListener,
        tls: Option<rustls::ServerConfig>,
        engine: Engine,
        ingest: IngestConfig,
        state: ApiState,
        grace: Duration,
    ) -> io::Result<Self> {
        let state = web::Data::new(state);
        let (engine, ingest) = (web::Data::new(engine), web::Data::new(ingest));
        let shared = state.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(engine.clone())
                .app_data(ingest.clone())
                .app_data(shared.clone())
                // The Profile API's paths lie below one of ingest.
                .configure(profiles::configure)
                .configure(ingest::configure)
                .configure(twilio::configure)
                .configure(operations::configure)
                .configure(act::configure)
                .configure(console::configure)
                .configure(api::configure)
                .default_service(web::to(reply::not_found))
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(REQUEST_TIMEOUT)
        .max_connections(MAX_CONNECTIONS)
        .shutdown_timeout(grace.as_secs().max(1))
        .disable_signals();
        let server = match tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls)?,
            None => server.listen(listener)?,
        };
        let running = server.run();
        Ok(Self { handle: running.handle(), task: tokio::spawn(running), state })
    }

    /// Takes nothing new, lets requests under way finish, then ends.
    pub async fn stop(self) {
        self.state.stop();
        self.handle.stop(true).await;
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the HTTP server did not end cleanly"),
            Err(error) => tracing::warn!(%error, "the HTTP server did not end cleanly"),
        }
    }
}
