//! Records that no list hands out. A place is the number of records up to it: what is copied does not change meanwhile.

use super::state::{Kept, State};
use crate::domain::change::{ExternalIdWrite, LeafPageWrite, SeenWrite};
use crate::store::{RecordPart, Result, StoreError, Unlisted};

impl State {
    pub(super) fn unlisted(&self, kind: Unlisted, after: Option<&[u8]>, limit: usize) -> Result<RecordPart> {
        let first = after.map_or(Ok(0), read_place)?;
        let mut part = RecordPart::default();
        let looked_at = match kind {
            Unlisted::Events => {
                let events = self.events.values().skip(first).take(limit);
                events.map(|logged| part.add_event(logged.event.clone())).count()
            }
            Unlisted::LeafPages => {
                let pages = self.leaf_pages.iter().skip(first).take(limit);
                let write = |((owner, leaf, number), page): (&(_, _, _), &Vec<u8>)| LeafPageWrite {
                    owner: Clone::clone(owner),
                    leaf: *leaf,
                    number: *number,
                    page: Some(page.clone()),
                };
                pages.map(|page| part.add_page(write(page))).count()
            }
            Unlisted::MessageIds => {
                let messages = self.seen.iter().skip(first).take(limit);
                let add = |((user, message), at): (&(_, _), &_)| {
                    part.add_message(SeenWrite { user: Clone::clone(user), message: *message, at: *at });
                };
                messages.map(add).count()
            }
            Unlisted::ExternalIds => {
                let ids =
                    self.external_ids.iter().flat_map(|(of, users)| users.iter().map(move |user| (of, user)));
                let add = |((kind, id), user): (&(String, String), &_)| {
                    let (kind, id, user) = (kind.clone(), id.clone(), Clone::clone(user));
                    part.add_external_id(ExternalIdWrite { kind, id, user, present: true });
                };
                ids.skip(first).take(limit).map(add).count()
            }
            Unlisted::ArchivedJourneys => {
                let archived = self.journeys.values().filter_map(|kept| match kept {
                    Kept::Archive(journey) => Some(journey),
                    Kept::Profile(_) => None,
                });
                archived.skip(first).take(limit).map(|journey| part.add_archived((**journey).clone())).count()
            }
            Unlisted::Figures => {
                let figures = self.all_figures().skip(first).take(limit);
                figures.map(|figure| part.add_figure(figure)).count()
            }
        };
        part.last = (looked_at > 0).then(|| (first + looked_at).to_be_bytes().to_vec());
        Ok(part)
    }
}

fn read_place(place: &[u8]) -> Result<usize> {
    place.try_into().map(usize::from_be_bytes).map_err(|_| StoreError::Cursor(hex::encode(place)))
}
