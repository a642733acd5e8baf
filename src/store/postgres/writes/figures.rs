//! Figures over time: each writer adds to rows of its own; readers add them up.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::change::ChangeSet;
use crate::domain::figures::{Family, Figure, FigureWrite, Grain};
use crate::domain::limits;
use crate::domain::time::Timestamp;
use crate::store::postgres::pipeline::Param;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;

/// Counts. A point has only so much room for what is posted: a detail that it has already needs none, the others get places behind
/// those. (Another node may do the same at the same time; then it holds a few more.)
const COUNT: &str = "\
    WITH told AS (
        SELECT u.*, u.most IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM figures AS f WHERE f.family = u.family AND f.subject = u.subject AND f.grain = u.grain
                AND f.start = u.start AND f.detail = u.detail
        ) AS is_new
        FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::bigint[], $8::bigint[])
            AS u(family, subject, grain, start, detail, n, most)
    ), placed AS (
        SELECT told.*, row_number() OVER (
            PARTITION BY family, subject, grain, start, is_new ORDER BY detail COLLATE \"C\"
        ) AS place
        FROM told
    )
    INSERT INTO figures (family, subject, grain, start, detail, slot, n)
    SELECT u.family, u.subject, u.grain, u.start, u.detail, $1, u.n FROM placed AS u
    WHERE NOT u.is_new OR u.place + (
        SELECT count(DISTINCT f.detail) FROM figures AS f WHERE f.family = u.family AND f.subject = u.subject
            AND f.grain = u.grain AND f.start = u.start
    ) <= u.most
    ORDER BY u.family COLLATE \"C\", u.subject COLLATE \"C\", u.grain COLLATE \"C\", u.start, u.detail COLLATE \"C\"
    ON CONFLICT (family, subject, grain, start, detail, slot) DO UPDATE SET n = figures.n + EXCLUDED.n";

/// Writes points as they are elsewhere, however many details they have.
const COPY: &str = "\
    INSERT INTO figures (family, subject, grain, start, detail, slot, n)
    SELECT u.family, u.subject, u.grain, u.start, u.detail, $1, u.n
    FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::bigint[])
        AS u(family, subject, grain, start, detail, n)
    ON CONFLICT (family, subject, grain, start, detail, slot) DO UPDATE SET n = figures.n + EXCLUDED.n";

/// Where something is counted: family, subject, grain, start, detail.
type Place<'c> = (&'static str, Cow<'c, str>, &'static str, DateTime<Utc>, Cow<'c, str>);

/// Forgets what is too old, and counts.
pub(super) fn write<'c>(changes: &'c ChangeSet, slot: i16, plan: &mut Plan<'c>) {
    if let Some(oldest) = &changes.forget_figures {
        let sql = "DELETE FROM figures AS f USING ( \
                       SELECT family, subject, grain, start, detail, slot FROM figures \
                       WHERE (grain = 'minute' AND start < $1) OR (grain = 'hour' AND start < $2) \
                           OR (grain = 'day' AND start < $3) \
                       LIMIT $4 \
                   ) AS gone WHERE f.family = gone.family AND f.subject = gone.subject AND f.grain = gone.grain \
                       AND f.start = gone.start AND f.detail = gone.detail AND f.slot = gone.slot";
        let [minutes, hours, days] = [oldest.minutes, oldest.hours, oldest.days].map(rows::instant);
        plan.add(sql, params![minutes, hours, days, rows::limit(limits::UPKEEP_STEP)]);
    }
    let counted = counted(changes);
    if !counted.is_empty() {
        let mut params = columns(&counted, slot);
        let most = |family: &Family| family.most_details().map(rows::limit);
        params.push(Box::new(counted.values().map(|(_, family)| most(family)).collect::<Vec<_>>()));
        plan.add(COUNT, params);
    }
    let copied = copied(changes);
    if !copied.is_empty() {
        plan.add(COPY, columns(&copied, slot));
    }
}

/// Places, in the order of the primary key, with how many more, and what is counted there.
type Counts<'c> = BTreeMap<Place<'c>, (i64, Family)>;

fn place(figure: &Figure, grain: Grain, start: Timestamp) -> Place<'_> {
    let (subject, detail) = (rows::text(&figure.subject), rows::text(&figure.detail));
    (figure.family.as_str(), subject, grain.as_str(), rows::instant(start), detail)
}

fn counted(changes: &ChangeSet) -> Counts<'_> {
    let counted = changes.counted();
    counted.map(|(figure, grain, start, n)| (place(figure, grain, start), (n, figure.family))).collect()
}

fn copied(changes: &ChangeSet) -> Counts<'_> {
    let copied = changes.figure_points.iter().map(|FigureWrite { figure, grain, start, count }| {
        (place(figure, *grain, *start), (rows::bigint(*count), figure.family))
    });
    copied.collect()
}

/// The values of the columns, behind the slot.
fn columns<'c>(counts: &Counts<'c>, slot: i16) -> Vec<Param<'c>> {
    params![
        slot,
        counts.keys().map(|(family, ..)| *family).collect::<Vec<_>>(),
        counts.keys().map(|(_, subject, ..)| subject.clone()).collect::<Vec<_>>(),
        counts.keys().map(|(_, _, grain, ..)| *grain).collect::<Vec<_>>(),
        counts.keys().map(|(_, _, _, start, _)| *start).collect::<Vec<_>>(),
        counts.keys().map(|(.., detail)| detail.clone()).collect::<Vec<_>>(),
        counts.values().map(|(n, _)| *n).collect::<Vec<_>>(),
    ]
}
