//! Which events a reader wants.

use crate::item;
use crate::status::{self, EventStatus, Standing};
use sluice_model::clock::rfc3339;
use sluice_ports::event_store::StoredBatch;

/// How far an id's time may be from the event's timestamp. An event gets its id
/// when it joins its batch, later than its timestamp by at most the time that a
/// request may wait for the log; the clock may have been set back between the two.
const ID_AFTER_TIMESTAMP_MS: u64 = 60_000;

/// The statuses of wanted events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StatusFilter {
    /// Every status but acknowledged.
    #[default]
    NotAcknowledged,
    /// Every status.
    Any,
    /// Only this status.
    Only(EventStatus),
}

impl StatusFilter {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "any" { Some(Self::Any) } else { EventStatus::parse(text).map(Self::Only) }
    }

    fn admits(self, status: EventStatus) -> bool {
        match self {
            Self::NotAcknowledged => status != EventStatus::Acknowledged,
            Self::Any => true,
            Self::Only(wanted) => status == wanted,
        }
    }
}

/// The conditions that an event must meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EventFilter {
    pub status: StatusFilter,
    pub event_type: Option<String>,
    pub source: Option<String>,
    pub tag: Option<String>,
    /// The earliest timestamp.
    pub start_ms: Option<u64>,
    /// The latest timestamp.
    pub end_ms: Option<u64>,
}

impl EventFilter {
    /// The range of id times in which the wanted events lie, its end excluded.
    pub(super) fn id_times(&self) -> (u64, u64) {
        let from = self.start_ms.map_or(0, |ms| ms.saturating_sub(ID_AFTER_TIMESTAMP_MS));
        let until = self.end_ms.map_or(u64::MAX, |ms| ms.saturating_add(ID_AFTER_TIMESTAMP_MS));
        (from, until)
    }

    /// The event's standing, if the filter admits it. Cheap conditions are checked first.
    pub(super) fn admits(&self, stored: &StoredBatch, index: u16) -> Option<Standing> {
        if self.event_type.as_ref().is_some_and(|wanted| stored.batch.event_type(index) != wanted) {
            return None;
        }
        let standing = status::standing(stored, index);
        (self.status.admits(standing.status) && self.admits_envelope(&stored.batch.envelope(index)))
            .then_some(standing)
    }

    fn admits_envelope(&self, envelope: &[u8]) -> bool {
        // Timestamps have one width, so their texts compare as the times do.
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

    /// The filter as a part of a cursor's binding.
    pub(crate) fn binding(&self) -> Vec<u8> {
        format!("{self:?}").into_bytes()
    }
}
