//! What is made of a set of entries, kept so that entries can be added one by one in any order.

use std::cmp::Ordering;

use bigdecimal::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::stored;
use super::sum::{Sum, number_value};
use super::table::Table;
use super::tree::value_bytes;
use super::{As, Entry, Reduce};

/// The total of the entries added so far. Which kind it is follows from the reducer; `Nothing` is the total of none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) enum Total {
    #[default]
    #[serde(rename = "z")]
    Nothing,
    /// How many.
    #[serde(rename = "c")]
    Count(u64),
    /// How many numbers, and their sum.
    #[serde(rename = "s")]
    Sum(u64, Sum),
    /// The entry that is the minimum, maximum, first or last.
    #[serde(rename = "e", with = "stored")]
    Extreme(Entry),
    /// How often each text occurs.
    #[serde(rename = "t")]
    Table(Table),
}

/// Whether a reducer reads entries of this value.
pub(super) fn reads(reduce: Reduce, value: &Value) -> bool {
    match reduce {
        Reduce::Count | Reduce::List => true,
        Reduce::First | Reduce::Last => !value.is_null(),
        Reduce::Sum | Reduce::Average | Reduce::Minimum(As::Number) | Reduce::Maximum(As::Number) => {
            value.is_number()
        }
        Reduce::Minimum(As::Text) | Reduce::Maximum(As::Text) => value.is_string(),
        Reduce::Mode { .. } | Reduce::Unique | Reduce::UniqueCount => texts(value).next().is_some(),
    }
}

/// The texts of a value: itself, or those in the array that it is.
fn texts(value: &Value) -> impl Iterator<Item = &str> + Clone {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(Value::as_str)
}

fn number(entry: &Entry) -> f64 {
    entry.value.as_f64().unwrap_or(0.0)
}

/// How good two entries are as an answer to a reducer that picks one of them; the greater is picked.
pub(super) fn compare(reduce: Reduce, a: &Entry, b: &Entry) -> Ordering {
    let by_number = || number(a).total_cmp(&number(b));
    let by_text = || a.value.as_str().cmp(&b.value.as_str());
    // Entries that are equal in all else are picked by their values, so that the order of adding does not matter.
    let by_time = || {
        let ties = || a.value.to_string().cmp(&b.value.to_string());
        (a.at, &a.order).cmp(&(b.at, &b.order)).then_with(ties)
    };
    match reduce {
        Reduce::Minimum(As::Number) => by_number().reverse(),
        Reduce::Minimum(As::Text) => by_text().reverse(),
        Reduce::Maximum(As::Number) => by_number(),
        Reduce::Maximum(As::Text) => by_text(),
        Reduce::First => by_time().reverse(),
        Reduce::Last => by_time(),
        _ => Ordering::Equal,
    }
}

impl Total {
    /// Adds an entry; one whose value the reducer does not read ([`reads`]) makes no difference. `false`: there is no room
    /// for its texts, nothing was added.
    pub(super) fn add(&mut self, reduce: Reduce, entry: &Entry) -> bool {
        if !reads(reduce, &entry.value) {
            return true;
        }
        match reduce {
            Reduce::Count => self.merge(reduce, Self::Count(1)),
            Reduce::Sum | Reduce::Average => {
                if let Self::Sum(count, sum) = self {
                    *count = count.saturating_add(1);
                    sum.add(number(entry));
                } else {
                    let mut sum = Sum::default();
                    sum.add(number(entry));
                    *self = Self::Sum(1, sum);
                }
            }
            Reduce::Minimum(_) | Reduce::Maximum(_) | Reduce::First | Reduce::Last => {
                self.pick(reduce, entry)
            }
            Reduce::Mode { .. } | Reduce::Unique | Reduce::UniqueCount => {
                return self.add_texts(&entry.value);
            }
            Reduce::List => {}
        }
        true
    }

    /// Takes back an entry that was added. Not for reducers that pick one: what they would pick instead is not kept.
    pub(super) fn remove(&mut self, entry: &Entry) {
        match self {
            Self::Count(count) => *count = count.saturating_sub(1),
            Self::Sum(count, sum) => {
                *count = count.saturating_sub(1);
                sum.remove(number(entry));
            }
            Self::Table(table) => table.remove(texts(&entry.value)),
            Self::Nothing | Self::Extreme(_) => {}
        }
        self.settle();
    }

    /// Adds all that the other has. Texts that there is no room for are left out.
    pub(super) fn merge(&mut self, reduce: Reduce, other: Self) {
        match (&mut *self, other) {
            (_, Self::Nothing) => {}
            (Self::Count(count), Self::Count(more)) => *count = count.saturating_add(more),
            (Self::Sum(count, sum), Self::Sum(more, rest)) => {
                *count = count.saturating_add(more);
                sum.merge(&rest);
            }
            (Self::Extreme(_), Self::Extreme(entry)) => self.pick(reduce, &entry),
            (Self::Table(table), Self::Table(more)) => table.merge(&more),
            (_, other) => *self = other,
        }
    }

    /// A count.
    pub(super) fn of_count(count: u64) -> Self {
        if count == 0 { Self::Nothing } else { Self::Count(count) }
    }

    /// How many entries a count or a sum has.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Count(count) | Self::Sum(count, _) => *count,
            Self::Nothing | Self::Extreme(_) | Self::Table(_) => 0,
        }
    }

    /// The value of the entries added so far.
    pub(super) fn value(&self, reduce: Reduce) -> Value {
        match (reduce, self) {
            (Reduce::Count, total) => total.count().into(),
            (Reduce::Sum, Self::Sum(_, sum)) => number_value(sum.to_f64()),
            (Reduce::Sum, _) => 0.into(),
            (Reduce::Average, Self::Sum(count, sum)) => {
                number_value(sum.to_f64() / count.to_f64().unwrap_or(f64::MAX))
            }
            (Reduce::Mode { least }, Self::Table(table)) => table.most_frequent(least),
            (Reduce::Unique, Self::Table(table)) => table.texts(),
            (Reduce::Unique, _) => Value::Array(Vec::new()),
            (Reduce::UniqueCount, Self::Table(table)) => table.len().into(),
            (Reduce::UniqueCount, _) => 0.into(),
            (_, Self::Extreme(entry)) => picked_value(reduce, entry),
            (_, _) => Value::Null,
        }
    }

    fn pick(&mut self, reduce: Reduce, entry: &Entry) {
        if let Self::Extreme(best) = self
            && compare(reduce, entry, best).is_le()
        {
            return;
        }
        let by_time = matches!(reduce, Reduce::First | Reduce::Last);
        let value = entry.value.clone();
        // Where a value is what counts, two histories of the same values shall leave the same.
        *self = Self::Extreme(if by_time { entry.clone() } else { Entry { value, ..Entry::default() } });
    }

    fn add_texts(&mut self, value: &Value) -> bool {
        let mut table = match std::mem::take(self) {
            Self::Table(table) => table,
            _ => Table::default(),
        };
        let added = table.add(texts(value));
        *self = Self::Table(table);
        self.settle();
        added
    }

    /// The total of none is `Nothing`.
    fn settle(&mut self) {
        let is_empty = match self {
            Self::Count(count) | Self::Sum(count, _) => *count == 0,
            Self::Table(table) => table.is_empty(),
            Self::Nothing | Self::Extreme(_) => false,
        };
        if is_empty {
            *self = Self::Nothing;
        }
    }

    /// About how long it is when packed.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Nothing | Self::Count(_) => 9,
            Self::Sum(..) => 30,
            Self::Extreme(entry) => {
                30 + value_bytes(&entry.value)
                    + entry.order.as_ref().map_or(0, |order| order.message_id.len())
            }
            Self::Table(table) => table.bytes(),
        }
    }

    /// Parts for pages of at most `bytes` each, as far as it can be split.
    pub(super) fn split(self, bytes: usize) -> Vec<Self> {
        match self {
            Self::Table(table) => table.split(bytes).into_iter().map(Self::Table).collect(),
            other => vec![other],
        }
    }

    /// Adds a part that [`Total::split`] made.
    pub(super) fn join(&mut self, part: &Self) {
        match (&mut *self, part) {
            (Self::Table(table), Self::Table(part)) => table.join(part),
            _ => *self = part.clone(),
        }
    }
}

/// The value of an entry that was picked.
pub(super) fn picked_value(reduce: Reduce, entry: &Entry) -> Value {
    match reduce {
        Reduce::Minimum(As::Number) | Reduce::Maximum(As::Number) => number_value(number(entry)),
        _ => entry.value.clone(),
    }
}
