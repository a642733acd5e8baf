//! Lists with cursors from indexes. What is asked for beyond an index is looked for in steps: each statement says
//! of the next ids whether they are wanted, and hands out the records of those that are. The domain's filter has the last word.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::super::PostgresStore;
use super::super::rows::{column, instant, key, limit, read_instant, read_key, text, uuid};
use super::journeys::read_journey;
use super::log::read_event;
use super::outbox::read_delivery;
use crate::domain::delivery::{Delivery, DeliveryFilter, DeliveryStatus};
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, EventId, JourneyId};
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use crate::domain::page::{Order, Page, PageRequest};
use crate::store::cursor::{self, Place};
use crate::store::paging::{self, Paging};
use crate::store::{DeliveryPart, EventFilter, Member, Result};

/// Most rows that one statement looks through.
const STEP: usize = 4096;

/// How much more each step of a search looks through than the one before: most pages are full after the first.
const GROWTH: usize = 8;

/// An id before which no id is, and one after which none is.
const FIRST: Uuid = Uuid::nil();
const LAST: Uuid = Uuid::max();

/// The ids between which a list is looked through: from the one on, up to but not including the other.
struct Bounds {
    from: Uuid,
    to: Uuid,
}

impl Bounds {
    fn new(from: Option<[u8; 16]>, to: Option<[u8; 16]>) -> Self {
        Self { from: from.map_or(FIRST, uuid), to: to.map_or(LAST, uuid) }
    }
}

/// The id of a row, and whether it is wanted.
fn looked_at(row: &Row) -> Result<(Uuid, bool)> {
    // What can't be said of a row (it has no name, and one is asked for) is no.
    Ok((column(row, "id")?, column::<Option<bool>>(row, "wanted")?.unwrap_or(false)))
}

/// Journeys of the given scope, in the given order. With the profile of each that is not archived.
macro_rules! journeys_of {
    ($scope:literal, $order:literal) => {
        concat!(
            "SELECT j.id, j.wanted, j.user_key, j.body, p.revision, p.body AS profile
            FROM (
                SELECT shard, id, user_key, body,
                    ($4::text IS NULL OR user_key = $4) AND ($5::text IS NULL OR flow = $5)
                    AND ($6::text IS NULL OR stage = $6) AND ($7::text IS NULL OR status = $7) AS wanted
                FROM journeys WHERE ",
            $scope,
            " AND id >= $1 AND id < $2 ORDER BY id ",
            $order,
            " LIMIT $3
            ) j
            LEFT JOIN profiles p
                ON j.wanted AND j.body IS NULL AND p.shard = j.shard AND p.user_key = j.user_key
            ORDER BY j.id ",
            $order
        )
    };
}

/// The statement that goes through a filter's journeys in the given order, by what has an index.
macro_rules! journeys_by {
    ($filter:expr, $order:literal) => {
        match (&$filter.user, $filter.status) {
            (Some(_), _) => journeys_of!("user_key = $4", $order),
            (None, Some(JourneyStatus::Stalled)) => journeys_of!("status = 'stalled'", $order),
            (None, _) => journeys_of!("true", $order),
        }
    };
}

/// Deliveries of the given scope, in the given order.
macro_rules! deliveries_of {
    ($scope:literal, $order:literal) => {
        concat!(
            "SELECT id, wanted, CASE WHEN wanted THEN body END AS body
            FROM (
                SELECT id, body,
                    ($4::text IS NULL OR destination = $4) AND ($5::text IS NULL OR user_key = $5)
                    AND ($6::text IS NULL OR status = $6) AND ($7::timestamptz IS NULL OR created_at >= $7)
                    AND ($8::timestamptz IS NULL OR created_at < $8) AS wanted
                FROM deliveries WHERE ",
            $scope,
            " AND id >= $1 AND id < $2 ORDER BY id ",
            $order,
            " LIMIT $3
            ) d
            ORDER BY id ",
            $order
        )
    };
}

/// The statement that goes through deliveries in the given order. The statuses that have an index are named in it, since only
/// then is that index known to have all that is asked for.
macro_rules! deliveries_by {
    ($status:expr, $order:literal) => {
        match $status {
            Some(DeliveryStatus::Failed) => deliveries_of!("status = 'failed'", $order),
            Some(DeliveryStatus::Dead) => deliveries_of!("status = 'dead'", $order),
            Some(DeliveryStatus::Ambiguous) => deliveries_of!("status = 'ambiguous'", $order),
            Some(DeliveryStatus::Superseded) => deliveries_of!("status = 'superseded'", $order),
            Some(DeliveryStatus::Pending | DeliveryStatus::Delivered) | None => {
                deliveries_of!("true", $order)
            }
        }
    };
}

/// The same of those at one destination, the newest first.
macro_rules! deliveries_at {
    ($status:expr) => {
        match $status {
            Some(DeliveryStatus::Failed) => {
                deliveries_of!("destination = $4 AND status = 'failed'", "DESC")
            }
            Some(DeliveryStatus::Dead) => deliveries_of!("destination = $4 AND status = 'dead'", "DESC"),
            Some(DeliveryStatus::Ambiguous) => {
                deliveries_of!("destination = $4 AND status = 'ambiguous'", "DESC")
            }
            Some(DeliveryStatus::Superseded) => {
                deliveries_of!("destination = $4 AND status = 'superseded'", "DESC")
            }
            Some(DeliveryStatus::Pending | DeliveryStatus::Delivered) | None => {
                deliveries_of!("true", "DESC")
            }
        }
    };
}

/// A value that a statement filters by.
type Value<'v> = &'v (dyn ToSql + Sync);

/// What is looked through: the statement takes two ids, how many rows, and what the filter says.
struct Search<'f> {
    sql: &'static str,
    bounds: Bounds,
    order: Order,
    /// How many may be looked at for a page.
    looks: Option<usize>,
    filter: &'f [Value<'f>],
}

impl PostgresStore {
    /// The next rows of a search.
    async fn look_through(&self, search: &Search<'_>, most: usize) -> Result<Vec<Row>> {
        let most = limit(most);
        let within: [Value<'_>; 3] = [&search.bounds.from, &search.bounds.to, &most];
        self.query(search.sql, &[&within, search.filter].concat()).await
    }

    /// Takes a page from what a search finds. `place` makes the list's ids, `read` a record of a row that is wanted.
    async fn pages<P: Place + Send, T: Send>(
        &self,
        request: &PageRequest,
        mut search: Search<'_>,
        place: impl Fn([u8; 16]) -> P + Send,
        read: impl Fn(&Row) -> Result<Option<T>> + Send,
    ) -> Result<Page<T>> {
        let mut paging = Paging::new(request, search.looks);
        let mut size = request.limit.clamp(1, STEP - 1) + 1;
        loop {
            let rows = self.look_through(&search, size).await?;
            for row in &rows {
                let (id, is_wanted) = looked_at(row)?;
                match search.order {
                    Order::NewestFirst => search.bounds.to = id,
                    Order::OldestFirst => {
                        search.bounds.from = Uuid::from_u128(id.as_u128().saturating_add(1))
                    }
                }
                let item = if is_wanted { read(row)? } else { None };
                if let Some(page) = paging.look_at(place(id.into_bytes()), item) {
                    return Ok(page);
                }
            }
            if rows.len() < size {
                return Ok(paging.end());
            }
            size = (size * GROWTH).min(STEP);
        }
    }

    pub(in super::super) async fn journeys(
        &self,
        filter: &JourneyFilter,
        page: &PageRequest,
    ) -> Result<Page<Journey>> {
        let sql = match filter.order {
            Order::NewestFirst => journeys_by!(filter, "DESC"),
            Order::OldestFirst => journeys_by!(filter, "ASC"),
        };
        let (from, to) = filter.ids_after(cursor::read(page.cursor.as_deref())?);
        let bounds = Bounds::new(from.map(JourneyId::to_bytes), to.map(JourneyId::to_bytes));
        let (user, status) = (filter.user.as_ref().map(key), filter.status.map(JourneyStatus::as_str));
        let (flow, stage) = (filter.flow.as_deref().map(text), filter.stage.as_deref().map(text));
        let read = |row: &Row| Ok(read_journey(row)?.filter(|journey| filter.accepts(journey)));
        let search = Search {
            sql,
            bounds,
            order: filter.order,
            looks: filter.looks,
            filter: &[&user, &flow, &stage, &status],
        };
        self.pages(page, search, JourneyId::from_bytes, read).await
    }

    pub(in super::super) async fn newest_events(
        &self,
        filter: &EventFilter,
        page: &PageRequest,
    ) -> Result<Page<Event>> {
        const SQL: &str = "\
            SELECT id, wanted, CASE WHEN wanted THEN body END AS body
            FROM (
                SELECT id, body,
                    ($4::text IS NULL OR type = $4)
                    AND (cardinality($5::text[]) = 0 OR user_key = ANY ($5))
                    AND (cardinality($6::text[]) = 0 OR name = ANY ($6))
                    AND (name IS NULL OR name <> ALL ($7::text[]))
                    AND ($8::timestamptz IS NULL OR occurred_at >= $8)
                    AND ($9::timestamptz IS NULL OR occurred_at < $9)
                    AND ($10::text IS NULL OR source IS NULL OR source = $10) AS wanted
                FROM events WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT $3
            ) e
            ORDER BY id DESC";
        let start: Option<EventId> = cursor::read(page.cursor.as_deref())?;
        let oldest = filter.arrived_from.map(|from| EventId::floor(from).to_bytes());
        let bounds = Bounds::new(oldest, start.map(EventId::to_bytes));
        let users: Vec<_> = filter.users.iter().map(key).collect();
        let names: Vec<_> = filter.names.iter().map(|name| text(name)).collect();
        let others: Vec<_> = filter.other_names.iter().map(|name| text(name)).collect();
        let (from, to) = (filter.from.map(instant), filter.to.map(instant));
        let (kind, source) = (filter.type_name.as_deref().map(text), filter.source.as_deref().map(text));
        let read = |row: &Row| Ok(Some(read_event(row)?).filter(|event| filter.accepts(event)));
        let search = Search {
            sql: SQL,
            bounds,
            order: Order::NewestFirst,
            looks: filter.looks,
            filter: &[&kind, &users, &names, &others, &from, &to, &source],
        };
        self.pages(page, search, EventId::from_bytes, read).await
    }

    pub(in super::super) async fn members(
        &self,
        audience_id: &str,
        page: &PageRequest,
    ) -> Result<Page<Member>> {
        const SQL: &str = "\
            SELECT user_key, since FROM members WHERE audience_id = $1 AND user_key > $2
            ORDER BY user_key LIMIT $3";
        let start = cursor::read(page.cursor.as_deref())?;
        let start = start.as_ref().map(key).unwrap_or_default();
        let most = limit(page.limit.max(1).saturating_add(1));
        let rows = self.query(SQL, &[&text(audience_id), &start, &most]).await?;
        let member = |row: &Row| {
            let user = read_key(column(row, "user_key")?)?;
            Ok((user.clone(), Some(Member { user, since: read_instant(row, "since")? })))
        };
        paging::page(page, rows.iter().map(member))
    }

    pub(in super::super) async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Page<Delivery>> {
        let start: Option<DeliveryId> = cursor::read(page.cursor.as_deref())?;
        let to = [start, filter.until.map(DeliveryId::floor)].into_iter().flatten().min();
        let bounds = Bounds::new(oldest(filter), to.map(DeliveryId::to_bytes));
        let sql = match (&filter.user, &filter.destination) {
            (Some(_), _) => deliveries_of!("user_key = $5", "DESC"),
            (None, Some(_)) => deliveries_at!(filter.status),
            (None, None) => deliveries_by!(filter.status, "DESC"),
        };
        let read = |row: &Row| Ok(Some(read_delivery(row)?).filter(|delivery| filter.accepts(delivery)));
        let columns = DeliveryColumns::of(filter);
        let search =
            Search { sql, bounds, order: Order::NewestFirst, looks: filter.looks, filter: &columns.values() };
        self.pages(page, search, DeliveryId::from_bytes, read).await
    }

    pub(in super::super) async fn deliveries_after(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryId>,
        until: DeliveryId,
        most: usize,
    ) -> Result<DeliveryPart> {
        let from = after.map(behind).max(oldest(filter));
        let bounds = Bounds::new(from, Some(behind(until)));
        let sql = deliveries_by!(filter.status, "ASC");
        let mut part = DeliveryPart::default();
        let columns = DeliveryColumns::of(filter);
        let search =
            Search { sql, bounds, order: Order::OldestFirst, looks: None, filter: &columns.values() };
        for row in &self.look_through(&search, most).await? {
            let (id, is_wanted) = looked_at(row)?;
            part.looked_at += 1;
            part.last = Some(DeliveryId::from_bytes(id.into_bytes()));
            if is_wanted {
                part.deliveries.extend(Some(read_delivery(row)?).filter(|delivery| filter.accepts(delivery)));
            }
        }
        Ok(part)
    }
}

/// What columns know of a filter of deliveries.
struct DeliveryColumns<'f> {
    destination: Option<Cow<'f, str>>,
    user: Option<Cow<'f, str>>,
    status: Option<&'static str>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl<'f> DeliveryColumns<'f> {
    fn of(filter: &'f DeliveryFilter) -> Self {
        Self {
            destination: filter.destination.as_deref().map(text),
            user: filter.user.as_ref().map(key),
            status: filter.status.map(DeliveryStatus::as_str),
            since: filter.since.map(instant),
            until: filter.until.map(instant),
        }
    }

    /// In the order in which the statements take them.
    fn values(&self) -> [Value<'_>; 5] {
        [&self.destination, &self.user, &self.status, &self.since, &self.until]
    }
}

/// An id is never made with an earlier time than the delivery's own, so `since` bounds the ids too.
fn oldest(filter: &DeliveryFilter) -> Option<[u8; 16]> {
    filter.since.map(|since| DeliveryId::floor(since).to_bytes())
}

/// The first id behind that one.
fn behind(id: DeliveryId) -> [u8; 16] {
    u128::from_be_bytes(id.to_bytes()).saturating_add(1).to_be_bytes()
}
