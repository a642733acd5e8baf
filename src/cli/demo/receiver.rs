//! The receiver that the demo's destinations call: on this machine only, forgetting what it is told.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};

/// The path below which every call is answered with 503.
const BROKEN: &str = "/newsletter";

/// A receiver that listens on a free port.
pub(super) struct Receiver {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Receiver {
    /// Begins to listen.
    pub fn start() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the demo's receiver can't listen: {error}");
        let server = HttpServer::new(|| {
            App::new().service(web::resource(BROKEN).to(broken)).default_service(web::to(taken))
        })
        .workers(1)
        .keep_alive(Duration::from_secs(60))
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .map_err(failed)?;
        let address = server.addrs().first().copied().ok_or("the demo's receiver has no address")?;
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { address, handle })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Listens no more.
    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn taken() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "taken": true }))
}

async fn broken() -> HttpResponse {
    HttpResponse::ServiceUnavailable().content_type("text/plain").body("the newsletter is being maintained")
}
