//! Reading batches from stored blocks.

use super::{BatchRow, RecordError};
use crate::wire::bytes_reader::BytesReader;
use crate::wire::envelope::stamp_all;
use crate::{Batch, EventMeta};
use bytes::Bytes;

impl BatchRow {
    /// The batch within the raw bytes of its blocks.
    pub(super) fn cut(&self, blocks: &Bytes) -> Result<Batch, RecordError> {
        let (start, end) = (self.offset as usize, self.offset as usize + self.raw_len as usize);
        if blocks.len() < end {
            return Err(RecordError::Malformed("a block is shorter than its row says"));
        }
        let raw = blocks.slice(start..end);
        if crc32c::crc32c(&raw) != self.crc {
            return Err(RecordError::Checksum("batch"));
        }
        self.parse(&raw)
    }

    fn parse(&self, raw: &Bytes) -> Result<Batch, RecordError> {
        let mut reader = BytesReader::new(raw);
        let mut types = Vec::with_capacity(usize::from(self.types));
        for _ in 0..self.types {
            let len = usize::from(reader.u16()?);
            let text = std::str::from_utf8(reader.take(len)?)
                .map_err(|_invalid| RecordError::Malformed("an event type is not UTF-8"))?;
            types.push(text.into());
        }
        let mut events = Vec::with_capacity(usize::from(self.events));
        for _ in 0..self.events {
            events.push(EventMeta { end: reader.u32()?, kind: 0, ordering: 0 });
        }
        if self.types > 1 {
            for event in &mut events {
                event.kind = reader.u16()?;
            }
        }
        if reader.u8()? == 1 {
            for event in &mut events {
                event.ordering = reader.u64()?;
            }
        }
        let body = raw.slice(reader.position()..);
        let mut last = 0;
        for (i, event) in events.iter().enumerate() {
            let start = if i == 0 { 0 } else { last + 1 };
            if (event.end as usize) < start || event.end as usize > body.len() || event.kind >= self.types {
                return Err(RecordError::Malformed("a batch's event table is out of bounds"));
            }
            last = event.end as usize;
        }
        if last != body.len() || events.is_empty() {
            return Err(RecordError::Malformed("a batch's events do not fill its body"));
        }
        let body = if self.blank_ids { self.stamped(&events, &body)? } else { body };
        Ok(Batch { customer: self.customer, id: self.id, types, events, claims: self.claims.clone(), body })
    }

    /// The body with the events' ids written into their envelopes.
    fn stamped(&self, events: &[EventMeta], body: &[u8]) -> Result<Bytes, RecordError> {
        let mut body = body.to_vec();
        if !stamp_all(self.id, events, &mut body) {
            return Err(RecordError::Malformed("an envelope has no room for its id"));
        }
        Ok(body.into())
    }
}
