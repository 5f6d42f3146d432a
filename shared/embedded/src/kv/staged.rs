//! Changes that are worked out and not durable yet.

use super::KvView;
use super::cache::Slice;
use foldhash::HashMap;
use sluice_model::wire::bytes_reader::{BytesReader, TooShort};
use sluice_ports::PortError;

/// Keys and their new values, or nothing where they are removed.
pub(super) type Changes = HashMap<Slice, Option<Slice>>;

const REMOVED: u32 = u32::MAX;

/// The current values as one change sees them: with those before it in the
/// frame, and with its own.
pub(crate) struct Staged<'a> {
    view: &'a KvView,
    frame: &'a Changes,
    own: Changes,
    /// Current values that go to the ledger once more; encoded.
    again: Vec<u8>,
}

impl<'a> Staged<'a> {
    pub(super) fn new(view: &'a KvView, frame: &'a Changes) -> Self {
        Self { view, frame, own: Changes::default(), again: Vec::new() }
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

    /// Writes current values from `from` on again, about `bytes_max` of them;
    /// says where to go on, if there are more.
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
            // What the frame changes is newer than the view and in the ledger anyway.
            if !self.frame.contains_key(key) {
                encode(key, Some(value), &mut self.again);
            }
            Ok(true)
        })?;
        Ok(next)
    }

    /// The change's own values, after they and what it writes again were added
    /// to the frame's bytes.
    pub(super) fn finish(self, frame: &mut Vec<u8>) -> Changes {
        frame.extend_from_slice(&self.again);
        for (key, value) in &self.own {
            encode(key, value.as_deref(), frame);
        }
        self.own
    }
}

/// A row of a ledger frame: key length u16, value length u32 (0xffffffff: the
/// key is removed), key, value; little-endian.
fn encode(key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    let len = value.map_or(REMOVED, |value| value.len() as u32);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value.unwrap_or_default());
}

/// The rows of a ledger frame.
pub(super) fn decode(frame: &[u8]) -> Result<Vec<(Slice, Option<Slice>)>, TooShort> {
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
