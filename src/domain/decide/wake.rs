//! What there is to do when a user's timer fires: it is decided from his state, so early, late or double is harmless.

use super::Decision;
use super::compute::earliest;
use crate::domain::delivery::Cause;
use crate::domain::ids::Desk;
use crate::domain::profile::Profile;

impl Decision<'_> {
    /// Looks at everything that time can change for this user, and sets his timer anew.
    pub fn wake(&mut self, profile: &mut Profile) {
        if let Some(desk) = profile.key.clone().desk_of() {
            return self.wake_desk(profile, &desk);
        }
        profile.updated_at = self.now;
        self.escalate(profile);
        self.forget_during_backfill(profile);
        let touched = self.all_with_state(profile);
        let computed = self.evaluate(profile, touched, &Cause::Time);
        profile.wake_at = earliest(computed, self.journeys_wake(profile));
    }

    fn wake_desk(&mut self, profile: &mut Profile, desk: &Desk<'_>) {
        match desk {
            Desk::Team(key) => self.wake_team(profile, key),
            Desk::Flow(_) => self.set_desk_timer(profile),
        }
    }

    /// Looks at a user's journeys because the rules of a flow changed.
    pub fn revisit(&mut self, profile: &mut Profile) {
        self.index_open_runs(profile);
        self.escalate(profile);
        let wake = self.journeys_wake(profile);
        super::compute::arm(profile, wake);
    }
}
