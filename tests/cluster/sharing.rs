//! What one node is told, and all know.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::nodes::node_over;
use crate::support::api::TOKEN;
use crate::support::postgres;
use crate::support::server::Server;
use crate::support::verdict;
use crate::support::wait::eventually;

/// How soon a definition holds on every node, and an event is shown on every node.
const SOON: Duration = Duration::from_secs(2);

/// How long the reading of a past without events may take, on a busy machine.
const COMPUTED: Duration = Duration::from_secs(10);

const DEFINITIONS: &str = r#"
[[source]]
key = "shop"
kind = "http"
write_key = "wk_webshop"
"#;

async fn two_over(store: &str) -> [Server; 2] {
    let nodes = join_all((0..2).map(|_| node_over(store, DEFINITIONS).started())).await;
    nodes.try_into().unwrap_or_else(|_| unreachable!("two nodes"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_changed_on_one_node_holds_on_the_other_within_two_seconds() {
    let schema = postgres::schema();
    let [here, there] = two_over(schema.url()).await;
    let audience = json!({"audience": [{"name": "Buyers", "query": "event('Bought').count() >= 1"}]});
    let client = reqwest::Client::new();
    let apply = client.post(format!("{}/api/apply", here.api().base())).bearer_auth(TOKEN);
    let applied = apply.header("content-type", "application/json").body(audience.to_string()).send().await;
    assert_eq!(applied.expect("an answer").status(), 200);
    eventually("the other node knows it", SOON, async || {
        let found = there.api().try_get("/api/audiences/buyers").await.expect("an answer");
        (found.status == 200).then_some(())
    })
    .await;
    // Whoever comes while the past is still read is a member once it is.
    verdict::computed(there.api(), COMPUTED).await;
    let post = json!({"writeKey": "wk_webshop", "userId": "ada", "event": "Bought"});
    there.api().post("/v1/track", &post).await;
    // What is said is stored: no node has to be told of it.
    let members = here.api().rows("/api/audiences/buyers/members?", "members").await;
    assert_eq!(members.len(), 1, "{members:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_one_node_shows_what_another_one_accepted() {
    let schema = postgres::schema();
    let [here, there] = two_over(schema.url()).await;
    let request = reqwest::Client::new().get(format!("{}/api/events/stream", here.api().base()));
    let mut stream = request.bearer_auth(TOKEN).send().await.expect("the stream");
    assert_eq!(stream.status(), 200);
    let begun = Instant::now();
    let body = json!({"writeKey": "wk_webshop", "userId": "ada", "event": "Seen", "messageId": "from-there"});
    there.api().post("/v1/track", &body).await;
    let mut text = String::new();
    while !text.contains("from-there") {
        let left = (2 * SOON).saturating_sub(begun.elapsed());
        let chunk = tokio::time::timeout(left, stream.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("only this was shown: {text}"));
        text.push_str(&String::from_utf8_lossy(&chunk.expect("the stream").expect("more of it")));
    }
    println!("shown after {:?}", begun.elapsed());
}
