//! Profiles, and what is kept beside them: pages of leaves, message ids, ids that they are found by.

use crate::domain::change::{ChangeSet, ProfileWrite};
use crate::domain::ids::UserKey;
use crate::domain::profile::MessageHash;
use crate::store::Result;
use crate::store::postgres::plan::{Plan, params};
use crate::store::postgres::rows;

use super::last_words;

/// Writes them all.
pub(super) fn write<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) -> Result<()> {
    let (fresh, known): (Vec<_>, Vec<_>) = changes.profiles.iter().partition(|write| write.is_new);
    insert_profiles(fresh, plan)?;
    update_profiles(known, plan)?;
    write_leaf_pages(changes, plan);
    write_seen(changes, plan);
    write_external_ids(changes, plan);
    Ok(())
}

/// In the order of the primary key.
fn sorted(writes: Vec<&ProfileWrite>) -> Vec<(i16, &ProfileWrite)> {
    let mut sorted: Vec<_> =
        writes.into_iter().map(|write| (rows::shard(&write.profile.key), write)).collect();
    sorted.sort_unstable_by(|(a, one), (b, other)| (a, &one.profile.key).cmp(&(b, &other.profile.key)));
    sorted
}

fn bodies(writes: &[(i16, &ProfileWrite)]) -> Result<Vec<Vec<u8>>> {
    let body = |(_, write): &(i16, &ProfileWrite)| {
        rows::body(|| rows::name_of_user("profile", b"p", &write.profile.key), &write.profile)
    };
    writes.iter().map(body).collect()
}

fn insert_profiles<'c>(writes: Vec<&'c ProfileWrite>, plan: &mut Plan<'c>) -> Result<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO profiles (shard, user_key, revision, wake_at, is_merged, body) \
               SELECT * FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::timestamptz[], $5::boolean[], $6::bytea[]) \
               ON CONFLICT DO NOTHING";
    let writes = sorted(writes);
    let params = params![
        writes.iter().map(|(shard, _)| *shard).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| rows::key(&write.profile.key)).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| rows::bigint(write.profile.revision + 1)).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| write.profile.wake_at.map(rows::instant)).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| write.profile.merged_into.is_some()).collect::<Vec<_>>(),
        bodies(&writes)?,
    ];
    plan.expect(sql, params, writes.len(), "a profile");
    Ok(())
}

fn update_profiles<'c>(writes: Vec<&'c ProfileWrite>, plan: &mut Plan<'c>) -> Result<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE profiles AS p SET revision = u.revision + 1, wake_at = u.wake_at, is_merged = u.is_merged, body = u.body \
               FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::timestamptz[], $5::boolean[], $6::bytea[]) \
                   AS u(shard, user_key, revision, wake_at, is_merged, body) \
               WHERE p.shard = u.shard AND p.user_key = u.user_key AND p.revision = u.revision";
    let writes = sorted(writes);
    let params = params![
        writes.iter().map(|(shard, _)| *shard).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| rows::key(&write.profile.key)).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| rows::bigint(write.profile.revision)).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| write.profile.wake_at.map(rows::instant)).collect::<Vec<_>>(),
        writes.iter().map(|(_, write)| write.profile.merged_into.is_some()).collect::<Vec<_>>(),
        bodies(&writes)?,
    ];
    plan.expect(sql, params, writes.len(), "a profile");
    Ok(())
}

fn write_leaf_pages<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) {
    if !changes.drop_leaves.is_empty() {
        let sql = "DELETE FROM leaf_pages AS l USING unnest($1::smallint[], $2::text[], $3::bigint[]) AS u(shard, owner_key, leaf) \
                   WHERE l.shard = u.shard AND l.owner_key = u.owner_key AND l.leaf = u.leaf";
        let leaves = &changes.drop_leaves;
        let params = params![
            leaves.iter().map(|(owner, _)| rows::shard(owner)).collect::<Vec<_>>(),
            leaves.iter().map(|(owner, _)| rows::key(owner)).collect::<Vec<_>>(),
            leaves.iter().map(|(_, leaf)| rows::leaf(*leaf)).collect::<Vec<_>>(),
        ];
        plan.add(sql, params);
    }
    let place = |owner, leaf, number: u32| {
        (rows::shard(owner), rows::key(owner), rows::leaf(leaf), i64::from(number))
    };
    let mut pages: Vec<_> = changes
        .leaf_pages
        .iter()
        .map(|write| (place(&write.owner, write.leaf, write.number), write.page.as_deref()))
        .collect();
    pages.sort_unstable();
    let (put, gone): (Vec<_>, Vec<_>) = pages.into_iter().partition(|(_, page)| page.is_some());
    if !gone.is_empty() {
        let sql = "DELETE FROM leaf_pages AS l \
                   USING unnest($1::smallint[], $2::text[], $3::bigint[], $4::bigint[]) AS u(shard, owner_key, leaf, number) \
                   WHERE l.shard = u.shard AND l.owner_key = u.owner_key AND l.leaf = u.leaf AND l.number = u.number";
        let params = params![
            gone.iter().map(|((shard, ..), _)| *shard).collect::<Vec<_>>(),
            gone.iter().map(|((_, owner, ..), _)| owner.clone()).collect::<Vec<_>>(),
            gone.iter().map(|((.., leaf, _), _)| *leaf).collect::<Vec<_>>(),
            gone.iter().map(|((.., number), _)| *number).collect::<Vec<_>>(),
        ];
        plan.add(sql, params);
    }
    if !put.is_empty() {
        let sql = "INSERT INTO leaf_pages (shard, owner_key, leaf, number, page) \
                   SELECT * FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[]) \
                   ON CONFLICT (shard, owner_key, leaf, number) DO UPDATE SET page = EXCLUDED.page";
        let params = params![
            put.iter().map(|((shard, ..), _)| *shard).collect::<Vec<_>>(),
            put.iter().map(|((_, owner, ..), _)| owner.clone()).collect::<Vec<_>>(),
            put.iter().map(|((.., leaf, _), _)| *leaf).collect::<Vec<_>>(),
            put.iter().map(|((.., number), _)| *number).collect::<Vec<_>>(),
            put.iter().map(|(_, page)| *page).collect::<Vec<_>>(),
        ];
        plan.add(sql, params);
    }
}

fn write_seen<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) {
    let place =
        |user: &'c UserKey, message: &'c MessageHash| (rows::shard(user), rows::key(user), &message[..]);
    let put = changes.seen.iter().map(|write| (place(&write.user, &write.message), Some(write.at)));
    let gone = changes.forget_seen.iter().map(|(user, message)| (place(user, message), None));
    let (put, gone): (Vec<_>, Vec<_>) =
        last_words(put.chain(gone)).into_iter().partition(|(_, at)| at.is_some());
    if !gone.is_empty() {
        let sql = "DELETE FROM seen AS s USING unnest($1::smallint[], $2::text[], $3::bytea[]) AS u(shard, user_key, message) \
                   WHERE s.shard = u.shard AND s.user_key = u.user_key AND s.message = u.message";
        let params = params![
            gone.iter().map(|((shard, ..), _)| *shard).collect::<Vec<_>>(),
            gone.iter().map(|((_, user, _), _)| user.clone()).collect::<Vec<_>>(),
            gone.iter().map(|((.., message), _)| *message).collect::<Vec<_>>(),
        ];
        plan.add(sql, params);
    }
    if !put.is_empty() {
        let sql = "INSERT INTO seen (shard, user_key, message, at) \
                   SELECT * FROM unnest($1::smallint[], $2::text[], $3::bytea[], $4::timestamptz[]) \
                   ON CONFLICT (shard, user_key, message) DO UPDATE SET at = EXCLUDED.at";
        let params = params![
            put.iter().map(|((shard, ..), _)| *shard).collect::<Vec<_>>(),
            put.iter().map(|((_, user, _), _)| user.clone()).collect::<Vec<_>>(),
            put.iter().map(|((.., message), _)| *message).collect::<Vec<_>>(),
            put.iter().map(|(_, at)| at.map(rows::instant)).collect::<Vec<_>>(),
        ];
        plan.add(sql, params);
    }
}

fn write_external_ids<'c>(changes: &'c ChangeSet, plan: &mut Plan<'c>) {
    let words = changes.external_ids.iter().map(|write| {
        let shard = rows::shard_of_external_id(&write.kind, &write.id);
        ((shard, rows::text(&write.kind), rows::text(&write.id), rows::key(&write.user)), write.present)
    });
    let (put, gone): (Vec<_>, Vec<_>) = last_words(words).into_iter().partition(|(_, present)| *present);
    for (words, sql) in [
        (
            put,
            "INSERT INTO external_ids (shard, kind, id, user_key) \
             SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING",
        ),
        (
            gone,
            "DELETE FROM external_ids AS e \
             USING unnest($1::smallint[], $2::text[], $3::text[], $4::text[]) AS u(shard, kind, id, user_key) \
             WHERE e.shard = u.shard AND e.kind = u.kind AND e.id = u.id AND e.user_key = u.user_key",
        ),
    ] {
        if !words.is_empty() {
            let params = params![
                words.iter().map(|((shard, ..), _)| *shard).collect::<Vec<_>>(),
                words.iter().map(|((_, kind, ..), _)| kind.clone()).collect::<Vec<_>>(),
                words.iter().map(|((_, _, id, _), _)| id.clone()).collect::<Vec<_>>(),
                words.iter().map(|((.., user), _)| user.clone()).collect::<Vec<_>>(),
            ];
            plan.add(sql, params);
        }
    }
}
