//! Cursors: text that says where a reader stopped, and that only the same query accepts.
//!
//! ```text
//! base64url of: payload, then 8 bytes of SHA-256 over
//!               the binding's parts and the payload, each after its length
//! ```
//!
//! A cursor is no secret and grants no right: the customer is known from the
//! key. The hash detects mistakes; it does not stop forgers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_catalogue::secrets::sha256;
use sluice_model::EventId;

const SEAL_LEN: usize = 8;
/// Longer texts were not made here: positions of 64 lanes need a third of this.
const TEXT_MAX: usize = 4096;

/// The query that a cursor is valid for: a kind of reader, a customer, a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CursorBinding {
    /// The parts, each after its length.
    parts: Vec<u8>,
}

impl CursorBinding {
    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        let mut all = Vec::new();
        parts.iter().for_each(|part| write_part(&mut all, part));
        Self { parts: all }
    }

    /// The payload as a cursor's text.
    pub(crate) fn seal(&self, payload: &[u8]) -> String {
        let mut bytes = payload.to_vec();
        bytes.extend_from_slice(&self.hash(payload));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The payload of a cursor that was sealed with an equal binding.
    pub(crate) fn open(&self, text: &str) -> Option<Vec<u8>> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let seal = bytes.split_off(bytes.len().checked_sub(SEAL_LEN)?);
        (seal == self.hash(&bytes)).then_some(bytes)
    }

    fn hash(&self, payload: &[u8]) -> [u8; SEAL_LEN] {
        let mut all = self.parts.clone();
        write_part(&mut all, payload);
        sha256(&all)[..SEAL_LEN].try_into().expect("eight bytes of 32")
    }
}

fn write_part(all: &mut Vec<u8>, part: &[u8]) {
    all.extend_from_slice(&(part.len() as u64).to_le_bytes());
    all.extend_from_slice(part);
}

/// Positions as a payload: the last event seen in each lane. An id names its lane.
pub(crate) fn write_positions(positions: impl Iterator<Item = EventId>) -> Vec<u8> {
    positions.flat_map(EventId::to_bytes).collect()
}

/// The positions of a payload.
pub(crate) fn read_positions(payload: &[u8]) -> Option<Vec<EventId>> {
    let (ids, rest) = payload.as_chunks::<16>();
    rest.is_empty().then(|| ids.iter().map(|bytes| EventId::from_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binding(parts: &[Vec<u8>]) -> CursorBinding {
        CursorBinding::new(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn a_cursor_opens_for_what_it_was_sealed_for_and_nothing_else(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4),
            other in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4),
            payload in prop::collection::vec(any::<u8>(), 0..100),
            flip in any::<prop::sample::Index>(),
        ) {
            let (own, others) = (binding(&parts), binding(&other));
            let text = own.seal(&payload);
            prop_assert_eq!(own.open(&text), Some(payload));
            if parts != other {
                prop_assert_eq!(others.open(&text), None);
            }
            let mut changed = text.clone().into_bytes();
            let at = flip.index(changed.len());
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(own.open(std::str::from_utf8(&changed).unwrap()), None);
            prop_assert_eq!(own.open(&text[..at]), None);
        }

        #[test]
        fn any_text_is_taken_or_refused_without_a_panic(text in ".{0,100}") {
            binding(&[]).open(&text);
        }

        #[test]
        fn positions_come_back(ids in prop::collection::vec(any::<u128>(), 0..64)) {
            let ids: Vec<_> = ids.into_iter().map(EventId::from_u128).collect();
            prop_assert_eq!(read_positions(&write_positions(ids.iter().copied())), Some(ids));
        }
    }
}
