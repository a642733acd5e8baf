//! Every page.

use base64::Engine as _;
use serde_json::json;

use crate::browser::Browser;
use crate::check::check_page;
use crate::scene::Scene;
use crate::support::api::TOKEN;

#[tokio::test(flavor = "multi_thread")]
async fn overview() {
    let scene = Scene::start().await;
    scene.order("ada", 12.0).await;
    let browser = Browser::at(scene.app.base()).await;
    browser.devtools("Network.enable", json!({})).await;
    let token = base64::engine::general_purpose::STANDARD.encode(format!("{TOKEN}:"));
    browser.devtools("Network.setExtraHTTPHeaders", json!({"headers": {"Authorization": format!("Basic {token}")}})).await;
    browser.go("/console").await;
    check_page(&browser, "overview").await;
    scene.finish([browser]).await;
}
