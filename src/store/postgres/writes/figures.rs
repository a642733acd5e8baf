//! Figures over time: each writer adds to rows of its own; readers add them up.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::change::ChangeSet;
use crate::domain::figures::{Family, Figure, FigureWrite, Grain};
use crate::domain::limits;
use crate::domain::time::Timestamp;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;

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
    if counted.is_empty() {
        return;
    }
    // A point has only so much room for what is posted; a detail that it has already needs none.
    let sql = "INSERT INTO figures (family, subject, grain, start, detail, slot, n) \
               SELECT u.family, u.subject, u.grain, u.start, u.detail, $1, u.n \
               FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::bigint[], $8::bigint[]) \
                   AS u(family, subject, grain, start, detail, n, most) \
               WHERE u.most IS NULL OR EXISTS ( \
                   SELECT 1 FROM figures AS f WHERE f.family = u.family AND f.subject = u.subject AND f.grain = u.grain \
                       AND f.start = u.start AND f.detail = u.detail \
               ) OR u.most > ( \
                   SELECT count(DISTINCT f.detail) FROM figures AS f WHERE f.family = u.family AND f.subject = u.subject \
                       AND f.grain = u.grain AND f.start = u.start \
               ) \
               ON CONFLICT (family, subject, grain, start, detail, slot) DO UPDATE SET n = figures.n + EXCLUDED.n";
    let most = |family: Family| family.most_details().map(rows::limit);
    let params = params![
        slot,
        counted.keys().map(|(family, ..)| *family).collect::<Vec<_>>(),
        counted.keys().map(|(_, subject, ..)| subject.clone()).collect::<Vec<_>>(),
        counted.keys().map(|(_, _, grain, ..)| *grain).collect::<Vec<_>>(),
        counted.keys().map(|(_, _, _, start, _)| *start).collect::<Vec<_>>(),
        counted.keys().map(|(.., detail)| detail.clone()).collect::<Vec<_>>(),
        counted.values().map(|(change, _)| *change).collect::<Vec<_>>(),
        counted.values().map(|(_, family)| most(*family)).collect::<Vec<_>>(),
    ];
    plan.add(sql, params);
}

fn place(figure: &Figure, grain: Grain, start: Timestamp) -> Place<'_> {
    let (subject, detail) = (rows::text(&figure.subject), rows::text(&figure.detail));
    (figure.family.as_str(), subject, grain.as_str(), rows::instant(start), detail)
}

/// What is counted where, in the order of the primary key.
fn counted(changes: &ChangeSet) -> BTreeMap<Place<'_>, (i64, Family)> {
    let mut counted = BTreeMap::new();
    let happened = changes.figures.iter().filter(|(_, change)| **change != 0);
    for (figure, change) in happened.filter(|_| changes.at != Timestamp::default()) {
        for grain in figure.family.grains() {
            let place = place(figure, *grain, grain.start_of(changes.at));
            counted.insert(place, (*change, figure.family));
        }
    }
    for FigureWrite { figure, grain, start, count } in &changes.figure_points {
        counted.insert(place(figure, *grain, *start), (rows::bigint(*count), figure.family));
    }
    counted
}
