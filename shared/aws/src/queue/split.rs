//! Deliveries that do not fit one message: pure.
//!
//! A delivery that is too large for the queue becomes two, each with half of its events.
//! Their new ids follow from the id of the whole, so splitting it again makes the same
//! two deliveries.

use ring::digest;
use sluice_model::{Delivery, DeliveryId, EventRef, LastAttempt};

/// How a delivery with a too large message can be made smaller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Smaller {
    /// Two deliveries of half the events each.
    Halves(Box<[Delivery; 2]>),
    /// The same delivery without the text of its last attempt's error.
    WithoutWords(Box<Delivery>),
    /// It cannot be smaller.
    Nothing,
}

/// Makes a delivery smaller.
pub(super) fn smaller(delivery: &Delivery) -> Smaller {
    if delivery.last.error.is_some() {
        let last = LastAttempt { error: None, ..delivery.last.clone() };
        return Smaller::WithoutWords(Box::new(Delivery { last, ..delivery.clone() }));
    }
    let count = delivery.event_count();
    if count < 2 {
        return Smaller::Nothing;
    }
    let (first, second) = split_events(&delivery.events, count / 2);
    let part = |name, events| Delivery { id: part_id(delivery.id, name), events, ..delivery.clone() };
    Smaller::Halves(Box::new([part(b'0', first), part(b'1', second)]))
}

/// The first `count` events, and the others.
fn split_events(events: &[EventRef], count: usize) -> (Vec<EventRef>, Vec<EventRef>) {
    let (mut first, mut second, mut left) = (Vec::new(), Vec::new(), count);
    for events_of_batch in events {
        let EventRef { batch, events } = events_of_batch;
        let (head, tail) = events.split_at(left);
        left -= head.len();
        let non_empty = |events| EventRef { batch: *batch, events };
        first.extend((!head.is_empty()).then(|| non_empty(head)));
        second.extend((!tail.is_empty()).then(|| non_empty(tail)));
    }
    (first, second)
}

/// An id that follows from another: its time and version, and other random bits.
pub(super) fn part_id(whole: DeliveryId, name: u8) -> DeliveryId {
    const RANDOM_BITS: u128 = (1 << 62) - 1;
    let hash = digest::digest(&digest::SHA256, &[&whole.to_bytes()[..], &[name]].concat());
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash.as_ref()[..16]);
    let random = u128::from_be_bytes(bits) & RANDOM_BITS;
    DeliveryId::from_u128(whole.as_u128() & !RANDOM_BITS | random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::{EventSet, Lane, SubscriptionId};
    use sluice_ports::sample::{self, Batches};

    #[test]
    fn halves_hold_all_events_in_their_order_under_ids_that_are_always_the_same() {
        let mut batches = Batches::new(Lane::new(1).unwrap());
        let mut whole = sample::delivery(&batches.next(2, 1), SubscriptionId::from_u128(7), 2, 5);
        whole.last.error = None;
        let sets = [EventSet::range(0, 3), EventSet::from_iter([1, 3, 5, 7]), EventSet::range(9, 10)];
        whole.events = sets.map(|events| EventRef { batch: batches.next(1, 1).id, events }).to_vec();
        let Smaller::Halves(halves) = smaller(&whole) else { panic!("halves") };
        let events = |delivery: &Delivery| {
            let events = delivery
                .events
                .iter()
                .flat_map(|events| events.events.iter().map(|index| (events.batch, index)));
            events.collect::<Vec<_>>()
        };
        let [first, second] = &*halves;
        assert_eq!([events(first), events(second)].concat(), events(&whole));
        assert_eq!((first.event_count(), second.event_count()), (4, 4));
        assert!(first.id != second.id && first.id != whole.id);
        assert_eq!(first.id.as_u128() >> 62, whole.id.as_u128() >> 62);
        assert_eq!(smaller(&whole), Smaller::Halves(halves));
    }

    #[test]
    fn words_go_first_and_one_event_cannot_be_split() {
        let batch = Batches::new(Lane::new(1).unwrap()).next(2, 1);
        let mut one = sample::delivery(&batch, SubscriptionId::from_u128(7), 1, 5);
        one.last.error = Some("long".into());
        let Smaller::WithoutWords(without) = smaller(&one) else { panic!("without words") };
        assert_eq!((without.id, without.last.error.as_deref()), (one.id, None));
        assert_eq!(smaller(&without), Smaller::Nothing);
    }
}
