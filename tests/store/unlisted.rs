//! What only a copy asks a store for: records that no list hands out, and how far the copy got.

use stagepost::domain::change::{ChangeSet, ExternalIdWrite, SeenWrite};
use stagepost::domain::copying::{CopyMark, CopyWrite, RecordKind};
use stagepost::domain::journey::JourneyStatus;
use stagepost::store::{Store, StoreError, Unlisted};

use crate::build::*;
use crate::writer::commit;

on_every_backend!(
    unlisted_records_come_in_parts_of_any_length,
    a_place_that_no_part_gave_is_refused,
    the_mark_of_a_copy_moves_with_its_steps,
);

const KINDS: [Unlisted; 5] = [
    Unlisted::Events,
    Unlisted::LeafPages,
    Unlisted::MessageIds,
    Unlisted::ExternalIds,
    Unlisted::ArchivedJourneys,
];

/// All of them, about `limit` at a time, in no order.
async fn all(store: &dyn Store, kind: Unlisted, limit: usize) -> Vec<String> {
    let (mut found, mut after): (Vec<String>, Option<Vec<u8>>) = (Vec::new(), None);
    loop {
        let part = store.unlisted(kind, after.as_deref(), limit).await.unwrap();
        let ChangeSet { events, leaf_pages, seen, external_ids, archived, journeys, .. } = part.changes;
        found.extend(events.iter().map(|it| format!("{it:?}")));
        found.extend(leaf_pages.iter().map(|it| format!("{it:?}")));
        found.extend(seen.iter().map(|it| format!("{it:?}")));
        found.extend(external_ids.iter().map(|it| format!("{it:?}")));
        found.extend(archived.iter().zip(&journeys).map(|it| format!("{it:?}")));
        assert_eq!(archived.len(), journeys.len());
        after = part.last;
        if after.is_none() {
            found.sort();
            return found;
        }
    }
}

async fn unlisted_records_come_in_parts_of_any_length(store: &dyn Store) {
    for kind in KINDS {
        assert!(store.unlisted(kind, None, 5).await.unwrap().last.is_none());
    }
    let users = ["", "\0", "a", "a\0b", "ÿ\u{1}\u{10ffff}", "longer than the others"].map(user);
    let mut expected: [Vec<String>; 5] = Default::default();
    for (round, which) in (0_u8..).zip(&users) {
        let mut set = changes();
        // Ids of several commits lie between each other where nodes share a store; here they do not.
        let ids = [0, 1].map(|n| event_id(10 + i64::from(round), n));
        set.events = ids.map(|id| track(id, which, 20)).into();
        set.leaf_pages = [0, 7, u32::MAX].map(|page| leaf_page(which, u64::MAX - 1, page, Some(9))).into();
        set.leaf_pages.push(leaf_page(which, 3, 1, Some(9000)));
        set.seen = [1, 200].map(|n| SeenWrite { user: which.clone(), message: [n; 16], at: at(-5) }).into();
        for kind in ["email", "phone\0", ""] {
            let (kind, id) = (kind.to_owned(), format!("x\0{}", round % 2));
            set.external_ids.push(ExternalIdWrite { kind, id, user: which.clone(), present: true });
        }
        let kept = journey(journey_id(5, u64::from(round)), which, JourneyStatus::Active);
        let ended = journey(journey_id(6, u64::from(round)), which, JourneyStatus::Completed);
        let mut owner = profile(which);
        owner.journeys.push(kept.clone());
        set.profiles.push(new_profile(owner));
        set.journeys = vec![opened(&kept), opened(&ended)];
        set.archived.push(ended.clone());
        commit(store, &set).await;
        expected[0].extend(set.events.iter().map(|it| format!("{it:?}")));
        expected[1].extend(set.leaf_pages.iter().map(|it| format!("{it:?}")));
        expected[2].extend(set.seen.iter().map(|it| format!("{it:?}")));
        expected[3].extend(set.external_ids.iter().map(|it| format!("{it:?}")));
        expected[4].push(format!("{:?}", (&ended, &opened(&ended))));
    }
    for (kind, mut expected) in KINDS.into_iter().zip(expected) {
        expected.sort();
        for limit in [1, 2, 3, 100] {
            assert_eq!(all(store, kind, limit).await, expected, "{kind:?} by {limit}");
        }
    }
}

async fn a_place_that_no_part_gave_is_refused(store: &dyn Store) {
    for kind in KINDS {
        let refused = store.unlisted(kind, Some(b"?"), 5).await;
        assert!(matches!(refused, Err(StoreError::Cursor(_))), "{kind:?}: {refused:?}");
    }
}

async fn the_mark_of_a_copy_moves_with_its_steps(store: &dyn Store) {
    let mark = |done| CopyMark {
        source: "sled:there".into(),
        state: "s".into(),
        kind: Some(RecordKind::Members),
        after: Some(vec![0, 255]),
        done,
        differs: false,
    };
    assert_eq!(store.copy_mark().await.unwrap(), None);
    let mut was = None;
    for is in [Some(mark(1)), Some(mark(2)), None] {
        let step = |was: &Option<CopyMark>| {
            let copied = Some(CopyWrite { was: was.clone(), is: is.clone() });
            ChangeSet { copied, unknown_flows: vec![format!("{is:?}")], ..changes() }
        };
        if store.is_shared() {
            // Another copy got on meanwhile.
            let refused = store.commit(&step(&Some(mark(9)))).await;
            assert!(matches!(refused, Err(StoreError::Conflict("the copy"))), "{refused:?}");
        }
        store.commit(&step(&was)).await.unwrap();
        assert_eq!(store.copy_mark().await.unwrap(), is);
        was = is;
    }
    assert_eq!(store.unknown_flows().await.unwrap().len(), 3);
}
