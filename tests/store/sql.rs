//! The queries of docs/SQL.md, as they stand there, over what a store has written.

use serde_json::json;
use stagepost::clock::Clock;
use stagepost::domain::change::{ChangeSet, DefinitionWrite};
use stagepost::domain::definition::Definition;
use stagepost::domain::delivery::DeliveryStatus;
use stagepost::domain::event::Call;
use stagepost::domain::ids::UserKey;
use stagepost::domain::journey::JourneyStatus;
use stagepost::domain::time::Timestamp;
use stagepost::store::postgres::PostgresStore;

use crate::backends::open_postgres;
use crate::build::*;
use crate::support::postgres::{Schema, schema};
use crate::writer::commit;

const SQL: &str = include_str!("../../docs/SQL.md");
const DAY: i64 = 86_400_000;

fn blocks() -> impl Iterator<Item = &'static str> {
    SQL.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

/// The statements that the page shows, in their order, without those that make a role.
fn queries() -> Vec<&'static str> {
    blocks().filter(|block| !block.starts_with("--")).collect()
}

/// The role that the page makes, for one test; it goes when this does.
struct Reader<'s> {
    schema: &'s Schema,
    name: String,
}

impl<'s> Reader<'s> {
    fn new(schema: &'s Schema) -> Self {
        let schema_name = schema.sql("SELECT current_schema()");
        let name = format!("reader_of_{schema_name}");
        let made: Vec<_> = blocks().filter(|block| block.starts_with("--")).collect();
        assert_eq!(made.len(), 1, "{made:?}");
        let made = made[0].replace("SCHEMA public", &format!("SCHEMA {schema_name}"));
        schema.sql(&made.replace("stagepost_reader", &name));
        Self { schema, name }
    }

    fn sql(&self, statement: &str) -> String {
        self.schema.sql(&format!("SET ROLE {}; {statement}", self.name))
    }

    /// What the query of which this is a part answers.
    fn answer(&self, part: &str) -> Vec<String> {
        let found: Vec<_> = queries().into_iter().filter(|query| query.contains(part)).collect();
        assert_eq!(found.len(), 1, "{part}: {found:?}");
        self.sql(found[0]).lines().map(str::to_owned).collect()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.schema.sql(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name));
        }
    }
}

fn audience(key: &str) -> DefinitionWrite {
    let definition: Definition = serde_json::from_value(json!({ "audience": {
        "id": format!("aud_{key}"), "key": key, "name": key, "query": "event('Bought').count() >= 1",
        "destinations": [], "emit": [], "enabled": true, "status": "live", "leaves": [],
        "created_at": at(1), "updated_at": at(1),
    }}))
    .unwrap();
    DefinitionWrite::Put(Box::new(definition))
}

/// Two audiences over two days.
async fn write_audiences(store: &PostgresStore) {
    let (a, b, visitor) = (user("a"), user("b"), UserKey::anonymous("v"));
    let definitions =
        vec![audience("vips"), audience("lapsed"), DefinitionWrite::Put(Box::new(source("web")))];
    let first = vec![
        member("aud_vips", &a, Some(DAY)),
        member("aud_vips", &visitor, Some(DAY)),
        member("aud_vips", &b, Some(DAY)),
        member("aud_lapsed", &a, Some(DAY)),
    ];
    commit(store, &ChangeSet { at: at(DAY), definitions, memberships: first, ..changes() }).await;
    let second = vec![member("aud_vips", &visitor, None)];
    commit(store, &ChangeSet { at: at(2 * DAY), memberships: second, ..changes() }).await;
}

/// A journey in a profile, one in the archive, and deliveries and events of just now and of long ago.
async fn write_journeys_and_deliveries(store: &PostgresStore, now: Timestamp) {
    let a = user("a");
    let mut owner = profile(&a);
    owner.journeys = vec![journey(journey_id(5, 1), &a, JourneyStatus::Stalled)];
    let archived = journey(journey_id(6, 1), &a, JourneyStatus::Completed);
    let mut set = changes();
    set.journeys = owner.journeys.iter().chain([&archived]).map(opened).collect();
    set.profiles = vec![new_profile(owner)];
    set.archived = vec![archived];
    for (n, ms, status) in [
        (1, now.millis(), DeliveryStatus::Dead),
        (2, now.millis(), DeliveryStatus::Dead),
        (3, now.millis(), DeliveryStatus::Failed),
        (4, now.millis(), DeliveryStatus::Superseded),
        (5, now.millis(), DeliveryStatus::Pending),
        (6, 7, DeliveryStatus::Failed),
    ] {
        let mut made = delivery(delivery_id(ms, n), "crm", &a, 9);
        made.status = status;
        made.reason = Some("503".into());
        set.deliveries.push(new_delivery(made));
    }
    let call = |name: &str| Call::Track { event: name.into(), properties: object(1) };
    set.events = vec![
        event(event_id(7, 1), &a, call("Long ago")),
        event(event_id(now.millis(), 1), &a, call("Bought")),
        event(
            event_id(now.millis(), 2),
            &a,
            Call::Page { name: None, category: None, properties: object(1) },
        ),
        event(event_id(now.millis(), 3), &a, call("Bought")),
    ];
    commit(store, &set).await;
}

#[tokio::test]
async fn the_documented_queries_answer() {
    let schema = schema();
    let store = open_postgres(&schema).await;
    write_audiences(&store).await;
    write_journeys_and_deliveries(&store, Clock::system().now()).await;
    let reader = Reader::new(&schema);

    assert_eq!(reader.answer("ORDER BY user_key"), ["a|1970-01-02 00:00:00+00", "b|1970-01-02 00:00:00+00"]);
    assert_eq!(reader.answer("EXCEPT"), ["b"]);
    assert_eq!(reader.answer("GROUP BY audience_key"), ["lapsed|1", "vips|2"]);
    let days = reader.answer("WITH days");
    assert_eq!(days, ["1970-01-02 00:00:00|3|0|3", "1970-01-03 00:00:00|0|1|2"]);
    assert_eq!(reader.answer("GROUP BY flow"), ["order|completed|1", "order|stalled|1"]);
    let stalled = reader.answer("'stalled'");
    assert_eq!(stalled, ["u:a|order|initiation|1970-01-01 00:00:00.005+00"]);
    assert_eq!(reader.answer("reason, count"), ["crm|dead|503|2", "crm|failed|503|1"]);
    assert_eq!(reader.answer("FROM lanes"), ["crm|1|1970-01-01 00:00:00.009+00"]);
    assert_eq!(reader.answer("FROM events"), ["Bought|2", "Page Viewed|1"]);
    assert_eq!(queries().len(), 9, "each of them is looked at here");
    drop(store);
}

/// Names and columns that the page promises are there.
#[tokio::test]
async fn the_documented_columns_are_there() {
    let schema = schema();
    drop(open_postgres(&schema).await);
    let reader = Reader::new(&schema);
    let table = SQL.split("| table | a row is | columns |\n|---|---|---|\n").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 8);
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let name = cells[0].trim().trim_start_matches('`').split('`').next().unwrap();
        // What is in brackets explains.
        let plain: String = cells[2].split('(').map(|part| part.rsplit(')').next().unwrap()).collect();
        let columns: Vec<&str> = plain.split('`').skip(1).step_by(2).collect();
        assert!(columns.len() >= 3, "{row}");
        reader.sql(&format!("SELECT {} FROM {name}", columns.join(", ")));
    }
}
