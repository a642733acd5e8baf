//! The ceiling: an actix-web handler that parses the same bodies and answers, and keeps nothing. It takes webhooks, too.

use actix_web::{App, HttpResponse, HttpServer, web};

async fn studio(body: web::Bytes) -> HttpResponse {
    let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let complete = ["userID", "phoneNumber", "flow", "stage"]
        .iter()
        .all(|name| fields.iter().any(|(field, value)| field == name && !value.is_empty()));
    if complete {
        HttpResponse::Ok()
            .content_type("application/json")
            .body(r#"{"success":true,"messageId":"","journeyId":""}"#)
    } else {
        HttpResponse::BadRequest().finish()
    }
}

async fn batch(body: web::Bytes) -> HttpResponse {
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(value) if value["batch"].is_array() => {
            HttpResponse::Ok().content_type("application/json").body(r#"{"success":true}"#)
        }
        _ => HttpResponse::BadRequest().finish(),
    }
}

async fn hook() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// What no repetition would change.
async fn refuse() -> HttpResponse {
    HttpResponse::BadRequest().body("no such customer")
}

/// Serves on `listen` until it is killed.
pub fn serve(listen: &str) {
    let server = HttpServer::new(|| {
        App::new()
            .route("/studio/{key}", web::post().to(studio))
            .route("/v1/batch", web::post().to(batch))
            .route("/hook", web::post().to(hook))
            .route("/refuse", web::post().to(refuse))
    });
    let run = async { server.bind(listen).expect("a free port").run().await };
    actix_web::rt::System::new().block_on(run).expect("the bare server runs");
}
