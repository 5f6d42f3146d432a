//! Finding the ends of segments when a log is opened.

use super::ByBase;
use crate::frame::{FRAME_ALIGN, FRAME_HEADER_LEN, FoundFrame};
use crate::segment::{SegmentHeader, segment_path};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The end of a log, found when the log was opened.
pub(crate) struct RecoveredEnd {
    /// The LSN at which the log ends.
    pub end: u64,
    /// Whether the last segment may be written further. If not, the next frame starts a new
    /// segment.
    pub clean: bool,
    /// The damage that was found, each with its place.
    pub findings: Vec<String>,
}

/// Sets where each segment but the last ends: at the LSN in the next segment's header, or
/// behind its last written byte if that header is damaged or is not that of the next
/// segment.
pub(super) fn set_ends(segments: &ByBase, headers: &BTreeMap<u64, SegmentHeader>) -> io::Result<()> {
    for (segment, next) in segments.values().zip(segments.keys().skip(1)) {
        let end = match headers.get(next).map(|header| header.previous_end) {
            Some(end) if (segment.first_frame()..=segment.limit()).contains(&end) => end,
            _ => segment.last_written(segment.first_frame())?.next_multiple_of(FRAME_ALIGN),
        };
        segment.set_end(end);
    }
    Ok(())
}

/// Finds the end of the last segment.
pub(super) fn recover_tail(
    dir: &Path,
    segments: &ByBase,
    mut findings: Vec<String>,
) -> io::Result<RecoveredEnd> {
    let Some(last) = segments.values().next_back() else {
        return Ok(RecoveredEnd { end: 0, clean: false, findings });
    };
    let path = segment_path(dir, last.base);
    let limit = last.limit();
    let mut lsn = last.first_frame();
    let mut clean = last.file.metadata()?.len() == last.size;
    let mut written = None;
    while lsn + FRAME_HEADER_LEN as u64 <= limit {
        let search_from = match last.header_at(lsn)? {
            FoundFrame::Header(header) => {
                if last.payload(header)?.is_ok() {
                    lsn = header.next_lsn();
                    continue;
                }
                header.next_lsn()
            }
            FoundFrame::Damage | FoundFrame::Nothing => lsn + FRAME_ALIGN,
        };
        let written = match written {
            Some(written) => written,
            None => *written.insert(last.last_written(lsn)?),
        };
        if written <= lsn {
            break;
        }
        let Some(next) = last.resync(search_from, written)? else {
            findings.push(format!(
                "{}: unfinished or damaged from byte {} to {}, the end of the log",
                path.display(),
                lsn - last.base,
                written - last.base,
            ));
            clean = false;
            lsn = written.next_multiple_of(FRAME_ALIGN).min(limit);
            break;
        };
        // A whole frame follows, so the bytes before it were once synced.
        findings.push(format!(
            "{}: damaged from byte {} to {}",
            path.display(),
            lsn - last.base,
            next - last.base
        ));
        lsn = next;
    }
    Ok(RecoveredEnd { end: lsn, clean, findings })
}
