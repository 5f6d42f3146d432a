//! Changes that are computed but not durable yet.

use super::KvView;
use super::cache::Slice;
use foldhash::HashMap;
use sluice_model::wire::bytes_reader::{BytesReader, TooShort};
use sluice_ports::PortError;

/// Keys with their new values; `None` for a key that is removed.
pub(super) type ChangedValues = HashMap<Slice, Option<Slice>>;

const REMOVED: u32 = u32::MAX;

/// The current values as one change sees them, with the earlier changes of its frame and
/// its own.
pub(crate) struct StagedChanges<'a> {
    view: &'a KvView,
    frame: &'a ChangedValues,
    own: ChangedValues,
    /// Encoded current values to write to the ledger again.
    again: Vec<u8>,
}

impl<'a> StagedChanges<'a> {
    pub(super) fn new(view: &'a KvView, frame: &'a ChangedValues) -> Self {
        Self { view, frame, own: ChangedValues::default(), again: Vec::new() }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Slice>, PortError> {
        match self.own.get(key).or_else(|| self.frame.get(key)) {
            Some(staged) => Ok(staged.clone()),
            None => self.view.get(key),
        }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.own.insert(key.into(), Some(value.into()));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.own.insert(key.into(), None);
    }

    /// Writes about `bytes_max` bytes of current values to the ledger again, from the key
    /// `from` on. Returns the key at which the next call begins, if there are more.
    pub(super) fn write_again(
        &mut self,
        from: &[u8],
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let mut next = None;
        self.view.scan(&[], from, |key, value| {
            if self.again.len() >= bytes_max {
                next = Some(key.to_vec());
                return Ok(false);
            }
            // A value that the frame changes is in the ledger anyway, and newer.
            if !self.frame.contains_key(key) {
                encode(key, Some(value), &mut self.again);
            }
            Ok(true)
        })?;
        Ok(next)
    }

    /// Adds the change to the bytes of the frame, and returns its new values.
    pub(super) fn finish(self, frame: &mut Vec<u8>) -> ChangedValues {
        frame.extend_from_slice(&self.again);
        for (key, value) in &self.own {
            encode(key, value.as_deref(), frame);
        }
        self.own
    }
}

/// Writes a row of a ledger frame: key length u16, value length u32 (0xffffffff:
/// the key is removed), key, value. Integers are little-endian.
fn encode(key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    let len = value.map_or(REMOVED, |value| value.len() as u32);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value.unwrap_or_default());
}

/// The rows of a ledger frame.
pub(crate) fn decode(frame: &[u8]) -> Result<Vec<(Slice, Option<Slice>)>, TooShort> {
    let mut reader = BytesReader::new(frame);
    let mut changes = Vec::new();
    while reader.position() < frame.len() {
        let key_len = usize::from(reader.u16()?);
        let value_len = reader.u32()?;
        let key = reader.take(key_len)?.into();
        let value = match value_len {
            REMOVED => None,
            len => Some(reader.take(len as usize)?.into()),
        };
        changes.push((key, value));
    }
    Ok(changes)
}
