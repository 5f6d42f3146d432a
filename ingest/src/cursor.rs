//! Cursors: where a reader is, in text that only the same query takes back.
//!
//! ```text
//! base64url of: payload, then 8 bytes of SHA-256 over
//!               what the cursor is bound to, each part after its length, and the payload
//! ```
//!
//! A cursor is no secret and gives no right: it says where to go on, and the
//! customer is known from the key. The hash finds mistakes, not forgers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluice_catalogue::secrets::sha256;
use sluice_model::EventId;

const SEAL_LEN: usize = 8;
/// Longer ones were not made here: a position for each of 64 lanes fits well.
const TEXT_MAX: usize = 4096;

/// A payload as a cursor bound to `binding`.
pub(crate) fn seal(binding: &[&[u8]], payload: &[u8]) -> String {
    let mut bytes = payload.to_vec();
    bytes.extend_from_slice(&hash(binding, payload));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The payload of a cursor that was sealed with this `binding`.
pub(crate) fn open(binding: &[&[u8]], text: &str) -> Option<Vec<u8>> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let seal = bytes.split_off(bytes.len().checked_sub(SEAL_LEN)?);
    (seal == hash(binding, &bytes)).then_some(bytes)
}

fn hash(binding: &[&[u8]], payload: &[u8]) -> [u8; SEAL_LEN] {
    let mut all = Vec::new();
    for part in binding.iter().chain([&payload]) {
        all.extend_from_slice(&(part.len() as u64).to_le_bytes());
        all.extend_from_slice(part);
    }
    sha256(&all)[..SEAL_LEN].try_into().expect("eight bytes of 32")
}

/// Positions as a payload: the last event seen in each lane, which the ids name.
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

    proptest! {
        #[test]
        fn a_cursor_opens_for_what_it_was_sealed_for_and_nothing_else(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4),
            other in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4),
            payload in prop::collection::vec(any::<u8>(), 0..100),
            flip in any::<prop::sample::Index>(),
        ) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let other: Vec<&[u8]> = other.iter().map(Vec::as_slice).collect();
            let text = seal(&parts, &payload);
            prop_assert_eq!(open(&parts, &text), Some(payload));
            if parts != other {
                prop_assert_eq!(open(&other, &text), None);
            }
            let mut changed = text.clone().into_bytes();
            let at = flip.index(changed.len());
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(open(&parts, std::str::from_utf8(&changed).unwrap()), None);
            prop_assert_eq!(open(&parts, &text[..at]), None);
        }

        #[test]
        fn any_text_is_taken_or_refused_without_a_panic(text in ".{0,100}") {
            open(&[], &text);
        }

        #[test]
        fn positions_come_back(ids in prop::collection::vec(any::<u128>(), 0..64)) {
            let ids: Vec<_> = ids.into_iter().map(EventId::from_u128).collect();
            prop_assert_eq!(read_positions(&write_positions(ids.iter().copied())), Some(ids));
        }
    }
}
