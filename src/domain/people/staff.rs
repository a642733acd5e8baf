//! All people, and what may become of them.

use super::person::{Person, PersonChange};
use crate::domain::ids::PersonId;
use crate::domain::limits;
use crate::domain::time::Timestamp;

/// Why something was not done with a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StaffError {
    /// There is no such person.
    #[error("there is no such person")]
    Unknown,
    /// Somebody has that address.
    #[error("somebody signs in with {0} already")]
    Taken(String),
    /// Nobody would be left who may admit people.
    #[error("this is the last admin who can sign in; make somebody else admin first")]
    LastAdmin,
    /// There are too many.
    #[error("there are {} people, and more are not possible; remove somebody first", limits::MAX_PEOPLE)]
    TooMany,
    /// The first admin is there.
    #[error("the set-up is done: there is an admin, who can admit others")]
    SetUp,
}

impl StaffError {
    /// Its name, and whose address it is about, where it is about one.
    pub fn code(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Unknown => ("unknown", None),
            Self::Taken(email) => ("taken", Some(email)),
            Self::LastAdmin => ("last_admin", None),
            Self::TooMany => ("too_many", None),
            Self::SetUp => ("set_up", None),
        }
    }
}

/// All people.
#[derive(Clone, Debug, Default)]
pub struct Staff(pub Vec<Person>);

impl Staff {
    /// The one with that id.
    ///
    /// # Errors
    /// [`StaffError::Unknown`].
    pub fn find(&self, id: PersonId) -> Result<&Person, StaffError> {
        self.0.iter().find(|person| person.id == id).ok_or(StaffError::Unknown)
    }

    /// Whether somebody can admit others.
    pub fn has_admin(&self) -> bool {
        self.0.iter().any(Person::is_active_admin)
    }

    /// Whether that person can be admitted.
    ///
    /// # Errors
    /// His address is somebody's, or there are too many.
    pub fn may_add(&self, person: &Person) -> Result<(), StaffError> {
        if self.0.iter().any(|known| known.email == person.email) {
            return Err(StaffError::Taken(person.email.clone()));
        }
        if self.0.len() >= limits::MAX_PEOPLE { Err(StaffError::TooMany) } else { Ok(()) }
    }

    /// The person as he is to be. Where he may do something else now, or signs in otherwise, his sessions end.
    ///
    /// # Errors
    /// He is unknown, his new address is somebody's, or no admin would be left.
    pub fn changed(&self, id: PersonId, change: &PersonChange, now: Timestamp) -> Result<Person, StaffError> {
        let before = self.find(id)?;
        let mut after = before.clone();
        let PersonChange { email, name, role, disabled } = change.clone();
        after.email = email.unwrap_or(after.email);
        after.name = name.unwrap_or(after.name);
        after.role = role.unwrap_or(after.role);
        after.disabled = disabled.unwrap_or(after.disabled);
        if after == *before {
            return Ok(after);
        }
        if self.0.iter().any(|known| known.id != id && known.email == after.email) {
            return Err(StaffError::Taken(after.email));
        }
        if !after.is_active_admin() {
            self.without(id)?;
        }
        let access = |it: &Person| (it.email.clone(), it.role, it.disabled);
        if access(&after) != access(before) {
            after.end_sessions();
        }
        after.updated_at = now;
        Ok(after)
    }

    /// Makes sure that an admin is left where that person is none any more: answers one, if it matters.
    ///
    /// # Errors
    /// He is the last one.
    pub fn without(&self, id: PersonId) -> Result<Option<&Person>, StaffError> {
        if !self.find(id)?.is_active_admin() {
            return Ok(None);
        }
        let other = self.0.iter().find(|other| other.id != id && other.is_active_admin());
        other.map(Some).ok_or(StaffError::LastAdmin)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::password::PasswordHash;
    use super::super::scope::Role;
    use super::*;

    /// Somebody.
    pub(in crate::domain::people) fn person(number: i64, email: &str, role: Role) -> Person {
        let at = Timestamp::from_millis(1_790_000_000_000 + number);
        Person {
            id: PersonId::floor(at),
            email: email.to_owned(),
            name: email.to_owned(),
            role,
            password: PasswordHash(String::new()),
            disabled: false,
            generation: 0,
            created_at: at,
            updated_at: at,
            seen_at: None,
            sessions: Vec::new(),
        }
    }

    fn staff() -> (Staff, PersonId, PersonId) {
        let (ann, bob) = (person(1, "ann@x.y", Role::Admin), person(2, "bob@x.y", Role::Viewer));
        let ids = (ann.id, bob.id);
        (Staff(vec![ann, bob]), ids.0, ids.1)
    }

    #[test]
    fn the_last_admin_stays() {
        let (mut staff, ann, bob) = staff();
        let now = Timestamp::from_millis(1_790_000_100_000);
        let viewer = PersonChange { role: Some(Role::Viewer), ..PersonChange::default() };
        let disabled = PersonChange { disabled: Some(true), ..PersonChange::default() };
        assert_eq!(staff.without(ann), Err(StaffError::LastAdmin));
        assert_eq!(staff.changed(ann, &viewer, now), Err(StaffError::LastAdmin));
        assert_eq!(staff.changed(ann, &disabled, now), Err(StaffError::LastAdmin));
        assert_eq!(staff.without(bob), Ok(None), "a viewer may go");
        staff.0[1].role = Role::Admin;
        assert_eq!(staff.without(ann).unwrap().unwrap().id, bob, "the other one is who counts on");
        staff.0[1].disabled = true;
        assert_eq!(staff.without(ann), Err(StaffError::LastAdmin), "who can't sign in admits nobody");
        assert!(staff.has_admin());
    }

    #[test]
    fn addresses_are_one_persons() {
        let (staff, ann, bob) = staff();
        let now = Timestamp::from_millis(1_790_000_100_000);
        assert_eq!(staff.may_add(&person(3, "cid@x.y", Role::Viewer)), Ok(()));
        let taken = Err(StaffError::Taken("ann@x.y".to_owned()));
        assert_eq!(staff.may_add(&person(3, "ann@x.y", Role::Viewer)), taken);
        let to_ann = PersonChange { email: Some("ann@x.y".to_owned()), ..PersonChange::default() };
        assert!(matches!(staff.changed(bob, &to_ann, now), Err(StaffError::Taken(_))));
        assert_eq!(staff.changed(ann, &to_ann, now).as_ref(), Ok(&staff.0[0]), "nothing changed");
    }

    #[test]
    fn sessions_end_with_what_somebody_may_do() {
        let (staff, _, bob) = staff();
        let now = Timestamp::from_millis(1_790_000_100_000);
        let after = |change: PersonChange| staff.changed(bob, &change, now).unwrap().generation;
        assert_eq!(after(PersonChange { name: Some("Bob".to_owned()), ..PersonChange::default() }), 0);
        assert_eq!(after(PersonChange { role: Some(Role::Operator), ..PersonChange::default() }), 1);
        assert_eq!(after(PersonChange { disabled: Some(true), ..PersonChange::default() }), 1);
        assert_eq!(after(PersonChange { email: Some("b@x.y".to_owned()), ..PersonChange::default() }), 1);
    }

    #[test]
    fn there_are_not_too_many() {
        let many = (0..1000).map(|n| person(n, &format!("p{n}@x.y"), Role::Viewer));
        let staff = Staff(many.take(limits::MAX_PEOPLE).collect());
        assert_eq!(staff.may_add(&person(5000, "new@x.y", Role::Viewer)), Err(StaffError::TooMany));
    }
}
