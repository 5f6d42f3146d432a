//! The least work that makes events durable, as a limit to measure against.
//!
//! A request's task walks the JSON once, skipping over payloads, writes each event's
//! envelope, and compresses blocks with LZ4. One thread writes these blocks into a file
//! of zeros, bypassing the page cache, and starts again at the file's beginning when it
//! is full. Nothing reads the file. A server that checks, routes, indexes or delivers
//! anything does more work than this.

use std::io::Write;

use bytes::Bytes;
use sonic_rs::LazyValue;

use super::disk::{DiskThread, DiskWriter};

/// Raw bytes in a compressed block.
const BLOCK_BYTES: usize = 64 << 10;

/// The work of `baseline --durable` on one request.
#[derive(Debug, Clone)]
pub struct DurableWork {
    disk: DiskWriter,
}

/// Why a request was not made durable.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// The body is no JSON object and no array of objects.
    #[error("the body is no event and no array of events: {0}")]
    Json(#[from] sonic_rs::Error),
    /// The disk refused a write; every later one is refused too.
    #[error("the write failed")]
    Disk,
}

impl DurableWork {
    /// Starts with a disk thread; the thread ends after the last clone of the work.
    pub fn new(disk: &DiskThread) -> Self {
        Self { disk: disk.writer() }
    }

    /// Makes the events of a body durable.
    ///
    /// # Errors
    /// If the body is not JSON of events, or the disk refuses.
    pub async fn keep(&self, body: Bytes) -> Result<(), DurableError> {
        let compressed = PackedBlocks::of_body(&body)?;
        drop(body);
        if self.disk.write(compressed).await { Ok(()) } else { Err(DurableError::Disk) }
    }
}

/// Envelopes, compressed block by block.
#[derive(Default)]
struct PackedBlocks {
    raw: Vec<u8>,
    compressed: Vec<u8>,
    events: u64,
}

impl PackedBlocks {
    fn of_body(body: &Bytes) -> Result<Vec<u8>, DurableError> {
        let mut blocks = Self { raw: Vec::with_capacity(BLOCK_BYTES + 4096), ..Self::default() };
        if body.first() == Some(&b'[') {
            for event in sonic_rs::to_array_iter(body) {
                blocks.add(&event?)?;
            }
        } else {
            blocks.add(&sonic_rs::from_slice::<LazyValue<'_>>(body)?)?;
        }
        blocks.cut();
        Ok(blocks.compressed)
    }

    fn add(&mut self, event: &LazyValue<'_>) -> Result<(), DurableError> {
        let id = self.events;
        self.events += 1;
        self.raw.extend_from_slice(b"{\"event_id\":\"");
        write!(self.raw, "01890a5d-ac96-774b-bcce-{id:012x}").expect("a vector accepts every byte");
        self.raw.extend_from_slice(b"\",\"customer_id\":\"cus_0000000000000000000000\"");
        for field in sonic_rs::to_object_iter(event.as_raw_str()) {
            let (name, value) = field?;
            self.raw.extend_from_slice(b",\"");
            self.raw.extend_from_slice(name.as_bytes());
            self.raw.extend_from_slice(b"\":");
            self.raw.extend_from_slice(value.as_raw_str().as_bytes());
        }
        self.raw.extend_from_slice(b",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}");
        if self.raw.len() >= BLOCK_BYTES {
            self.cut();
        }
        Ok(())
    }

    /// Compresses what has gathered, behind its checksum.
    fn cut(&mut self) {
        let start = self.compressed.len();
        let most = lz4_flex::block::get_maximum_output_size(self.raw.len());
        self.compressed.resize(start + 8 + most, 0);
        let len = lz4_flex::block::compress_into(&self.raw, &mut self.compressed[start + 8..])
            .expect("the room is as large as a block can become");
        let end = start + 8 + len;
        let sum = crc32c::crc32c(&self.compressed[start + 8..end]);
        self.compressed[start..start + 4].copy_from_slice(&sum.to_le_bytes());
        self.compressed[start + 4..start + 8]
            .copy_from_slice(&u32::try_from(len).expect("a block").to_le_bytes());
        self.compressed.truncate(end);
        self.raw.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(mut compressed: &[u8]) -> String {
        let mut text = String::new();
        while !compressed.is_empty() {
            let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
            let (sum, len) = (number(&compressed[..4]), number(&compressed[4..8]) as usize);
            let block = &compressed[8..8 + len];
            assert_eq!(crc32c::crc32c(block), sum);
            text +=
                std::str::from_utf8(&lz4_flex::block::decompress(block, 4 * BLOCK_BYTES).unwrap()).unwrap();
            compressed = &compressed[8 + len..];
        }
        text
    }

    #[test]
    fn every_event_is_in_the_blocks_with_its_fields_as_sent() {
        let events: Vec<String> = (0..2_000)
            .map(|n| format!(r#"{{"event_type":"a.b","payload":{{"n":{n},"s":"]}}\\"}}}}"#))
            .collect();
        let text =
            read_back(&PackedBlocks::of_body(&Bytes::from(format!("[{}]", events.join(",")))).unwrap());
        for (nth, event) in events.iter().enumerate() {
            let fields = &event[1..event.len() - 1];
            assert!(
                text.contains(&format!(
                    "{nth:012x}\",\"customer_id\":\"cus_0000000000000000000000\",{fields},"
                ))
            );
        }
        let single =
            read_back(&PackedBlocks::of_body(&Bytes::from_static(br#"{"payload": {"a":1}}"#)).unwrap());
        assert!(single.contains(r#","payload":{"a":1},"timestamp""#), "{single}");
    }

    #[test]
    fn a_body_that_is_no_json_of_events_is_refused() {
        for bad in ["", "[", "[1]", "{", "[{\"payload\":}]", "7"] {
            assert!(PackedBlocks::of_body(&Bytes::from_static(bad.as_bytes())).is_err(), "{bad}");
        }
    }
}
