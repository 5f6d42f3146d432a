//! Writing a record.

use super::block::{BlockCodec, BlockCompressor, Blocks};
use super::{
    BLOCK_BYTES_MAX, BodyPart, FLAG_BLANK_IDS, HEADER_LEN, LANE_MIXED, MAGIC, RecordDraft, VERSION_FIRST,
    VERSION_PACKED,
};
use crate::Batch;

/// Encodes records, reusing its buffers.
pub struct RecordEncoder {
    compressor: BlockCompressor,
    /// The raw bytes of the open block.
    open: Vec<u8>,
    blocks: Blocks,
    batch_rows: Vec<u8>,
    has_blank_ids: bool,
}

impl RecordEncoder {
    /// An encoder that compresses with `codec`.
    ///
    /// # Errors
    /// If zstd refuses the level.
    pub fn new(codec: BlockCodec) -> std::io::Result<Self> {
        Ok(Self {
            compressor: BlockCompressor::new(codec)?,
            open: Vec::with_capacity(BLOCK_BYTES_MAX),
            blocks: Blocks::default(),
            batch_rows: Vec::new(),
            has_blank_ids: false,
        })
    }

    /// Appends the record's bytes to `out`.
    pub fn encode(&mut self, record: &RecordDraft, out: &mut Vec<u8>) {
        self.blocks.clear();
        self.batch_rows.clear();
        self.has_blank_ids = false;
        for (index, batch) in record.batches.iter().enumerate() {
            self.push_batch(batch, record.parts.get(index).map_or(&[], Vec::as_slice));
        }
        self.close_block();

        let Blocks { rows: block_rows, data, has_lz4 } = &self.blocks;
        let directory_len = block_rows.len() + self.batch_rows.len();
        let directory_crc = crc32c::crc32c_append(crc32c::crc32c(block_rows), &self.batch_rows);
        let mut head = [0u8; HEADER_LEN];
        head[0..4].copy_from_slice(&MAGIC);
        head[4] = if *has_lz4 || self.has_blank_ids { VERSION_PACKED } else { VERSION_FIRST };
        let lane = record.lane.map_or(LANE_MIXED, crate::Lane::number);
        head[6..8].copy_from_slice(&lane.to_le_bytes());
        head[8..16].copy_from_slice(&record.producer.to_le_bytes());
        head[16..24].copy_from_slice(&record.sequence.to_le_bytes());
        head[24..28].copy_from_slice(&(record.batches.len() as u32).to_le_bytes());
        head[28..32].copy_from_slice(&self.blocks.count().to_le_bytes());
        head[32..36].copy_from_slice(&(directory_len as u32).to_le_bytes());
        head[36..40].copy_from_slice(&(data.len() as u32).to_le_bytes());
        head[40..44].copy_from_slice(&directory_crc.to_le_bytes());
        let crc = crc32c::crc32c(&head[..44]);
        head[44..48].copy_from_slice(&crc.to_le_bytes());

        out.reserve(HEADER_LEN + directory_len + data.len());
        out.extend_from_slice(&head);
        out.extend_from_slice(block_rows);
        out.extend_from_slice(&self.batch_rows);
        out.extend_from_slice(data);
    }

    fn push_batch(&mut self, batch: &Batch, parts: &[BodyPart]) {
        let tables = tables(batch);
        let raw_len = tables.len() + batch.body.len();
        // The bytes that begin in the open block: a compressed part begins a block of its own.
        let begin_len = if parts.is_empty() { raw_len } else { tables.len() };
        if self.open.len() + begin_len > BLOCK_BYTES_MAX {
            self.close_block();
        }
        let (first_block, offset) = (self.blocks.count(), self.open.len() as u32);
        self.push_raw(&tables);
        let mut crc = crc32c::crc32c(&tables);
        if parts.is_empty() {
            self.push_raw(&batch.body);
            crc = crc32c::crc32c_append(crc, &batch.body);
        }
        for (index, part) in parts.iter().enumerate() {
            match part {
                BodyPart::Plain(range) => {
                    let plain = &batch.body[range.clone()];
                    self.push_raw(plain);
                    crc = crc32c::crc32c_append(crc, plain);
                }
                BodyPart::Packed(run) => {
                    self.close_block();
                    self.blocks.append(&run.blocks);
                    crc = run.append_crc(crc, index + 1 == parts.len());
                }
            }
        }
        if raw_len > BLOCK_BYTES_MAX || !parts.is_empty() {
            // The next batch must not share the last block of a batch that spans several.
            self.close_block();
        }
        self.has_blank_ids |= !parts.is_empty();
        self.push_row(batch, first_block, offset, raw_len as u32, !parts.is_empty(), crc);
    }

    fn push_row(
        &mut self,
        batch: &Batch,
        first_block: u32,
        offset: u32,
        raw_len: u32,
        has_blank_ids: bool,
        crc: u32,
    ) {
        let flags = if has_blank_ids { FLAG_BLANK_IDS } else { 0 };
        let rows = &mut self.batch_rows;
        rows.extend_from_slice(&batch.customer.to_bytes());
        rows.extend_from_slice(&batch.id.to_bytes());
        rows.extend_from_slice(&first_block.to_le_bytes());
        rows.extend_from_slice(&offset.to_le_bytes());
        rows.extend_from_slice(&raw_len.to_le_bytes());
        rows.extend_from_slice(&batch.len().to_le_bytes());
        rows.extend_from_slice(&(batch.types.len() as u16).to_le_bytes());
        rows.extend_from_slice(&(batch.claims.len() as u16).to_le_bytes());
        rows.extend_from_slice(&flags.to_le_bytes());
        rows.extend_from_slice(&crc.to_le_bytes());
        for claim in &batch.claims {
            rows.extend_from_slice(&claim.key);
            rows.extend_from_slice(&claim.body);
            for field in [claim.first, claim.count, claim.part, claim.parts] {
                rows.extend_from_slice(&field.to_le_bytes());
            }
        }
    }

    fn push_raw(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.open.is_empty() && bytes.len() >= BLOCK_BYTES_MAX {
                // A full block is compressed straight from the body, without a copy.
                let (block, rest) = bytes.split_at(BLOCK_BYTES_MAX);
                self.blocks.compress(block, &mut self.compressor);
                bytes = rest;
                continue;
            }
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES_MAX - self.open.len()));
            self.open.extend_from_slice(head);
            bytes = rest;
            if self.open.len() == BLOCK_BYTES_MAX {
                self.close_block();
            }
        }
    }

    fn close_block(&mut self) {
        if !self.open.is_empty() {
            self.blocks.compress(&self.open, &mut self.compressor);
            self.open.clear();
        }
    }
}

fn tables(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + batch.events.len() * 6);
    for kind in &batch.types {
        out.extend_from_slice(&(kind.len() as u16).to_le_bytes());
        out.extend_from_slice(kind.as_bytes());
    }
    for event in &batch.events {
        out.extend_from_slice(&event.end.to_le_bytes());
    }
    if batch.types.len() > 1 {
        for event in &batch.events {
            out.extend_from_slice(&event.kind.to_le_bytes());
        }
    }
    let ordered = batch.events.iter().any(|event| event.ordering != 0);
    out.push(u8::from(ordered));
    if ordered {
        for event in &batch.events {
            out.extend_from_slice(&event.ordering.to_le_bytes());
        }
    }
    out
}
