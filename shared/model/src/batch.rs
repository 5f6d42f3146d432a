//! A batch: events of one customer in one lane, made durable together.
//!
//! The body holds the events' envelopes joined by commas: exactly what stands
//! between the brackets of a webhook. Any run of events is one slice of it.

use super::event_set::Run;
use super::{BatchId, CustomerId, EventId, Lane};
use bytes::Bytes;

/// The most events of a batch (their index has 16 bits; this keeps tables small).
pub const BATCH_EVENTS_MAX: usize = 4096;

/// The most bytes of a batch's body: with its tables it fits one 400 KB
/// DynamoDB item even where it does not compress.
pub const BATCH_BYTES_MAX: usize = 350_000;

/// What the tables of a batch say of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventMeta {
    /// Where the event's envelope ends in the body.
    pub end: u32,
    /// The event's type: an index into [`Batch::types`].
    pub kind: u16,
    /// The hash of the event's ordering key, or 0 for none.
    pub ordering: u64,
}

/// A repeatable request's mark on the events that it put into a batch.
///
/// A request with an idempotency key may span batches (`part` of `parts`);
/// the claims of all its parts say what the first answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of the customer's key, its first 16 bytes.
    pub key: [u8; 16],
    /// SHA-256 of the request's body, its first 16 bytes.
    pub body: [u8; 16],
    /// The first event of the request in this batch.
    pub first: u16,
    /// How many events of the request are in this batch.
    pub count: u16,
    /// Which part of the request this is, from 0.
    pub part: u16,
    /// How many parts the request has.
    pub parts: u16,
}

/// Events of one customer in one lane, immutable and durable together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Whose events these are.
    pub customer: CustomerId,
    /// The id of the first event.
    pub id: BatchId,
    /// The distinct event types; "" where an event has none.
    pub types: Vec<Box<str>>,
    /// One row an event.
    pub events: Vec<EventMeta>,
    /// Marks of requests with an idempotency key.
    pub claims: Vec<Claim>,
    /// The envelopes, joined by commas.
    pub body: Bytes,
}

impl Batch {
    /// How many events.
    #[must_use]
    pub fn len(&self) -> u16 {
        self.events.len() as u16
    }

    /// Whether there is no event.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The lane of all its events.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        self.id.lane()
    }

    /// The id of the event at `index`.
    #[must_use]
    pub const fn event_id(&self, index: u16) -> EventId {
        self.id.event(index)
    }

    /// The type of the event at `index`, "" for none.
    #[must_use]
    pub fn event_type(&self, index: u16) -> &str {
        &self.types[usize::from(self.events[usize::from(index)].kind)]
    }

    fn start(&self, index: u16) -> usize {
        match index {
            0 => 0,
            _ => self.events[usize::from(index) - 1].end as usize + 1,
        }
    }

    /// The envelope of the event at `index`.
    #[must_use]
    pub fn envelope(&self, index: u16) -> Bytes {
        self.body.slice(self.start(index)..self.events[usize::from(index)].end as usize)
    }

    /// The envelopes of a run of events, joined by commas.
    #[must_use]
    pub fn envelopes(&self, run: Run) -> Bytes {
        self.body.slice(self.start(run.start)..self.events[usize::from(run.end) - 1].end as usize)
    }
}
