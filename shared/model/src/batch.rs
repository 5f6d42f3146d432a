//! A batch: events of one customer in one lane, made durable together.
//!
//! The body holds the events' envelopes joined by commas: exactly the bytes
//! between the brackets of a webhook. Any run of events is one slice of the body.

use super::event_set::Run;
use super::{BatchId, CustomerId, EventId, Lane};
use bytes::Bytes;

/// The most events of a batch. An event id has room for 65,536 (16 bits of
/// index); fewer keep a batch's tables small.
pub const BATCH_EVENTS_MAX: usize = 4096;

/// The most bytes of a batch's body. With its tables it fits one DynamoDB item
/// (at most 400 KB, an AWS limit) even if it does not compress.
pub const BATCH_BYTES_MAX: usize = 350_000;

/// One event's row in the tables of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventMeta {
    /// Where the event's envelope ends in the body: the offset after its last byte.
    pub end: u32,
    /// The event's type: an index into [`Batch::types`].
    pub kind: u16,
    /// The hash of the event's ordering key; 0 if it has none.
    pub ordering: u64,
}

/// The mark of a request with an idempotency key on the events that it put into a batch.
///
/// Such a request may span batches (`part` of `parts`); the claims of all its
/// parts together tell which events its first answer named.
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
    /// The customer whose events these are.
    pub customer: CustomerId,
    /// The batch's id: that of its first event.
    pub id: BatchId,
    /// The distinct event types; "" stands for events without a type.
    pub types: Vec<Box<str>>,
    /// One row for each event, at most [`BATCH_EVENTS_MAX`].
    pub events: Vec<EventMeta>,
    /// Marks of requests with an idempotency key.
    pub claims: Vec<Claim>,
    /// The envelopes, joined by commas; at most [`BATCH_BYTES_MAX`] bytes.
    pub body: Bytes,
}

impl Batch {
    /// The number of events.
    #[must_use]
    pub fn len(&self) -> u16 {
        self.events.len() as u16
    }

    /// True if the batch has no event.
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

    /// The type of the event at `index`; "" if it has none.
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
