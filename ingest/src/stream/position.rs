//! The position of a stream, and its cursors.

use crate::cursor::{self, CursorBinding};
use crate::inbox::EventFilter;
use sluice_model::{CustomerId, EventId};

/// The position of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamPosition {
    /// Events with earlier id times are skipped.
    pub from_ms: u64,
    /// The last event seen in each lane that has one.
    pub lanes: Vec<EventId>,
}

impl StreamPosition {
    /// The position in a cursor, if the cursor was sealed with this binding.
    pub(crate) fn open(text: &str, binding: &CursorBinding) -> Option<Self> {
        let payload = binding.open(text)?;
        let (from_ms, lanes) = payload.split_first_chunk::<8>()?;
        Some(Self { from_ms: u64::from_be_bytes(*from_ms), lanes: cursor::read_positions(lanes)? })
    }

    pub(super) fn seal(&self, binding: &CursorBinding) -> String {
        seal(self.from_ms, self.lanes.iter().copied(), binding)
    }

    /// Moves to the positions of a page, lane by lane.
    pub(super) fn advance(&mut self, positions: Vec<EventId>) {
        for position in positions {
            match self.lanes.iter_mut().find(|known| known.lane() == position.lane()) {
                Some(known) => *known = position,
                None => self.lanes.push(position),
            }
        }
    }
}

/// A position as a cursor's text.
pub(super) fn seal(from_ms: u64, lanes: impl Iterator<Item = EventId>, binding: &CursorBinding) -> String {
    let mut payload = from_ms.to_be_bytes().to_vec();
    payload.extend_from_slice(&cursor::write_positions(lanes));
    binding.seal(&payload)
}

/// What the cursors of a customer's streams with this filter are bound to.
pub(crate) fn stream_binding(customer: CustomerId, filter: &EventFilter) -> CursorBinding {
    CursorBinding::new(&[b"stream", &customer.to_bytes(), &filter.binding()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_says_where_the_stream_was_to_its_own_customer_and_filter() {
        let binding = |customer, event_type: &str| {
            let filter = EventFilter { event_type: Some(event_type.to_owned()), ..EventFilter::default() };
            stream_binding(CustomerId::from_u128(customer), &filter)
        };
        let lanes = vec![EventId::from_u128(7), EventId::from_u128(u128::MAX)];
        let position = StreamPosition { from_ms: 9, lanes };
        let text = position.seal(&binding(1, "a"));
        assert_eq!(StreamPosition::open(&text, &binding(1, "a")), Some(position));
        assert_eq!(StreamPosition::open(&text, &binding(2, "a")), None);
        assert_eq!(StreamPosition::open(&text, &binding(1, "b")), None);
        assert_eq!(StreamPosition::open("", &binding(1, "a")), None);
    }
}
