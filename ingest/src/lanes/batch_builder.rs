//! Builds a batch from the chunks of requests.

use super::placement::{PlacedRun, Placement};
use sluice_model::batch::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use sluice_model::wire::envelope::{EnvelopeParts, stamp_all, write};
use sluice_model::wire::record::{BlockCodec, BodyPart, PackedRun};
use sluice_model::{Batch, BatchId, CustomerId, EventMeta, Lane};
use std::borrow::Cow;
use std::sync::Arc;

/// The events of one request for one lane, in pieces that each fit into a batch.
#[derive(Debug, Default)]
pub(crate) struct EventChunk<'a> {
    pieces: Vec<Piece<'a>>,
    /// Bytes of envelopes that may follow, for which room is reserved.
    expected: usize,
}

/// Events that stay together: envelopes with blank ids, joined by commas.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    body: Vec<u8>,
    events: Vec<EventMeta>,
    types: Vec<Cow<'a, str>>,
    /// The body compressed, if it is large enough to be compressed alone.
    packed: Option<PackedRun>,
}

/// Bodies of at least this size are compressed by their request. Smaller ones
/// pack better together with their neighbours.
const PACKED_BYTES_MIN: usize = 16 << 10;

impl<'a> EventChunk<'a> {
    /// A chunk for about this many bytes of envelopes.
    pub(crate) const fn expecting(bytes: usize) -> Self {
        Self { pieces: Vec::new(), expected: bytes }
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, kind: Cow<'a, str>, ordering: u64, envelope: &EnvelopeParts<'_>) {
        let len = envelope.len();
        if !self.pieces.last().is_some_and(|last| fits(last.body.len(), last.len(), len, 1)) {
            let room = self.expected.min(BATCH_BYTES_MAX).max(len);
            self.expected = self.expected.saturating_sub(room);
            self.pieces.push(Piece::with_capacity(room));
        }
        let piece = self.pieces.last_mut().expect("there is a piece with room");
        piece.push(kind, ordering, envelope);
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.body.len()).sum()
    }

    /// Compresses the envelopes, so that the log's writer need not.
    ///
    /// # Errors
    /// If the codec fails.
    pub(crate) fn pack(&mut self, codec: BlockCodec) -> std::io::Result<()> {
        for piece in self.pieces.iter_mut().filter(|piece| piece.body.len() >= PACKED_BYTES_MIN) {
            piece.packed = Some(PackedRun::new(&mut piece.body, codec)?);
        }
        Ok(())
    }

    pub(super) fn into_pieces(self) -> Vec<Piece<'a>> {
        self.pieces
    }

    /// The envelopes, joined by commas.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn body(&self) -> Vec<u8> {
        let bodies: Vec<&[u8]> = self.pieces.iter().map(|piece| piece.body.as_slice()).collect();
        bodies.join(&b',')
    }

    #[cfg(test)]
    pub(crate) fn types(&self) -> Vec<&str> {
        self.pieces.iter().flat_map(|piece| piece.types.iter().map(AsRef::as_ref)).collect()
    }
}

impl<'a> Piece<'a> {
    fn with_capacity(bytes: usize) -> Self {
        let events = Vec::with_capacity(bytes / ENVELOPE_BYTES_SMALL + 1);
        Self { body: Vec::with_capacity(bytes), events, types: Vec::new(), packed: None }
    }

    fn push(&mut self, kind: Cow<'a, str>, ordering: u64, envelope: &EnvelopeParts<'_>) {
        if !self.events.is_empty() {
            self.body.push(b',');
        }
        write(envelope, &mut self.body);
        let kind = index_of(&mut self.types, kind);
        self.events.push(EventMeta { end: self.body.len() as u32, kind, ordering });
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }
}

/// The length of a small event's envelope.
const ENVELOPE_BYTES_SMALL: usize = 200;

/// Whether a body has room for more.
fn fits(body_len: usize, events: usize, more_bytes: usize, more_events: usize) -> bool {
    body_len + 1 + more_bytes <= BATCH_BYTES_MAX && events + more_events <= BATCH_EVENTS_MAX
}

/// The index of `kind` among `types`, to which it is added if it is new. The
/// newest are compared first, since the events of a request mostly have one type.
fn index_of<T: PartialEq + AsRef<str>, K: AsRef<str> + Into<T>>(types: &mut Vec<T>, kind: K) -> u16 {
    let known = types.iter().rposition(|known| known.as_ref() == kind.as_ref());
    known.unwrap_or_else(|| {
        types.push(kind.into());
        types.len() - 1
    }) as u16
}

/// Bodies below this size are copied together, so that not each single event is
/// a part; larger bodies are moved, and copied at most once.
const COPIED_BYTES_MAX: usize = 8 << 10;

/// A part of a body, still without the commas between the parts.
#[derive(Debug)]
struct BuiltPart {
    bytes: Vec<u8>,
    packed: Option<PackedRun>,
}

/// A batch that has its id.
pub(super) struct FinishedBatch {
    pub(super) batch: Batch,
    /// The parts of its body, if some are compressed.
    pub(super) parts: Vec<BodyPart>,
    pub(super) placement: Arc<Placement>,
}

/// A batch that takes pieces until it is cut or full.
#[derive(Debug)]
pub(super) struct BatchBuilder {
    pub(super) customer: CustomerId,
    pub(super) lane: Lane,
    pub(super) placement: Arc<Placement>,
    /// The bytes that requests were charged for.
    pub(super) charged: usize,
    parts: Vec<BuiltPart>,
    body_len: usize,
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
            parts: Vec::new(),
            body_len: 0,
            events: Vec::new(),
            types: Vec::new(),
        }
    }

    /// Whether there is room for a piece.
    pub(super) fn has_room_for(&self, piece: &Piece<'_>) -> bool {
        fits(self.body_len, self.events.len(), piece.body.len(), piece.len())
    }

    /// Takes a piece that has room, or the first piece.
    pub(super) fn take(&mut self, piece: Piece<'_>) {
        self.charged += piece.body.len();
        if self.parts.is_empty() {
            self.body_len = piece.body.len();
            self.types = piece.types.into_iter().map(Into::into).collect();
            self.events = piece.events;
            self.parts.push(BuiltPart { bytes: piece.body, packed: piece.packed });
            return;
        }
        let base = self.body_len + 1;
        let kinds: Vec<u16> =
            piece.types.iter().map(|kind| index_of(&mut self.types, kind.as_ref())).collect();
        self.events.extend(piece.events.iter().map(|event| EventMeta {
            end: event.end + base as u32,
            kind: kinds[usize::from(event.kind)],
            ordering: event.ordering,
        }));
        self.body_len = base + piece.body.len();
        self.join(BuiltPart { bytes: piece.body, packed: piece.packed });
    }

    fn join(&mut self, part: BuiltPart) {
        if part.bytes.len() >= COPIED_BYTES_MAX {
            self.parts.push(part);
            return;
        }
        let has_room = |last: &&mut BuiltPart| {
            last.packed.is_none() && last.bytes.capacity() - last.bytes.len() > part.bytes.len()
        };
        match self.parts.last_mut().filter(has_room) {
            Some(last) => {
                last.bytes.push(b',');
                last.bytes.extend_from_slice(&part.bytes);
            }
            None => {
                // Room doubles, so a body is copied a few times at most.
                let mut bytes = Vec::with_capacity(self.body_len.min(BATCH_BYTES_MAX));
                bytes.extend_from_slice(&part.bytes);
                self.parts.push(BuiltPart { bytes, packed: None });
            }
        }
    }

    /// The body, and its parts if some of them are compressed.
    fn body(parts: Vec<BuiltPart>, len: usize) -> (Vec<u8>, Vec<BodyPart>) {
        let is_packed = parts.iter().any(|part| part.packed.is_some());
        let (mut body, mut body_parts) = (Vec::new(), Vec::new());
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            let (start, is_last) = (body.len(), index + 1 == count);
            if count == 1 {
                body = part.bytes;
            } else {
                body.reserve(len - start);
                body.extend_from_slice(&part.bytes);
            }
            if !is_last {
                body.push(b',');
            }
            if is_packed {
                let plain = BodyPart::Plain(start..body.len());
                body_parts.push(part.packed.map_or(plain, BodyPart::Packed));
            }
        }
        (body, body_parts)
    }

    /// The run of the last `count` events.
    pub(super) fn placed(&self, count: usize) -> PlacedRun {
        PlacedRun {
            placement: self.placement.clone(),
            first: (self.events.len() - count) as u16,
            count: count as u16,
        }
    }

    /// Gives the batch its id and writes the events' ids into their envelopes.
    pub(super) fn finish(self, id: BatchId) -> FinishedBatch {
        let (mut body, parts) = Self::body(self.parts, self.body_len);
        assert!(stamp_all(id, &self.events, &mut body), "every envelope was written by `write`");
        let claims = self.placement.cut(id);
        let batch = Batch {
            customer: self.customer,
            id,
            types: self.types,
            events: self.events,
            claims,
            body: body.into(),
        };
        FinishedBatch { batch, parts, placement: self.placement }
    }
}
