//! A database that is away: senders are told to come back, and everything goes on by itself.

use std::time::Duration;

use serde_json::json;

use crate::nodes::node_over;
use crate::support::postgres::Cluster;
use crate::support::wait::eventually;

/// How long a node may take to see that the database is away, or there again.
const SEEN: Duration = Duration::from_secs(15);

const DEFINITIONS: &str = r#"
[[source]]
key = "shop"
kind = "http"
write_key = "wk_webshop"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn posts_are_put_off_while_the_database_is_away_and_everything_goes_on_by_itself() {
    let database = Cluster::start();
    let server = node_over(&database.url(), DEFINITIONS).started().await;
    let api = server.api();
    let post =
        |id: &str| json!({"writeKey": "wk_webshop", "userId": "ada", "event": "Seen", "messageId": id});
    api.post("/v1/track", &post("m1")).await;

    database.kill9();
    let client = reqwest::Client::new();
    let url = format!("{}/v1/track", api.base());
    let answer = client.post(url).body(post("m2").to_string()).send().await.expect("an answer");
    assert_eq!(answer.status(), 503);
    let after = answer.headers().get("retry-after").expect("when to come back").to_str().expect("text");
    assert!((1..=60).contains(&after.parse::<u64>().expect("seconds")), "{after}");
    eventually("the node is not ready", SEEN, async || {
        (api.try_get("/readyz").await.expect("an answer").status == 503).then_some(())
    })
    .await;

    database.launch();
    eventually("the post is taken", SEEN, async || {
        (api.try_post("/v1/track", &post("m2")).await.expect("an answer").status == 200).then_some(())
    })
    .await;
    eventually("the node is ready", SEEN, async || {
        (api.try_get("/readyz").await.expect("an answer").status == 200).then_some(())
    })
    .await;
    let mut ids: Vec<_> = api.rows("/api/events?", "events").await;
    // What was put off is shown, too.
    ids.retain(|event| event["rejected"] != true);
    ids.sort_by_key(|event| event["messageId"].to_string());
    let ids: Vec<_> = ids.iter().map(|event| &event["messageId"]).collect();
    assert_eq!(ids, ["m1", "m2"]);
}
