//! The verdict: what the server says and what left it, held against what was posted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::Value;
use stagepost::domain::time::Timestamp;

use super::api::Api;
use super::load::{Load, Says, User};
use super::receiver::{Receiver, Request};
use super::wait::{POLL, eventually};

/// Requests under way at once.
const AT_ONCE: usize = 8;

/// The posts acknowledged just before the server was killed are there, once each.
pub async fn newest_are_there(api: &Api, load: &Load) {
    for (user, message_id) in load.take_newest() {
        let page = api.get(&format!("/api/users/{user}")).await;
        let count =
            array(&page["recentEvents"]).iter().filter(|event| event["messageId"] == *message_id).count();
        assert_eq!(count, 1, "{message_id} was acknowledged before the kill");
    }
}

/// Waits until nothing is left to do: no stall to come, nothing to send; all of it within `limit`.
pub async fn settled(api: &Api, users: &[User], limit: Duration) {
    let deadline = Instant::now() + limit;
    let left = || deadline.saturating_duration_since(Instant::now());
    let empty = async |path: &str, rows: &str| api.rows(path, rows).await.is_empty().then_some(());
    eventually("every stalled journey is seen", left(), async || {
        empty("/api/journeys?stage=no_reply&status=active", "journeys").await
    })
    .await;
    // Orders of nearly an hour ago stop counting soon after the last of them.
    let hot = those(users, |user| ordered(user, true));
    eventually("only fresh orders make hot", left(), async || {
        (members(api, "hot").await == hot).then_some(())
    })
    .await;
    loop {
        let waiting = api.rows("/api/deliveries?status=pending", "deliveries").await;
        let Some(newest) = waiting.first() else { return };
        if left().is_zero() {
            let newest = api.get(&format!("/api/deliveries/{}", text(&newest["id"]))).await;
            let health = api.get("/api/destinations/crm").await;
            let created = |row: &Value| format!("{} {} {}", row["userId"], row["createdAt"], row["tries"]);
            let all: Vec<String> = waiting.iter().map(created).collect();
            panic!(
                "not sent within {limit:?}: {all:#?}\nthe newest: {newest:#}\nits destination: {health:#}"
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until everything defined is computed: changes are told of from then on.
pub async fn computed(api: &Api, limit: Duration) {
    eventually("all is computed", limit, async || {
        for (path, rows) in [("/api/audiences", "audiences"), ("/api/traits", "traits")] {
            let listed = api.get(path).await;
            if array(&listed[rows]).iter().any(|it| it["status"] != "live") {
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// When a call may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// Before anything newer is sent to its user.
    AtOnce,
    /// Whenever a process that hung in the middle of it goes on.
    Ever,
}

/// Everything there is to know after the last kill.
pub struct Facts {
    users: Vec<User>,
    events: Vec<Value>,
    /// By user.
    journeys: HashMap<String, Vec<Value>>,
    /// By audience.
    members: BTreeMap<&'static str, BTreeSet<String>>,
    /// How many orders are counted, by user.
    orders: HashMap<String, u64>,
    /// By user, in order of arrival.
    calls: HashMap<String, Vec<Arc<Request>>>,
    deliveries: Vec<Value>,
    /// The `Message-ID` of each mail that left.
    mails: Vec<String>,
}

impl Facts {
    /// Asks for all of it.
    pub async fn gather(api: &Api, receiver: &Receiver, mails: Vec<String>, users: Vec<User>) -> Self {
        let mut events = api.rows("/api/events?", "events").await;
        // What was put off while the database was away is shown, too.
        events.retain(|event| event["rejected"] != true);
        let mut journeys = HashMap::<String, Vec<Value>>::new();
        let listed = api.rows("/api/journeys?", "journeys").await;
        let mut whole = stream::iter(listed)
            .map(|journey| async move { api.get(&format!("/api/journeys/{}", text(&journey["id"]))).await })
            .buffer_unordered(AT_ONCE);
        while let Some(journey) = whole.next().await {
            journeys.entry(text(&journey["userId"]).to_owned()).or_default().push(journey);
        }
        let mut sets = BTreeMap::new();
        for audience in ["buyers", "hot", "pros"] {
            sets.insert(audience, members(api, audience).await);
        }
        let mut calls = HashMap::<String, Vec<Arc<Request>>>::new();
        for request in receiver.requests() {
            calls.entry(text(&request.json()["userId"]).to_owned()).or_default().push(request);
        }
        let deliveries = api.rows("/api/deliveries?", "deliveries").await;
        let values = api.rows("/api/traits/orders/values?", "values").await;
        let count = |row: &Value| (text(&row["userId"]).to_owned(), row["value"].as_u64().expect("a count"));
        let orders = values.iter().map(count).collect();
        Self { users, events, journeys, members: sets, orders, calls, deliveries, mails }
    }

    /// Each acknowledged post is one event, and there is no other.
    pub fn every_post_is_there_exactly_once(&self) {
        let mut seen = HashMap::<&str, u32>::new();
        for event in &self.events {
            *seen.entry(text(&event["messageId"])).or_default() += 1;
        }
        let mut posts = 0;
        for post in self.users.iter().flat_map(|user| &user.posts) {
            assert_eq!(seen.get(post.message_id.as_str()), Some(&1), "{post:?}");
            posts += 1;
        }
        assert_eq!(self.events.len(), posts, "events that nobody posted");
    }

    /// Each user has one journey with exactly his stages, in the state that they mean.
    pub fn journeys_agree_with_their_events(&self) {
        for user in &self.users {
            let journeys = self.journeys.get(&user.id).map_or(&[][..], Vec::as_slice);
            let [journey] = journeys else {
                panic!("{} has {} journeys: {journeys:#?}", user.id, journeys.len())
            };
            let steps = array(&journey["steps"]);
            let ids: Vec<&str> = steps.iter().map(|step| text(&step["messageId"])).collect();
            assert_eq!(ids, user.stage_ids(), "{journey:#}");
            let stage = *user.stages().last().expect("a stage");
            assert_eq!(journey["stage"], stage, "{journey:#}");
            let status = match stage {
                "confirmed" | "cancelled" => "completed",
                "no_reply" => "stalled",
                _ => "active",
            };
            assert_eq!(journey["status"], status, "{journey:#}");
            let marks = array(&journey["escalations"]).len();
            match steps.iter().position(|step| step["stage"] == "no_reply") {
                None => assert_eq!(marks, 0, "it never stood in no_reply: {journey:#}"),
                Some(at_step) if at_step + 1 == steps.len() => {
                    assert_eq!(marks, 1, "it stands in no_reply: {journey:#}")
                }
                Some(at_step) => {
                    let stood =
                        at(&steps[at_step + 1]["receivedAt"]).millis_since(at(&steps[at_step]["receivedAt"]));
                    assert!(marks <= 1, "{journey:#}");
                    // A post that came in time may have been stored a moment later: then it had stood, as far as was known.
                    let marked = array(&journey["escalations"])
                        .iter()
                        .all(|mark| at(&mark["at"]).millis_since(at(&steps[at_step]["receivedAt"])) >= 1000);
                    assert!(
                        stood >= 1000 || marked,
                        "it left no_reply after {stood} ms, and was escalated before its time: {journey:#}"
                    );
                }
            }
        }
        assert_eq!(self.journeys.len(), self.users.len());
    }

    /// Each mark has its delivery, that delivery left as a mail, and there are no more deliveries or mails than marks.
    ///
    /// One whose journey went on in the meantime may be withdrawn. It may have left all the same: who sends a mail and dies, or
    /// hangs, before it can say so has sent it.
    pub async fn every_stall_was_mailed_under_one_id(&self, api: &Api) {
        let marks: Vec<(&Value, &Value)> = self
            .journeys
            .values()
            .flatten()
            .flat_map(|journey| array(&journey["escalations"]).iter().map(move |mark| (journey, mark)))
            .collect();
        let written: BTreeSet<&str> = self.mails.iter().map(String::as_str).collect();
        let mut sent = BTreeSet::new();
        let mut deliveries = stream::iter(&marks)
            .map(|(journey, mark)| async move {
                (*journey, api.get(&format!("/api/deliveries/{}", text(&mark["deliveryId"]))).await)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((journey, delivery)) = deliveries.next().await {
            let id = text(&delivery["id"]);
            let mail = written.iter().find(|message_id| message_id.contains(id));
            if was_withdrawn(&delivery) {
                assert_ne!(journey["status"], "stalled", "it still waits for somebody: {journey:#}");
            } else {
                assert_eq!(delivery["status"], "delivered", "{delivery:#}");
                assert!(mail.is_some(), "no mail left for {delivery:#}");
            }
            assert!(mail.is_none_or(|mail| sent.insert(*mail)), "two deliveries under {mail:?}");
        }
        assert_eq!(sent, written, "mails that no journey knows of");
        let made = self.deliveries.iter().filter(|delivery| delivery["destination"] == "email");
        assert_eq!(made.count(), marks.len(), "a level is one delivery");
        println!("{} stalls, {} mails", marks.len(), self.mails.len());
    }

    /// The members are those that a plain look at all events finds.
    pub fn audiences_agree_with_their_events(&self) {
        let expected = |test: &dyn Fn(&User) -> bool| those(&self.users, test);
        assert_same(&self.members["buyers"], &expected(&|user| ordered(user, false)), "buyers");
        assert_same(&self.members["hot"], &expected(&|user| ordered(user, true)), "hot");
        assert_same(&self.members["pros"], &expected(&|user| plans(user).last() == Some(&true)), "pros");
    }

    /// Each order counts once.
    pub fn totals_agree_with_their_events(&self) {
        for user in &self.users {
            let expected = user.posts.iter().filter(|post| matches!(post.says, Says::Order { .. })).count();
            let counted = self.orders.get(&user.id).copied().unwrap_or(0);
            assert_eq!(counted, expected as u64, "orders of {}", user.id);
        }
    }

    /// For each user and audience: true and false in turn, ending where the membership stands; a repetition is the same
    /// to the byte and comes `when` it may.
    pub fn changes_left_in_order_under_stable_ids(&self, when: Repeated) {
        let mut repeated = 0;
        for user in &self.users {
            let calls = self.calls.get(&user.id).map_or(&[][..], Vec::as_slice);
            let mut bodies = HashMap::<String, &[u8]>::new();
            let mut values = BTreeMap::<String, Vec<bool>>::new();
            let mut before = String::new();
            for call in calls {
                let json = call.json();
                let message_id = text(&json["messageId"]).to_owned();
                assert_eq!(json["type"], "identify", "{json:#}");
                if let Some(body) = bodies.insert(message_id.clone(), &call.body) {
                    repeated += 1;
                    let (first, again) = (String::from_utf8_lossy(body), String::from_utf8_lossy(&call.body));
                    assert_eq!(first, again, "{message_id} was sent again with another body");
                    let in_turn = message_id == before || when == Repeated::Ever;
                    assert!(in_turn, "{message_id} was sent again after a newer call of {}", user.id);
                    continue;
                }
                before = message_id;
                let key = text(&json["context"]["personas"]["computation_key"]).to_owned();
                let value =
                    json["traits"][&key].as_bool().unwrap_or_else(|| panic!("no value of {key} in {json:#}"));
                values.entry(key).or_default().push(value);
            }
            for audience in ["buyers", "hot", "pros"] {
                let values = values.remove(audience).unwrap_or_default();
                let turns = values.iter().enumerate().all(|(number, &value)| value == (number % 2 == 0));
                assert!(turns, "{audience} of {}: {values:?}", user.id);
                let member = self.members[audience].contains(&user.id);
                assert_eq!(
                    values.last().copied().unwrap_or(false),
                    member,
                    "{audience} of {}: {values:?}",
                    user.id
                );
                if audience == "pros" {
                    assert_eq!(values, plans(user), "pros of {}", user.id);
                }
            }
            assert!(values.is_empty(), "calls of unknown audiences: {values:?}");
        }
        println!("{} calls, {repeated} of them again", self.calls.values().map(Vec::len).sum::<usize>());
    }

    /// Each delivery says that it arrived, and it did.
    pub fn deliveries_agree_with_what_was_received(&self) {
        let received: BTreeSet<String> =
            self.calls.values().flatten().map(|call| text(&call.json()["messageId"]).to_owned()).collect();
        let mut sent = BTreeSet::new();
        for delivery in self.deliveries.iter().filter(|delivery| !was_withdrawn(delivery)) {
            assert_eq!(delivery["status"], "delivered", "{delivery:#}");
            if delivery["destination"] == "crm" {
                let message_id = text(&delivery["messageId"]).to_owned();
                assert!(sent.insert(message_id), "two deliveries under one id: {delivery:#}");
            }
        }
        assert_same(&received, &sent, "calls");
    }
}

/// Whether it is a mail of a journey that went on before it could be sent, so that nobody needs it any more.
fn was_withdrawn(delivery: &Value) -> bool {
    let reason = delivery["reason"].as_str().unwrap_or_default();
    delivery["status"] == "superseded" && reason.starts_with("not sent: ")
}

/// The ids of the users that pass `test`.
fn those(users: &[User], test: impl Fn(&User) -> bool) -> BTreeSet<String> {
    users.iter().filter(|user| test(user)).map(|user| user.id.clone()).collect()
}

/// Whether the user ordered; just now, if only that counts.
fn ordered(user: &User, fresh_only: bool) -> bool {
    user.posts.iter().any(|post| matches!(post.says, Says::Order { fresh } if fresh || !fresh_only))
}

async fn members(api: &Api, audience: &str) -> BTreeSet<String> {
    let rows = api.rows(&format!("/api/audiences/{audience}/members?"), "members").await;
    rows.iter().map(|row| text(&row["userId"]).to_owned()).collect()
}

/// Whether the user is a pro after each change of that.
fn plans(user: &User) -> Vec<bool> {
    let mut turns = Vec::new();
    for post in &user.posts {
        if let Says::Plan(plan) = post.says {
            let pro = plan == "pro";
            if pro != turns.last().copied().unwrap_or(false) {
                turns.push(pro);
            }
        }
    }
    turns
}

/// The `Message-ID` of each mail that was written to a folder.
pub fn mails_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a mail").path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let mail = String::from_utf8_lossy(&std::fs::read(&path).expect("a mail")).into_owned();
        let id = mail.lines().find_map(|line| line.strip_prefix("Message-ID:"));
        found.push(
            id.unwrap_or_else(|| panic!("{}: no Message-ID in {mail}", path.display())).trim().to_owned(),
        );
    }
    found
}

fn assert_same(found: &BTreeSet<String>, expected: &BTreeSet<String>, what: &str) {
    let missing: Vec<_> = expected.difference(found).take(5).collect();
    let surplus: Vec<_> = found.difference(expected).take(5).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{what}: missing {missing:?}, too many {surplus:?}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn at(value: &Value) -> Timestamp {
    Timestamp::parse_lenient(text(value)).unwrap_or_else(|| panic!("not a time: {value}"))
}
