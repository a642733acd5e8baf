//! Records on shelves, each guarded by what it was.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::change::ChangeSet;
use crate::store::Result;
use crate::store::postgres::pipeline::Param;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;
use crate::store::shelves;

use super::last_words;

/// What a change set that came too late was decided on.
const GUARDED: &str = "a record on a shelf";

/// A record's shelf and key, what it was, and what it is to be.
type Word<'c> = ((&'static str, Cow<'c, str>), (Option<&'c [u8]>, Option<&'c [u8]>));

/// Writes them all: a statement for those that come, one for those that change, and one for those that go.
pub(super) fn write<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> Result<()> {
    shelves::check(&changes.entries)?;
    let words = changes.entries.iter().map(|write| {
        let place = (write.shelf.as_str(), rows::text(&write.key));
        (place, (write.was.as_deref(), write.value.as_deref()))
    });
    let words: BTreeMap<_, _> = last_words(words);
    let (fresh, known): (Vec<Word<'_>>, Vec<_>) = words.into_iter().partition(|(_, (was, _))| was.is_none());
    let fresh: Vec<_> = fresh.into_iter().filter(|(_, (_, value))| value.is_some()).collect();
    let (changed, gone): (Vec<_>, Vec<_>) = known.into_iter().partition(|(_, (_, value))| value.is_some());
    if !fresh.is_empty() {
        let sql = "INSERT INTO shelves (shelf, key, value) \
                   SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) ON CONFLICT DO NOTHING";
        let mut params = places(&fresh);
        params.extend(params![values(&fresh)]);
        plan.expect(sql, params, fresh.len(), GUARDED);
    }
    if !changed.is_empty() {
        let sql = "UPDATE shelves AS s SET value = u.value \
                   FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) AS u(shelf, key, was, value) \
                   WHERE s.shelf = u.shelf AND s.key = u.key AND s.value = u.was";
        let mut params = places(&changed);
        params.extend(params![befores(&changed), values(&changed)]);
        plan.expect(sql, params, changed.len(), GUARDED);
    }
    if !gone.is_empty() {
        let sql = "DELETE FROM shelves AS s \
                   USING unnest($1::text[], $2::text[], $3::bytea[]) AS u(shelf, key, was) \
                   WHERE s.shelf = u.shelf AND s.key = u.key AND s.value = u.was";
        let mut params = places(&gone);
        params.extend(params![befores(&gone)]);
        plan.expect(sql, params, gone.len(), GUARDED);
    }
    Ok(())
}

fn places<'c>(words: &[Word<'c>]) -> Vec<Param<'c>> {
    params![
        words.iter().map(|((shelf, _), _)| *shelf).collect::<Vec<_>>(),
        words.iter().map(|((_, key), _)| key.clone()).collect::<Vec<_>>(),
    ]
}

fn befores<'c>(words: &[Word<'c>]) -> Vec<Option<&'c [u8]>> {
    words.iter().map(|(_, (was, _))| *was).collect()
}

fn values<'c>(words: &[Word<'c>]) -> Vec<Option<&'c [u8]>> {
    words.iter().map(|(_, (_, value))| *value).collect()
}
