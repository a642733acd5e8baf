//! Members of audiences, and their sizes over time.

use std::collections::BTreeMap;

use super::lists::size;
use super::state::State;
use crate::domain::change::{ChangeSet, MembershipWrite};
use crate::domain::limits;
use crate::domain::sizes::{Per, SizePoint};
use crate::domain::time::Timestamp;

/// The points of one audience, by what they are per and when they begin.
pub(super) type Sizes = BTreeMap<(Per, Timestamp), SizePoint>;

impl State {
    pub(super) fn apply_members(&mut self, changes: &ChangeSet) {
        if let Some((hours_before, days_before)) = changes.forget_sizes_before {
            self.forget_sizes(hours_before, days_before);
        }
        for write in &changes.memberships {
            let was_in = self.put_membership(write);
            let counts =
                changes.at != Timestamp::default() && !changes.drop_members.contains(&write.audience_id);
            if counts && was_in != write.since.is_some() {
                self.count_in_or_out(&write.audience_id, !was_in, changes.at);
            }
        }
        for write in &changes.sizes {
            let points = self.sizes.entry(write.audience_id.clone()).or_default();
            points.insert((write.per, write.point.start), write.point);
        }
        for audience_id in &changes.drop_members {
            self.drop_members(audience_id, changes.drop_members_limit);
        }
    }

    /// Says whether he was in before.
    fn put_membership(&mut self, write: &MembershipWrite) -> bool {
        let members = self.members.entry(write.audience_id.clone()).or_default();
        let was = match write.since {
            Some(since) => members.insert(write.user.clone(), since),
            None => members.remove(&write.user),
        };
        if members.is_empty() {
            self.members.remove(&write.audience_id);
        }
        was.is_some()
    }

    fn count_in_or_out(&mut self, audience_id: &str, is_in: bool, at: Timestamp) {
        let members = self.members.get(audience_id).map_or(0, BTreeMap::len);
        let sizes = self.sizes.entry(audience_id.to_owned()).or_default();
        for per in Per::ALL {
            let start = per.start_of(at);
            let fresh = SizePoint { start, entered: 0, exited: 0, size: 0 };
            let point = sizes.entry((per, start)).or_insert(fresh);
            point.entered += u64::from(is_in);
            point.exited += u64::from(!is_in);
            point.size = size(members);
        }
    }

    fn drop_members(&mut self, audience_id: &str, limit: usize) {
        if let Some(members) = self.members.get_mut(audience_id) {
            for _ in 0..limit {
                members.pop_first();
            }
            if members.is_empty() {
                self.members.remove(audience_id);
            }
        }
        if let Some(sizes) = self.sizes.get_mut(audience_id) {
            for _ in 0..limit {
                sizes.pop_first();
            }
            if sizes.is_empty() {
                self.sizes.remove(audience_id);
            }
        }
    }

    /// The points that began too long ago: those of the first audience first, its hours before its days.
    fn sizes_before(
        &self,
        hours_before: Timestamp,
        days_before: Timestamp,
    ) -> impl Iterator<Item = (&String, (Per, Timestamp))> {
        let points = self.sizes.iter().flat_map(|(id, sizes)| sizes.keys().map(move |point| (id, *point)));
        points.filter(move |(_, (per, start))| match per {
            Per::Hour => *start < hours_before,
            Per::Day => *start < days_before,
        })
    }

    pub(super) fn has_sizes_before(&self, hours_before: Timestamp, days_before: Timestamp) -> bool {
        self.sizes_before(hours_before, days_before).next().is_some()
    }

    fn forget_sizes(&mut self, hours_before: Timestamp, days_before: Timestamp) {
        let old = self.sizes_before(hours_before, days_before).take(limits::UPKEEP_STEP);
        let old: Vec<_> = old.map(|(id, point)| (id.clone(), point)).collect();
        for (id, point) in old {
            if let Some(sizes) = self.sizes.get_mut(&id) {
                sizes.remove(&point);
            }
        }
        self.sizes.retain(|_, sizes| !sizes.is_empty());
    }

    pub(super) fn audience_sizes(
        &self,
        audience_id: &str,
        per: Per,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<SizePoint> {
        let points = self.sizes.get(audience_id).into_iter().flatten();
        let wanted = points.filter(|((of, start), _)| *of == per && from <= *start && *start < to);
        wanted.map(|(_, point)| *point).collect()
    }
}
