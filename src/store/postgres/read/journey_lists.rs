//! Lists of journeys: by flow and status, and the inbox.

use tokio_postgres::Row;
use uuid::Uuid;

use super::super::PostgresStore;
use super::super::rows::{column, instant, key, limit, read_instant, text, uuid};
use super::journeys::read_journey;
use super::lists::{Bounds, Search};
use crate::domain::ids::JourneyId;
use crate::domain::journey::{Journey, JourneyFilter, JourneyStatus};
use crate::domain::page::{Order, Page, PageRequest};
use crate::store::cursor::{self, InboxRow};
use crate::store::{Result, paging};

/// Rows of journeys of the given scope, in the given order.
macro_rules! journey_rows {
    ($scope:literal, $order:literal) => {
        concat!(
            "SELECT shard, id, user_key, body,
                ($4::text IS NULL OR user_key = $4) AND ($5::text IS NULL OR flow = $5)
                AND ($6::text IS NULL OR stage = $6) AND ($7::text IS NULL OR status = $7) AS wanted
            FROM journeys WHERE ",
            $scope,
            " AND id >= $1 AND id < $2 ORDER BY id ",
            $order,
            " LIMIT $3"
        )
    };
}

/// Each with the profile that has it, where it is not archived.
macro_rules! with_profiles {
    ($order:literal) => {
        concat!(
            ") j LEFT JOIN profiles p
                ON j.wanted AND j.body IS NULL AND p.shard = j.shard AND p.user_key = j.user_key
            ORDER BY j.id ",
            $order
        )
    };
}

/// What each statement begins with.
macro_rules! journeys_from {
    () => {
        "SELECT j.id, j.wanted, j.user_key, j.body, p.revision, p.body AS profile FROM ("
    };
}

/// Journeys of the given scope.
macro_rules! journeys_of {
    ($scope:literal, $order:literal) => {
        concat!(journeys_from!(), journey_rows!($scope, $order), with_profiles!($order))
    };
}

/// Journeys of a flow: those of each status are a list in the order of ids.
macro_rules! journeys_of_flow {
    ($order:literal) => {
        concat!(
            journeys_from!(),
            "SELECT of_status.* FROM (VALUES
                ('active'), ('stalled'), ('completed'), ('resolved'), ('superseded'), ('expired')) AS s (status)
            CROSS JOIN LATERAL (",
            journey_rows!("flow = $5 AND status = s.status", $order),
            ") of_status WHERE $7::text IS NULL OR s.status = $7 ORDER BY id ",
            $order,
            " LIMIT $3",
            with_profiles!($order)
        )
    };
}

/// The statement that goes through a filter's journeys in the given order, by what has an index.
macro_rules! journeys_by {
    ($filter:expr, $order:literal) => {
        match (&$filter.user, &$filter.flow, $filter.status) {
            (Some(_), ..) => journeys_of!("user_key = $4", $order),
            (None, Some(_), _) => journeys_of_flow!($order),
            (None, None, Some(_)) => journeys_of!("status = $7", $order),
            (None, None, None) => journeys_of!("true", $order),
        }
    };
}

impl PostgresStore {
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

    pub(in super::super) async fn inbox(
        &self,
        acknowledged: bool,
        page: &PageRequest,
    ) -> Result<Page<Journey>> {
        const SQL: &str = "\
            SELECT j.id, j.stalled_since, j.user_key, j.body, p.revision, p.body AS profile
            FROM (
                SELECT shard, id, stalled_since, user_key, body FROM journeys
                WHERE stalled_since IS NOT NULL AND is_acknowledged = $1
                    AND (stalled_since, id) > (coalesce($2::timestamptz, '-infinity'), $3::uuid)
                ORDER BY stalled_since, id LIMIT $4
            ) j
            LEFT JOIN profiles p ON j.body IS NULL AND p.shard = j.shard AND p.user_key = j.user_key
            ORDER BY j.stalled_since, j.id";
        let start: Option<InboxRow> = cursor::read(page.cursor.as_deref())?;
        let since = start.map(|start| instant(start.since));
        let id = start.map_or(Uuid::nil(), |start| uuid(start.id.to_bytes()));
        let most = limit(page.limit.max(1).saturating_add(1));
        let rows = self.query(SQL, &[&acknowledged, &since, &id, &most]).await?;
        let read = |row: &Row| {
            let id = JourneyId::from_bytes(column::<Uuid>(row, "id")?.into_bytes());
            Ok((InboxRow { since: read_instant(row, "stalled_since")?, id }, read_journey(row)?))
        };
        paging::page(page, rows.iter().map(read))
    }
}
