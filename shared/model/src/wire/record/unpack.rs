//! From stored blocks to batches.

use super::{BatchRow, BlockRow, RecordError};
use crate::wire::bytes_reader::BytesReader;
use crate::{Batch, EventMeta};
use bytes::Bytes;
use std::cell::RefCell;
use zstd::bulk::Decompressor;

thread_local! {
    /// The thread's zstd context: making one costs as much as unpacking a block.
    static UNPACKER: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("zstd makes a context unless memory is at its end"));
}

impl BlockRow {
    /// Appends the block's raw bytes.
    pub(super) fn unpack(self, stored: &[u8], raw: &mut Vec<u8>) -> Result<(), RecordError> {
        if !self.zstd {
            raw.extend_from_slice(stored);
            return Ok(());
        }
        let start = raw.len();
        raw.resize(start + self.raw_len as usize, 0);
        let unpacked = UNPACKER.with_borrow_mut(|zstd| zstd.decompress_to_buffer(stored, &mut raw[start..]));
        match unpacked {
            Ok(len) if len == self.raw_len as usize => Ok(()),
            Ok(_shorter) => Err(RecordError::Malformed("a block is not as long as its row says")),
            Err(_damaged) => Err(RecordError::Checksum("block (zstd)")),
        }
    }
}

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
        Ok(Batch { customer: self.customer, id: self.id, types, events, claims: self.claims.clone(), body })
    }
}
