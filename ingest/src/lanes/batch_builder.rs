//! Building a batch from chunks of requests.

use super::placement::{Placed, Placement};
use sluice_shared::model::batch::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use sluice_shared::model::ids::IdText;
use sluice_shared::model::{Batch, BatchId, CustomerId, EventMeta, Lane};
use sluice_shared::wire::envelope::stamp;
use std::borrow::Cow;
use std::sync::Arc;

/// Events of one request for one lane: envelopes with blank ids, joined by commas.
#[derive(Debug, Default)]
pub(crate) struct Chunk<'a> {
    body: Vec<u8>,
    events: Vec<EventMeta>,
    types: Vec<Cow<'a, str>>,
}

impl<'a> Chunk<'a> {
    /// A chunk with room for about this many bytes and events.
    pub(crate) fn with_capacity(bytes: usize, events: usize) -> Self {
        Self { body: Vec::with_capacity(bytes), events: Vec::with_capacity(events), types: Vec::new() }
    }

    /// Adds an event whose envelope `write` appends.
    pub(crate) fn push(&mut self, kind: Cow<'a, str>, ordering: u64, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.events.is_empty() {
            self.body.push(b',');
        }
        write(&mut self.body);
        let kind = index_of(&mut self.types, kind);
        self.events.push(EventMeta { end: self.body.len() as u32, kind, ordering });
    }

    pub(crate) const fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.body.len()
    }

    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.events[index - 1].end as usize + 1 }
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    #[cfg(test)]
    pub(crate) fn types(&self) -> &[Cow<'a, str>] {
        &self.types
    }
}

/// The place of `kind` among `types`, added if it is new. The newest are
/// looked at first: a request's events are mostly of one type.
fn index_of<T: PartialEq + AsRef<str>, K: AsRef<str> + Into<T>>(types: &mut Vec<T>, kind: K) -> u16 {
    let known = types.iter().rposition(|known| known.as_ref() == kind.as_ref());
    known.unwrap_or_else(|| {
        types.push(kind.into());
        types.len() - 1
    }) as u16
}

/// A batch that takes events until it is cut or full.
#[derive(Debug)]
pub(super) struct BatchBuilder {
    pub(super) customer: CustomerId,
    pub(super) lane: Lane,
    pub(super) placement: Arc<Placement>,
    /// The bytes that requests put in.
    pub(super) charged: usize,
    body: Vec<u8>,
    events: Vec<EventMeta>,
    types: Vec<Box<str>>,
}

impl BatchBuilder {
    pub(super) fn new(customer: CustomerId, lane: Lane) -> Self {
        Self {
            customer,
            lane,
            placement: Arc::default(),
            charged: 0,
            body: Vec::new(),
            events: Vec::new(),
            types: Vec::new(),
        }
    }

    /// Takes as many of the chunk's events from `from` on as fit; says how many.
    pub(super) fn take(&mut self, chunk: &mut Chunk<'_>, from: usize) -> usize {
        let count = self.fitting(chunk, from);
        if count == 0 {
            return 0;
        }
        let first = self.events.len();
        let start = chunk.start(from);
        let end = chunk.events[from + count - 1].end as usize;
        // A comma between two parts of a chunk is charged too, so that all parts add up to the chunk.
        self.charged += end - start + usize::from(from + count < chunk.len());
        let base = if first == 0 && from == 0 && count == chunk.len() {
            // The whole chunk begins the batch: its bytes move, they are not copied.
            self.body = std::mem::take(&mut chunk.body);
            0
        } else {
            if first > 0 {
                self.body.push(b',');
            }
            let base = self.body.len();
            self.body.extend_from_slice(&chunk.body[start..end]);
            base
        };
        let kinds: Vec<u16> =
            chunk.types.iter().map(|kind| index_of(&mut self.types, kind.as_ref())).collect();
        self.events.extend(chunk.events[from..from + count].iter().map(|event| EventMeta {
            end: (event.end as usize - start + base) as u32,
            kind: kinds[usize::from(event.kind)],
            ordering: event.ordering,
        }));
        count
    }

    fn fitting(&self, chunk: &Chunk<'_>, from: usize) -> usize {
        let room_events = BATCH_EVENTS_MAX - self.events.len();
        let room_bytes = (BATCH_BYTES_MAX + 1).saturating_sub(self.body.len() + 1);
        let start = chunk.start(from);
        let events = &chunk.events[from..];
        let by_bytes = events.partition_point(|event| event.end as usize - start <= room_bytes);
        by_bytes.min(room_events)
    }

    /// The run of the last `count` events.
    pub(super) fn placed(&self, count: usize) -> Placed {
        Placed {
            placement: self.placement.clone(),
            first: (self.events.len() - count) as u16,
            count: count as u16,
        }
    }

    /// Gives the batch its id and writes the events' ids into their envelopes.
    pub(super) fn finish(mut self, id: BatchId) -> (Batch, Arc<Placement>) {
        let mut text = IdText::default();
        let mut start = 0;
        for (index, event) in self.events.iter().enumerate() {
            stamp(&text.of(id.event(index as u16)), &mut self.body[start..]);
            start = event.end as usize + 1;
        }
        let claims = self.placement.cut(id);
        let batch = Batch {
            customer: self.customer,
            id,
            types: self.types,
            events: self.events,
            claims,
            body: self.body.into(),
        };
        (batch, self.placement)
    }
}
