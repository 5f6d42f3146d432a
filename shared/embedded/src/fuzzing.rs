//! Fuzz targets for the files of a data directory.

use super::catalogue::fuzzing::read_journal;
use super::frame::{FRAME_HEADER_LEN, FoundFrame, FrameHeader};
use super::kv;
use super::segments::{LogSegments, LogStep};
use sluice_model::fuzzing::Target;
use std::path::PathBuf;

/// The targets of this crate.
pub const TARGETS: &[Target] =
    &[("segment", segment), ("catalogue_journal", catalogue_journal), ("state_changes", state_changes)];

/// The most frames that a reader may meet; an input with more is endless.
const STEPS_MAX: usize = 10_000;

/// Opens the bytes as a segment file and reads it to its end. Each step must go forward.
/// Reads them as they are, and then with correct checksums in the file's header and in
/// the first frame.
pub fn segment(bytes: &[u8]) {
    read_segment(bytes);
    let mut bytes = bytes.to_vec();
    if bytes.len() < 96 {
        return;
    }
    seal(&mut bytes, 0, 32);
    let length = u32::from_le_bytes(bytes[68..72].try_into().expect("four bytes")) as usize;
    if let Some(payload) = bytes.get(96..96_usize.saturating_add(length)) {
        let crc = crc32c::crc32c(payload);
        bytes[88..92].copy_from_slice(&crc.to_le_bytes());
    }
    seal(&mut bytes, 64, 28);
    read_segment(&bytes);
}

/// Writes the checksum of the `len` bytes at `offset` behind them.
fn seal(bytes: &mut [u8], offset: usize, len: usize) {
    let crc = crc32c::crc32c(&bytes[offset..offset + len]);
    bytes[offset + len..offset + len + 4].copy_from_slice(&crc.to_le_bytes());
}

fn read_segment(bytes: &[u8]) {
    if let Some(head) = bytes.first_chunk::<FRAME_HEADER_LEN>()
        && let FoundFrame::Header(header) = FrameHeader::find(head, 0)
    {
        assert!(header.next_lsn() > 0);
    }
    let dir = scratch();
    std::fs::write(dir.join(format!("{:020}.seg", 0)), bytes).expect("a scratch directory");
    let opened = LogSegments::open(&dir);
    if let Ok((segments, _)) = &opened {
        let mut lsn = 0;
        for step in 0.. {
            assert!(step < STEPS_MAX, "reading does not end");
            let next = match segments.read(lsn) {
                Ok(LogStep::Frame { next, .. } | LogStep::Damaged { next, .. }) => next,
                Ok(LogStep::End) | Err(_) => break,
            };
            assert!(next > lsn, "reading goes backwards, from {lsn} to {next}");
            lsn = next;
        }
    }
    std::fs::remove_dir_all(&dir).ok();
}

/// An empty directory of this thread, in memory if the system has a directory in memory.
fn scratch() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    let parent = if shm.is_dir() { shm } else { std::env::temp_dir() };
    let name = format!("sluice-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
    let dir = parent.join(name.replace(['(', ')'], ""));
    std::fs::remove_dir_all(&dir).ok();
    std::fs::create_dir_all(&dir).expect("a scratch directory");
    dir
}

/// Reads the bytes as the catalogue's journal.
pub fn catalogue_journal(bytes: &[u8]) {
    read_journal(bytes);
}

/// Reads the bytes as a frame of the state's ledger.
pub fn state_changes(bytes: &[u8]) {
    std::hint::black_box(kv::decode_changes(bytes).is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::fuzzing::rounds;

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        rounds(TARGETS, concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"), 2000);
    }
}
