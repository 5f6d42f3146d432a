//! Sets of events in the bytes of facts, as runs or as a bitmap, whichever is
//! shorter. The format: see `facts`.

use sluice_model::EventSet;
use sluice_model::wire::bytes_reader::{BytesReader, TooShort};

const EMPTY: u8 = 0;
const RUNS: u8 = 1;
const BITMAP: u8 = 2;
const AGAIN: u8 = 3;

/// Why bytes are not a set.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetError {
    /// The bytes end too early.
    #[error("{0}")]
    TooShort(#[from] TooShort),
    /// A number is larger than its field allows.
    #[error("a number is too large")]
    TooLarge,
    /// The form byte is unknown.
    #[error("a set of the unknown form {0}")]
    UnknownForm(u8),
}

/// Appends a set; `before` is the previous set of the row.
pub(super) fn write(out: &mut Vec<u8>, set: &EventSet, before: &EventSet) {
    let (Some(first), Some(last)) = (set.runs().first(), set.runs().last()) else {
        return out.push(EMPTY);
    };
    if set == before {
        return out.push(AGAIN);
    }
    let runs = encode_runs(set);
    let bitmap_bytes = usize::from(last.end - first.start).div_ceil(8);
    if runs.len() <= bitmap_bytes + 3 {
        out.push(RUNS);
        out.extend(runs);
        return;
    }
    let mut bitmap = vec![0u8; bitmap_bytes];
    for index in set.iter().map(|index| usize::from(index - first.start)) {
        bitmap[index / 8] |= 1 << (index % 8);
    }
    out.push(BITMAP);
    write_varint(out, first.start.into());
    write_varint(out, bitmap_bytes as u64);
    out.extend(bitmap);
}

fn encode_runs(set: &EventSet) -> Vec<u8> {
    let mut out = Vec::new();
    write_varint(&mut out, set.runs().len() as u64);
    let mut end = 0;
    for run in set.runs() {
        write_varint(&mut out, (run.start - end).into());
        write_varint(&mut out, run.len() as u64);
        end = run.end;
    }
    out
}

/// Reads a set; `before` is the previous set of the row.
pub(super) fn read(reader: &mut BytesReader<'_>, before: &EventSet) -> Result<EventSet, SetError> {
    match reader.u8()? {
        EMPTY => Ok(EventSet::new()),
        RUNS => read_runs(reader),
        BITMAP => read_bitmap(reader),
        AGAIN => Ok(before.clone()),
        other => Err(SetError::UnknownForm(other)),
    }
}

fn read_runs(reader: &mut BytesReader<'_>) -> Result<EventSet, SetError> {
    let (mut set, mut end) = (EventSet::new(), 0u16);
    for _ in 0..read_varint(reader)? {
        let start = end.checked_add(read_u16(reader)?).ok_or(SetError::TooLarge)?;
        end = start.checked_add(read_u16(reader)?).ok_or(SetError::TooLarge)?;
        set.push_run(start, end);
    }
    Ok(set)
}

fn read_bitmap(reader: &mut BytesReader<'_>) -> Result<EventSet, SetError> {
    let first = read_u16(reader)?;
    let len = read_u16(reader)?;
    let bitmap = reader.take(len.into())?;
    let mut set = EventSet::new();
    let bits = bitmap.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    for (index, _) in bits.enumerate().filter(|(_, is_set)| *is_set) {
        let index = u16::try_from(index).ok().and_then(|index| first.checked_add(index));
        set.push(index.filter(|index| *index < u16::MAX).ok_or(SetError::TooLarge)?);
    }
    Ok(set)
}

pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn read_varint(reader: &mut BytesReader<'_>) -> Result<u64, SetError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = reader.u8()?;
        let bits = u64::from(byte & 0x7f);
        // A u64 has room for one bit of the tenth byte.
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(SetError::TooLarge)
}

fn read_u16(reader: &mut BytesReader<'_>) -> Result<u16, SetError> {
    u16::try_from(read_varint(reader)?).map_err(|_large| SetError::TooLarge)
}
