//! Profiles and what is kept beside them: pages of leaves, message ids, timers, external ids.

use tokio_postgres::Row;

use super::super::PostgresStore;
use super::super::rows::{
    self, column, instant, key, limit, name_of_user, number, read_body, read_instant, read_key, shard,
    shard_of_external_id, text,
};
use super::{Places, in_order};
use crate::domain::ids::{LeafId, UserKey};
use crate::domain::profile::{MessageHash, Profile};
use crate::domain::time::Timestamp;
use crate::store::{Result, codec};

/// The profile in a row that has `revision` and the column `body` of that name.
pub(super) fn read_profile(user: &UserKey, row: &Row, body: &str) -> Result<Profile> {
    let profile: Profile = read_body(|| name_of_user("profile", b"p", user), column(row, body)?)?;
    Ok(Profile { revision: number(column(row, "revision")?), ..profile })
}

impl PostgresStore {
    pub(in super::super) async fn profiles(&self, users: &[UserKey]) -> Result<Vec<Option<Profile>>> {
        const SQL: &str = "\
            SELECT w.place, p.revision, p.body
            FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS w (shard, user_key, place)
            JOIN profiles p ON p.shard = w.shard AND p.user_key = w.user_key";
        let Places { shards, keys } = Places::of(users);
        let rows = self.query(SQL, &[&shards, &keys]).await?;
        in_order(users.len(), &rows, |place, row| read_profile(&users[place], row, "body"))
    }

    pub(in super::super) async fn profile(&self, user: &UserKey) -> Result<Option<Profile>> {
        const SQL: &str = "SELECT revision, body FROM profiles WHERE shard = $1 AND user_key = $2";
        let row = self.row(SQL, &[&shard(user), &key(user)]).await?;
        row.map(|row| read_profile(user, &row, "body")).transpose()
    }

    pub(in super::super) async fn profiles_after(
        &self,
        after: Option<&UserKey>,
        most: usize,
    ) -> Result<(Vec<Profile>, Option<UserKey>)> {
        const SQL: &str = "\
            SELECT user_key, revision, body FROM profiles WHERE user_key > $1 ORDER BY user_key LIMIT $2";
        let after = after.map(key).unwrap_or_default();
        let rows = self.query(SQL, &[&after, &limit(most)]).await?;
        let mut last = None;
        let mut profiles = Vec::with_capacity(rows.len());
        for row in &rows {
            let user = read_key(column(row, "user_key")?)?;
            profiles.push(read_profile(&user, row, "body")?);
            last = Some(user);
        }
        Ok((profiles, last))
    }

    pub(in super::super) async fn leaf_pages(
        &self,
        wanted: &[(UserKey, LeafId, u32)],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        const SQL: &str = "\
            SELECT w.place, p.page
            FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::bigint[])
                WITH ORDINALITY AS w (shard, owner_key, leaf, number, place)
            JOIN leaf_pages p ON p.shard = w.shard AND p.owner_key = w.owner_key AND p.leaf = w.leaf
                AND p.number = w.number";
        let Places { shards, keys } = Places::of(wanted.iter().map(|(owner, ..)| owner));
        let leaves: Vec<i64> = wanted.iter().map(|(_, leaf, _)| rows::leaf(*leaf)).collect();
        let numbers: Vec<i64> = wanted.iter().map(|(.., number)| i64::from(*number)).collect();
        let rows = self.query(SQL, &[&shards, &keys, &leaves, &numbers]).await?;
        in_order(wanted.len(), &rows, |_, row| column(row, "page"))
    }

    pub(in super::super) async fn seen(
        &self,
        messages: &[(UserKey, MessageHash)],
    ) -> Result<Vec<Option<Timestamp>>> {
        const SQL: &str = "\
            SELECT w.place, s.at
            FROM unnest($1::smallint[], $2::text[], $3::bytea[])
                WITH ORDINALITY AS w (shard, user_key, message, place)
            JOIN seen s ON s.shard = w.shard AND s.user_key = w.user_key AND s.message = w.message";
        let Places { shards, keys } = Places::of(messages.iter().map(|(user, _)| user));
        let hashes: Vec<&[u8]> = messages.iter().map(|(_, message)| message.as_slice()).collect();
        let rows = self.query(SQL, &[&shards, &keys, &hashes]).await?;
        in_order(messages.len(), &rows, |_, row| read_instant(row, "at"))
    }

    pub(in super::super) async fn expired_seen(
        &self,
        before: Timestamp,
        most: usize,
    ) -> Result<Vec<(UserKey, MessageHash)>> {
        const SQL: &str = "SELECT user_key, message FROM seen WHERE at < $1 ORDER BY at LIMIT $2";
        let rows = self.query(SQL, &[&instant(before), &limit(most)]).await?;
        let message = |row: &Row| {
            let user = read_key(column(row, "user_key")?)?;
            let message: &[u8] = column(row, "message")?;
            let wrong = |_| codec::corrupt(&name_of_user("message id", b"h", &user), "not of 16 bytes");
            Ok((user.clone(), message.try_into().map_err(wrong)?))
        };
        rows.iter().map(message).collect()
    }

    pub(in super::super) async fn due_timers(
        &self,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<(Timestamp, UserKey)>> {
        const SQL: &str = "\
            SELECT wake_at, user_key FROM profiles
            WHERE wake_at IS NOT NULL AND wake_at <= $1 ORDER BY wake_at, user_key LIMIT $2";
        let rows = self.query(SQL, &[&instant(now), &limit(most)]).await?;
        rows.iter()
            .map(|row| Ok((read_instant(row, "wake_at")?, read_key(column(row, "user_key")?)?)))
            .collect()
    }

    pub(in super::super) async fn next_timer(&self) -> Result<Option<Timestamp>> {
        const SQL: &str = "\
            SELECT wake_at FROM profiles WHERE wake_at IS NOT NULL ORDER BY wake_at, user_key LIMIT 1";
        self.row(SQL, &[]).await?.map(|row| read_instant(&row, "wake_at")).transpose()
    }

    pub(in super::super) async fn users_by_external_id(
        &self,
        kind: &str,
        id: &str,
        most: usize,
    ) -> Result<Vec<UserKey>> {
        const SQL: &str = "\
            SELECT user_key FROM external_ids WHERE shard = $1 AND kind = $2 AND id = $3
            ORDER BY user_key LIMIT $4";
        let shard = shard_of_external_id(kind, id);
        let rows = self.query(SQL, &[&shard, &text(kind), &text(id), &limit(most)]).await?;
        rows.iter().map(|row| read_key(column(row, "user_key")?)).collect()
    }
}
