//! Where a total is kept: in the profile while it is small, else on pages of its own.

use super::pages::{Content, Desk, PageNumber, Pages};
use super::total::Total;

/// A total, or where it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kept {
    /// The total, when there are no pages.
    pub(super) inline: Total,
    /// Its parts, in order.
    pub(super) pages: Vec<PageNumber>,
}

impl Kept {
    /// The total. Parts that are not in memory are not in it.
    pub(super) fn load(&self, pages: &Pages) -> Total {
        let mut total = self.inline.clone();
        for page in &self.pages {
            if let Some(Content::Total(part)) = pages.get(*page) {
                total.join(part);
            }
        }
        total
    }

    /// Keeps another total instead. The pages there are, are used again; those that do not change are not written.
    pub(super) fn store(&mut self, total: Total, desk: &mut Desk<'_>) {
        let capacity = desk.pages.capacity;
        let is_small = total.bytes() <= capacity.total;
        let (inline, parts) =
            if is_small { (total, Vec::new()) } else { (Total::Nothing, total.split(capacity.total_page)) };
        self.inline = inline;
        let mut old = std::mem::take(&mut self.pages).into_iter();
        for part in parts {
            let content = Content::Total(part);
            let page = match old.next() {
                Some(page) => {
                    desk.put(page, content);
                    page
                }
                None => desk.put_new(content),
            };
            self.pages.push(page);
        }
        old.for_each(|page| desk.remove(page));
    }
}
