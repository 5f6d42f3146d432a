//! The bytes of `catalogue.journal`.
//!
//! Integers are little-endian.
//!
//! ```text
//! head   "SLUICECJ"            8
//!        version               u32   1
//!        revision              u64   of the snapshot that follows
//!        rows                  u64   of the snapshot
//!        sum                   u64   of the snapshot (`sluice_catalogue::row::CatalogueDigest`)
//!        crc                   u32   CRC32C of all before it
//! frame  "\xc5Row"             4     first one for each row of the snapshot, then one for each change
//!        length                u32   of the body
//!        revision              u64
//!        slot                  u8    'c', 'k', 's', 't' or 'a'; with the highest bit if the frame and
//!                                    the next frame are one change
//!        id                    16
//!        crc                   u32   CRC32C of the frame's other bytes, body included
//!        body                  length
//! ```
//!
//! Snapshot frames ascend by revision and add up to the head's digest. Change frames
//! follow, with consecutive revisions. So a missing frame is noticed, except at the very
//! end; the database tells whether one is missing there. A change with two frames (a row,
//! and its entry in the audit log) counts as a whole or not at all.

use sluice_catalogue::row::{CatalogueDigest, CatalogueRowKey, RowSlot, StoredRow};
use sluice_model::wire::bytes_reader::BytesReader;
use std::collections::HashMap;

const HEAD_MAGIC: &[u8; 8] = b"SLUICECJ";
const VERSION: u32 = 1;
const HEAD_LEN: usize = 8 + 4 + 8 + 8 + 8 + 4;
const FRAME_MAGIC: &[u8; 4] = b"\xc5Row";
/// The bit of a slot's byte that joins the frame to the next one.
const WITH_NEXT: u8 = 0x80;
#[cfg(any(test, feature = "fuzzing"))]
const FRAME_HEAD_LEN: usize = 4 + 4 + 8 + 1 + 16 + 4;

/// The content of a journal, up to the first bad frame.
#[derive(Debug, Default)]
pub(in crate::catalogue) struct JournalContents {
    pub(in crate::catalogue) rows: HashMap<CatalogueRowKey, StoredRow>,
    pub(in crate::catalogue) revision: u64,
    pub(in crate::catalogue) digest: CatalogueDigest,
    /// Frames before the first bad one.
    pub(in crate::catalogue) frames: u64,
    /// The byte at which the good part ends.
    pub(in crate::catalogue) good_len: u64,
}

impl JournalContents {
    fn put(&mut self, row: StoredRow) {
        self.revision = row.revision;
        self.digest.add(&row);
        self.frames += 1;
        if let Some(old) = self.rows.insert(row.key(), row) {
            self.digest.remove(&old);
        }
    }
}

/// The condition of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::catalogue) enum JournalCondition {
    /// There is no journal.
    Absent,
    /// The journal is whole, as far as it alone can tell.
    Intact,
    /// Its last bytes are not a frame: a crash came while they were written, or they are
    /// damaged.
    Torn(String),
    /// The journal is damaged. `highest` is the highest revision of any frame before or
    /// behind the damage.
    Damaged { finding: String, highest: u64 },
}

/// Reads a journal from its bytes.
pub(in crate::catalogue) fn parse(bytes: &[u8]) -> (JournalContents, JournalCondition) {
    let mut contents = JournalContents::default();
    let damaged = |contents: &JournalContents, finding: String, from: usize| JournalCondition::Damaged {
        finding,
        highest: highest_after(bytes, from).max(contents.revision),
    };
    let Some((revision, snapshot)) = read_head(bytes) else {
        let finding = "its head is damaged".to_owned();
        let condition = damaged(&contents, finding, 0);
        return (contents, condition);
    };
    let mut offset = HEAD_LEN;
    contents.good_len = offset as u64;
    // The first half of a change, until its other half is read.
    let mut half: Option<StoredRow> = None;
    while offset < bytes.len() {
        let in_snapshot = contents.frames < snapshot.rows;
        let known = half.as_ref().map_or(contents.revision, |row| row.revision);
        let Some(Frame { row, with_next, len }) = read_frame(&bytes[offset..]) else {
            let after = highest_after(bytes, offset + 1);
            let finding = format!("no frame at byte {offset}");
            let condition = if in_snapshot || after > 0 {
                JournalCondition::Damaged { finding, highest: after.max(known) }
            } else {
                JournalCondition::Torn(finding)
            };
            return (contents, condition);
        };
        let follows = match in_snapshot {
            true => row.revision > known && row.revision <= revision && !with_next,
            false => known.checked_add(1) == Some(row.revision) && !(with_next && half.is_some()),
        };
        if !follows {
            let finding = format!("frame of revision {} at byte {offset} is out of line", row.revision);
            let condition = damaged(&contents, finding, contents.good_len as usize);
            return (contents, condition);
        }
        offset += len;
        if with_next {
            half = Some(row);
            continue;
        }
        half.take().into_iter().chain([row]).for_each(|row| contents.put(row));
        contents.good_len = offset as u64;
        if contents.frames == snapshot.rows && in_snapshot {
            if contents.digest != snapshot {
                let condition = damaged(&contents, "its snapshot does not add up".to_owned(), offset);
                return (contents, condition);
            }
            contents.revision = revision;
        }
    }
    if contents.frames < snapshot.rows {
        let finding = format!("its snapshot ends after {} of {} rows", contents.frames, snapshot.rows);
        let highest = contents.revision.max(revision);
        return (contents, JournalCondition::Damaged { finding, highest });
    }
    contents.revision = contents.revision.max(revision);
    if half.is_some() {
        let finding = format!("half a change at byte {}", contents.good_len);
        return (contents, JournalCondition::Torn(finding));
    }
    (contents, JournalCondition::Intact)
}

/// The highest revision of any whole frame from byte `from` on; 0 if there is none.
fn highest_after(bytes: &[u8], from: usize) -> u64 {
    let (mut offset, mut highest) = (from, 0);
    while let Some(found) =
        bytes.get(offset..).and_then(|rest| rest.windows(FRAME_MAGIC.len()).position(|w| w == FRAME_MAGIC))
    {
        offset += found;
        match read_frame(&bytes[offset..]) {
            Some(frame) => {
                highest = highest.max(frame.row.revision);
                offset += frame.len;
            }
            None => offset += 1,
        }
    }
    highest
}

fn read_head(bytes: &[u8]) -> Option<(u64, CatalogueDigest)> {
    let mut reader = BytesReader::new(bytes);
    let (magic, version) = (reader.array().ok()?, reader.u32().ok()?);
    let (revision, rows, sum) = (reader.u64().ok()?, reader.u64().ok()?, reader.u64().ok()?);
    let sealed = &bytes[..reader.position()];
    let good = magic == *HEAD_MAGIC && version == VERSION && reader.u32().ok()? == crc32c::crc32c(sealed);
    good.then_some((revision, CatalogueDigest { rows, sum }))
}

fn write_head(out: &mut Vec<u8>, revision: u64, digest: CatalogueDigest) {
    out.extend_from_slice(HEAD_MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&revision.to_le_bytes());
    out.extend_from_slice(&digest.rows.to_le_bytes());
    out.extend_from_slice(&digest.sum.to_le_bytes());
    let crc = crc32c::crc32c(out);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// A frame that was read.
struct Frame {
    row: StoredRow,
    /// Whether this frame and the next are one change.
    with_next: bool,
    /// Its length.
    len: usize,
}

/// The frame at the beginning of `bytes`.
fn read_frame(bytes: &[u8]) -> Option<Frame> {
    let mut reader = BytesReader::new(bytes);
    if reader.array().ok()? != *FRAME_MAGIC {
        return None;
    }
    let body_len = reader.u32().ok()? as usize;
    let (revision, slot, id) = (reader.u64().ok()?, reader.u8().ok()?, reader.array().ok()?);
    let head = &bytes[..reader.position()];
    let crc = reader.u32().ok()?;
    let body = reader.take(body_len).ok()?;
    if frame_crc(head, body) != crc {
        return None;
    }
    let with_next = slot & WITH_NEXT != 0;
    let slot = RowSlot::from_code(slot & !WITH_NEXT)?;
    let row = StoredRow { slot, id, revision, body: std::str::from_utf8(body).ok()?.to_owned() };
    Some(Frame { row, with_next, len: reader.position() })
}

/// Writes a frame; with `with_next`, it and the next frame are one change.
pub(in crate::catalogue) fn write_frame(out: &mut Vec<u8>, row: &StoredRow, with_next: bool) {
    let start = out.len();
    out.extend_from_slice(FRAME_MAGIC);
    out.extend_from_slice(&(row.body.len() as u32).to_le_bytes());
    out.extend_from_slice(&row.revision.to_le_bytes());
    out.push(row.slot.code() | if with_next { WITH_NEXT } else { 0 });
    out.extend_from_slice(&row.id);
    let crc = frame_crc(&out[start..], row.body.as_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(row.body.as_bytes());
}

fn frame_crc(head: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(head), body)
}

/// Corrects the checksums of a journal, to test the reading of a damaged journal with
/// good checksums.
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::catalogue) fn reseal(bytes: &mut [u8]) {
    if bytes.len() < HEAD_LEN {
        return;
    }
    let crc = crc32c::crc32c(&bytes[..HEAD_LEN - 4]);
    bytes[HEAD_LEN - 4..HEAD_LEN].copy_from_slice(&crc.to_le_bytes());
    let mut rest = &mut bytes[HEAD_LEN..];
    while rest.len() >= FRAME_HEAD_LEN {
        let len = FRAME_HEAD_LEN.saturating_add(body_len(rest));
        let Some((frame, after)) = rest.split_at_mut_checked(len) else { return };
        let crc = frame_crc(&frame[..FRAME_HEAD_LEN - 4], &frame[FRAME_HEAD_LEN..]);
        frame[FRAME_HEAD_LEN - 4..FRAME_HEAD_LEN].copy_from_slice(&crc.to_le_bytes());
        rest = after;
    }
}

/// The length of the body of the frame at the beginning of `bytes`.
#[cfg(any(test, feature = "fuzzing"))]
fn body_len(bytes: &[u8]) -> usize {
    let mut reader = BytesReader::new(bytes);
    let len = reader.u32().and_then(|_magic| reader.u32());
    len.map_or(usize::MAX, |len| len as usize)
}

/// The bytes of a journal that starts from these rows.
pub(in crate::catalogue) fn snapshot_bytes(rows: &mut [StoredRow], revision: u64) -> Vec<u8> {
    rows.sort_unstable_by_key(|row| row.revision);
    let mut digest = CatalogueDigest::default();
    rows.iter().for_each(|row| digest.add(row));
    let mut out = Vec::new();
    write_head(&mut out, revision, digest);
    rows.iter().for_each(|row| write_frame(&mut out, row, false));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(revision: u64) -> StoredRow {
        StoredRow { slot: RowSlot::Customer, id: [1; 16], revision, body: "{}".to_owned() }
    }

    #[test]
    fn nothing_follows_the_last_revision_there_is() {
        let mut bytes = snapshot_bytes(&mut [row(1)], u64::MAX);
        let snapshot = bytes.len();
        assert_eq!(parse(&bytes).1, JournalCondition::Intact);
        write_frame(&mut bytes, &row(0), false);
        let (contents, condition) = parse(&bytes);
        assert!(matches!(condition, JournalCondition::Damaged { .. }), "{condition:?}");
        assert_eq!((contents.revision, contents.good_len), (u64::MAX, snapshot as u64));
    }

    #[test]
    fn half_a_change_does_not_count() {
        let mut bytes = snapshot_bytes(&mut [row(1)], 1);
        write_frame(&mut bytes, &row(2), false);
        let whole = bytes.len();
        write_frame(&mut bytes, &row(3), true);
        let half = bytes.len();
        write_frame(&mut bytes, &row(4), false);
        for cut in whole + 1..bytes.len() {
            let (contents, condition) = parse(&bytes[..cut]);
            assert!(matches!(condition, JournalCondition::Torn(_)), "{cut}: {condition:?}");
            assert_eq!(
                (contents.revision, contents.good_len),
                (2, whole as u64),
                "cut at {cut}, half at {half}"
            );
        }
        let (contents, condition) = parse(&bytes);
        assert_eq!((contents.revision, contents.frames, condition), (4, 4, JournalCondition::Intact));
        // Damage in the second half of a change, with more frames behind it.
        write_frame(&mut bytes, &row(5), false);
        bytes[half + FRAME_HEAD_LEN] ^= 1;
        let (contents, condition) = parse(&bytes);
        assert_eq!(contents.revision, 2);
        assert!(matches!(condition, JournalCondition::Damaged { highest: 5, .. }), "{condition:?}");
    }

    #[test]
    fn a_resealed_journal_reads_with_what_was_changed_in_it() {
        let mut bytes = snapshot_bytes(&mut [], 0);
        let head = bytes.len();
        write_frame(&mut bytes, &row(1), false);
        write_frame(&mut bytes, &row(2), false);
        let whole = bytes.clone();
        bytes[HEAD_LEN - 1] ^= 1;
        bytes[head + FRAME_HEAD_LEN] ^= 1;
        assert_eq!(parse(&bytes).0.frames, 0);
        reseal(&mut bytes);
        let (contents, condition) = parse(&bytes);
        assert_eq!((contents.frames, condition), (2, JournalCondition::Intact));
        bytes[head + FRAME_HEAD_LEN] ^= 1;
        reseal(&mut bytes);
        assert_eq!(bytes, whole);
    }
}
