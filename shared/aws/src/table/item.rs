//! The keys of items in a table with a partition key and a sort key, and
//! whether an item may still be read.

use crate::attribute::{Item, number_in, text, text_in};
use sluice_ports::PortError;

/// The key of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ItemKey {
    /// The attribute `pk`.
    pub(crate) partition: String,
    /// The attribute `sk`.
    pub(crate) sort: String,
}

impl ItemKey {
    /// The key of an item, if its key attributes are texts.
    pub(crate) fn in_item(item: &Item) -> Option<Self> {
        let (partition, sort) = (text_in(item, "pk")?.to_owned(), text_in(item, "sk")?.to_owned());
        Some(Self { partition, sort })
    }

    /// An item with this key and nothing else.
    pub(crate) fn into_item(self) -> Item {
        Item::from([("pk".into(), text(self.partition)), ("sk".into(), text(self.sort))])
    }
}

impl std::fmt::Display for ItemKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.partition, self.sort)
    }
}

/// The error for an item that is not in the form in which items are written.
pub(crate) fn damaged(detail: impl Into<String>) -> PortError {
    PortError::Damaged { attempted: "read an item of the table".into(), detail: detail.into() }
}

/// Whether an item has not expired. DynamoDB deletes expired items up to some days later
/// and returns them until then.
pub(crate) fn lives(item: &Item, now_s: u64) -> bool {
    number_in::<u64>(item, "ttl").is_none_or(|ttl| ttl > now_s)
}
