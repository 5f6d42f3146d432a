//! Which events a reader asked for.

use crate::item;
use crate::status::{self, Standing, Status};
use sluice_model::clock::rfc3339;
use sluice_ports::event_store::StoredBatch;

/// An id's time is when the event joined its batch, after its timestamp by no
/// more than a request may wait for the log; the clock may have been set back between.
const ID_AFTER_TIMESTAMP_MS: u64 = 60_000;

/// What an event must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Without it, all but the acknowledged.
    pub status: Option<Status>,
    pub event_type: Option<String>,
    pub source: Option<String>,
    pub tag: Option<String>,
    /// The earliest timestamp.
    pub start_ms: Option<u64>,
    /// The latest timestamp.
    pub end_ms: Option<u64>,
}

impl Filter {
    /// Between which id times its events lie; the end is excluded.
    pub(super) fn id_times(&self) -> (u64, u64) {
        let from = self.start_ms.map_or(0, |ms| ms.saturating_sub(ID_AFTER_TIMESTAMP_MS));
        let until = self.end_ms.map_or(u64::MAX, |ms| ms.saturating_add(ID_AFTER_TIMESTAMP_MS));
        (from, until)
    }

    /// Where the event stands, if it is one that was asked for. What is cheap is asked first.
    pub(super) fn admits(&self, stored: &StoredBatch, index: u16) -> Option<Standing> {
        if self.event_type.as_ref().is_some_and(|wanted| stored.batch.event_type(index) != wanted) {
            return None;
        }
        let standing = status::of(stored, index);
        let wanted = match self.status {
            Some(wanted) => standing.status == wanted,
            None => standing.status != Status::Acknowledged,
        };
        (wanted && self.admits_envelope(&stored.batch.envelope(index))).then_some(standing)
    }

    fn admits_envelope(&self, envelope: &[u8]) -> bool {
        // Times of one width compare as their texts do.
        let timestamp = item::timestamp(envelope);
        if self.start_ms.is_some_and(|ms| timestamp < &rfc3339(ms)[..])
            || self.end_ms.is_some_and(|ms| timestamp > &rfc3339(ms)[..])
        {
            return false;
        }
        if self.source.is_none() && self.tag.is_none() {
            return true;
        }
        let Some(fields) = item::fields(envelope) else { return false };
        let source = self.source.as_ref().is_none_or(|wanted| fields.source.as_deref() == Some(wanted));
        source && self.tag.as_ref().is_none_or(|wanted| fields.tags.iter().any(|tag| tag == wanted))
    }

    /// What a cursor of this filter is bound to.
    pub(crate) fn binding(&self) -> Vec<u8> {
        format!("{self:?}").into_bytes()
    }
}
