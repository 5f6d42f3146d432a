//! Writing a record.

use super::{BLOCK_BYTES_MAX, BLOCK_ROW_LEN, HEADER_LEN, LANE_MIXED, MAGIC, RecordDraft, VERSION};
use crate::Batch;

/// Blocks with fewer bytes are stored uncompressed: compression would save nothing.
const COMPRESS_BYTES_MIN: usize = 512;

/// Encodes records, reusing its buffers.
pub struct RecordEncoder {
    zstd: zstd::bulk::Compressor<'static>,
    /// The raw bytes of the open block.
    block: Vec<u8>,
    block_rows: Vec<u8>,
    batch_rows: Vec<u8>,
    data: Vec<u8>,
    blocks: u32,
}

impl RecordEncoder {
    /// An encoder at a zstd level; negative levels are faster and pack less.
    ///
    /// # Errors
    /// If zstd refuses the level.
    pub fn new(level: i32) -> std::io::Result<Self> {
        Ok(Self {
            zstd: zstd::bulk::Compressor::new(level)?,
            block: Vec::with_capacity(BLOCK_BYTES_MAX),
            block_rows: Vec::new(),
            batch_rows: Vec::new(),
            data: Vec::new(),
            blocks: 0,
        })
    }

    /// Appends the record's bytes to `out`.
    pub fn encode(&mut self, record: &RecordDraft, out: &mut Vec<u8>) {
        self.block_rows.clear();
        self.batch_rows.clear();
        self.data.clear();
        self.blocks = 0;
        for batch in &record.batches {
            self.push_batch(batch);
        }
        self.close_block();

        let directory_len = self.block_rows.len() + self.batch_rows.len();
        let directory_crc = crc32c::crc32c_append(crc32c::crc32c(&self.block_rows), &self.batch_rows);
        let mut head = [0u8; HEADER_LEN];
        head[0..4].copy_from_slice(&MAGIC);
        head[4] = VERSION;
        let lane = record.lane.map_or(LANE_MIXED, crate::Lane::number);
        head[6..8].copy_from_slice(&lane.to_le_bytes());
        head[8..16].copy_from_slice(&record.producer.to_le_bytes());
        head[16..24].copy_from_slice(&record.sequence.to_le_bytes());
        head[24..28].copy_from_slice(&(record.batches.len() as u32).to_le_bytes());
        head[28..32].copy_from_slice(&self.blocks.to_le_bytes());
        head[32..36].copy_from_slice(&(directory_len as u32).to_le_bytes());
        head[36..40].copy_from_slice(&(self.data.len() as u32).to_le_bytes());
        head[40..44].copy_from_slice(&directory_crc.to_le_bytes());
        let crc = crc32c::crc32c(&head[..44]);
        head[44..48].copy_from_slice(&crc.to_le_bytes());

        out.reserve(HEADER_LEN + directory_len + self.data.len());
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.block_rows);
        out.extend_from_slice(&self.batch_rows);
        out.extend_from_slice(&self.data);
    }

    fn push_batch(&mut self, batch: &Batch) {
        let tables = tables(batch);
        let raw_len = tables.len() + batch.body.len();
        if self.block.len() + raw_len > BLOCK_BYTES_MAX {
            self.close_block();
        }
        let (first_block, offset) = (self.blocks, self.block.len() as u32);
        self.push_raw(&tables);
        self.push_raw(&batch.body);
        if raw_len > BLOCK_BYTES_MAX {
            // The next batch must not share the last block of a batch that spans several.
            self.close_block();
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&tables), &batch.body);
        let rows = &mut self.batch_rows;
        rows.extend_from_slice(&batch.customer.to_bytes());
        rows.extend_from_slice(&batch.id.to_bytes());
        rows.extend_from_slice(&first_block.to_le_bytes());
        rows.extend_from_slice(&offset.to_le_bytes());
        rows.extend_from_slice(&(raw_len as u32).to_le_bytes());
        rows.extend_from_slice(&batch.len().to_le_bytes());
        rows.extend_from_slice(&(batch.types.len() as u16).to_le_bytes());
        rows.extend_from_slice(&(batch.claims.len() as u16).to_le_bytes());
        rows.extend_from_slice(&0u16.to_le_bytes());
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
            if self.block.is_empty() && bytes.len() >= BLOCK_BYTES_MAX {
                // A full block straight from the body, without a copy.
                let (block, rest) = bytes.split_at(BLOCK_BYTES_MAX);
                write_block(&mut self.zstd, &mut self.block_rows, &mut self.data, block);
                self.blocks += 1;
                bytes = rest;
                continue;
            }
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES_MAX - self.block.len()));
            self.block.extend_from_slice(head);
            bytes = rest;
            if self.block.len() == BLOCK_BYTES_MAX {
                self.close_block();
            }
        }
    }

    fn close_block(&mut self) {
        if !self.block.is_empty() {
            write_block(&mut self.zstd, &mut self.block_rows, &mut self.data, &self.block);
            self.blocks += 1;
            self.block.clear();
        }
    }
}

fn write_block(
    zstd: &mut zstd::bulk::Compressor<'static>,
    rows: &mut Vec<u8>,
    data: &mut Vec<u8>,
    raw: &[u8],
) {
    let start = data.len();
    let mut packed = false;
    if raw.len() >= COMPRESS_BYTES_MIN {
        // Compressed bytes are kept only if they save at least a sixteenth.
        let room = raw.len() - raw.len() / 16;
        data.resize(start + room, 0);
        match zstd.compress_to_buffer(raw, &mut data[start..]) {
            Ok(len) => {
                data.truncate(start + len);
                packed = true;
            }
            Err(_does_not_fit) => data.truncate(start),
        }
    }
    if !packed {
        data.extend_from_slice(raw);
    }
    let stored = (data.len() - start) as u32;
    let mut row = [0u8; BLOCK_ROW_LEN];
    row[0..4].copy_from_slice(&stored.to_le_bytes());
    row[4..8].copy_from_slice(&(raw.len() as u32).to_le_bytes());
    row[8] = u8::from(packed);
    rows.extend_from_slice(&row);
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
