//! Several lists of ids as one list in the same order.

use std::collections::BTreeSet;

use crate::domain::page::Order;
use crate::store::Result;

/// A list of ids, rising or falling.
pub(super) type Ids<'d> = Box<dyn Iterator<Item = Result<[u8; 16]>> + 'd>;

/// `lists`, each in that order, as one; what stands in several of them comes once.
pub(super) fn merge<'d>(mut lists: Vec<Ids<'d>>, order: Order) -> Ids<'d> {
    if lists.len() == 1 {
        return lists.remove(0);
    }
    Box::new(Merge { heads: BTreeSet::new(), behind: (0..lists.len()).collect(), lists, last: None, order })
}

struct Merge<'d> {
    lists: Vec<Ids<'d>>,
    /// The next id of each list that has one, with the list's number.
    heads: BTreeSet<([u8; 16], usize)>,
    /// Numbers of the lists whose next id was not asked for yet.
    behind: Vec<usize>,
    last: Option<[u8; 16]>,
    order: Order,
}

impl Merge<'_> {
    /// The first of the heads.
    fn first(&mut self) -> Option<Result<[u8; 16]>> {
        while let Some(list) = self.behind.pop() {
            match self.lists[list].next() {
                Some(Ok(id)) => drop(self.heads.insert((id, list))),
                Some(Err(error)) => return Some(Err(error)),
                None => {}
            }
        }
        let (id, list) = match self.order {
            Order::NewestFirst => self.heads.pop_last(),
            Order::OldestFirst => self.heads.pop_first(),
        }?;
        self.behind.push(list);
        Some(Ok(id))
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<[u8; 16]>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let next = self.first()?;
            let Ok(id) = next else { return Some(next) };
            if self.last.replace(id) != Some(id) {
                return Some(Ok(id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(lists: &[&[u8]], order: Order) -> Vec<u8> {
        let of = |list: &[u8]| -> Vec<Result<[u8; 16]>> { list.iter().map(|n| Ok([*n; 16])).collect() };
        merge(lists.iter().map(|list| order.of(of(list).into_iter())).collect(), order)
            .map(|id| id.unwrap()[0])
            .collect()
    }

    #[test]
    fn several_lists_are_one_in_their_order() {
        for lists in [&[&[1, 4, 9][..], &[], &[2, 3, 10], &[5]][..], &[&[1, 2, 3, 4, 5, 9, 10]]] {
            assert_eq!(merged(lists, Order::OldestFirst), [1, 2, 3, 4, 5, 9, 10]);
            assert_eq!(merged(lists, Order::NewestFirst), [10, 9, 5, 4, 3, 2, 1]);
        }
        assert!(merged(&[], Order::OldestFirst).is_empty());
    }

    #[test]
    fn what_stands_in_two_lists_comes_once() {
        assert_eq!(merged(&[&[1, 2, 3], &[2, 3, 4], &[2]], Order::NewestFirst), [4, 3, 2, 1]);
    }

    #[test]
    fn an_error_is_told() {
        let wrong = || crate::store::StoreError::Stopped("it fails".to_owned());
        let lists: Vec<Ids<'_>> =
            vec![Box::new([Ok([1; 16]), Err(wrong())].into_iter()), Box::new([Ok([9; 16])].into_iter())];
        let found: Vec<bool> = merge(lists, Order::OldestFirst).map(|id| id.is_ok()).collect();
        assert_eq!(found, [true, false, true]);
    }
}
