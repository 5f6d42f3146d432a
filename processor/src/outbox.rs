//! The events that wait for one subscription on one shard, and the cutting of webhooks from them.
//!
//! Slices wait in log order. A cut takes as much from the front as the subscription's
//! [`BatchPolicy`] allows: whole events only, in order, and an event larger than `max_bytes` alone.

use crate::parking::REFS_MAX;
use crate::slice::{Slice, TicketShare, run_weight, start_of, weight};
use sluice_model::subscription::BatchPolicy;
use sluice_model::{Batch, EventRef, EventSet, Lane, Run};
use std::collections::VecDeque;
use std::sync::Arc;

/// The brackets around a webhook's events, less the comma that the last event does not have.
const BODY_OVERHEAD: usize = 1;

/// The waiting slices, and a place in the first of them.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<WaitingSlice>,
    events: usize,
    weight: usize,
}

/// A slice of which the events before `next` in its run number `run` are already cut.
#[derive(Debug)]
struct WaitingSlice {
    slice: Slice,
    run: usize,
    next: u16,
    since_ms: u64,
}

/// The events of one webhook, cut from an outbox.
#[derive(Debug, Default)]
pub struct WebhookCut {
    /// The events in the order of the webhook's array.
    pub slices: Vec<Slice>,
    /// The number of events.
    pub events: usize,
    /// The length of the webhook's body.
    pub body_bytes: usize,
    /// Since when its first event waited.
    pub since_ms: u64,
}

impl WebhookCut {
    /// The events as a delivery names them.
    #[must_use]
    pub fn event_refs(&self) -> Vec<EventRef> {
        let refs = self.slices.iter();
        refs.map(|slice| EventRef { batch: slice.batch.id, events: slice.events.clone() }).collect()
    }

    /// The log entries that the events settle, each with its number of these events.
    #[must_use]
    pub fn tickets(&self) -> Vec<TicketShare> {
        let share = |slice: &Slice| TicketShare {
            ticket: slice.ticket,
            batch: slice.batch.id,
            events: slice.events.len(),
        };
        self.slices.iter().map(share).collect()
    }
}

impl Outbox {
    /// Adds a slice behind all others. An empty slice is dropped.
    pub fn push(&mut self, slice: Slice, now_ms: u64) {
        let Some(first) = slice.events.runs().first() else { return };
        self.events += slice.events.len();
        self.weight += weight(&slice.batch, &slice.events);
        let next = first.start;
        self.waiting.push_back(WaitingSlice { slice, run: 0, next, since_ms: now_ms });
    }

    /// The number of waiting events.
    #[must_use]
    pub const fn events(&self) -> usize {
        self.events
    }

    /// The bytes that the waiting events take in webhooks.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.weight
    }

    /// Whether no event waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events == 0
    }

    /// Since when the first event has waited.
    #[must_use]
    pub fn oldest_ms(&self) -> Option<u64> {
        self.waiting.front().map(|first| first.since_ms)
    }

    /// When a webhook may be cut: at once (0) if it is full, else when its first event has waited
    /// long enough.
    #[must_use]
    pub fn ready_at_ms(&self, policy: &BatchPolicy) -> Option<u64> {
        let oldest = self.oldest_ms()?;
        let full = self.events >= policy.max_events as usize
            || self.weight + BODY_OVERHEAD >= policy.max_bytes as usize;
        Some(if full { 0 } else { oldest + u64::from(policy.max_wait_ms) })
    }

    /// Takes out the events whose ordering key is held in their lane, in order.
    pub fn divert(&mut self, is_held: impl Fn(Lane, u64) -> bool) -> Vec<Slice> {
        let waiting = std::mem::take(&mut self.waiting);
        (self.events, self.weight) = (0, 0);
        let mut diverted = Vec::new();
        for waiting in waiting {
            let left = waiting.left();
            let (held, rest) = Slice { events: left, ..waiting.slice }.split(&is_held);
            if !held.events.is_empty() {
                diverted.push(held);
            }
            self.push(rest, waiting.since_ms);
        }
        diverted
    }

    /// Takes the events of one webhook; `None` if none wait. The delivery of an ordered subscription
    /// must be one that can be parked: of one lane, and of a limited number of batches.
    pub fn cut(&mut self, policy: &BatchPolicy, ordered: bool) -> Option<WebhookCut> {
        let mut cut = WebhookCut { since_ms: self.oldest_ms()?, ..WebhookCut::default() };
        let mut room =
            Room { events: policy.max_events.max(1) as usize, bytes: policy.max_bytes as usize, first: true };
        room.bytes = room.bytes.saturating_sub(BODY_OVERHEAD);
        while let Some(front) = self.waiting.front_mut() {
            let lane = cut.slices.first().map(|first| first.batch.lane());
            let is_other = lane.is_some_and(|lane| lane != front.slice.batch.lane());
            if ordered && (is_other || cut.slices.len() >= REFS_MAX) {
                break;
            }
            let before = (cut.events, cut.body_bytes);
            let taken = front.take(&mut room, &mut cut);
            if !taken.is_empty() {
                self.events -= cut.events - before.0;
                self.weight -= cut.body_bytes - before.1;
                cut.slices.push(Slice {
                    batch: Arc::clone(&front.slice.batch),
                    events: taken,
                    ticket: front.slice.ticket,
                });
            }
            if !front.is_done() {
                break;
            }
            self.waiting.pop_front();
        }
        cut.body_bytes += BODY_OVERHEAD;
        (cut.events > 0).then_some(cut)
    }
}

/// The remaining room of a webhook.
struct Room {
    events: usize,
    bytes: usize,
    /// Whether the webhook is empty: then one event fits, whatever its size.
    first: bool,
}

impl Room {
    /// How many events of `run` fit.
    fn fits(&self, batch: &Batch, run: Run) -> u16 {
        let most = run.len().min(self.events);
        let from = usize::from(run.start);
        let start = start_of(batch, run.start);
        let fit =
            batch.events[from..from + most].partition_point(|event| event.end as usize - start < self.bytes);
        let fit = if fit == 0 && self.first { most.min(1) } else { fit };
        fit as u16
    }
}

impl WaitingSlice {
    fn is_done(&self) -> bool {
        self.run >= self.slice.events.runs().len()
    }

    /// The events that are not cut yet.
    fn left(&self) -> EventSet {
        let mut left = EventSet::new();
        for (number, run) in self.slice.events.runs().iter().enumerate().skip(self.run) {
            left.push_run(if number == self.run { self.next } else { run.start }, run.end);
        }
        left
    }

    /// Moves the events that fit from here to the cut.
    fn take(&mut self, room: &mut Room, cut: &mut WebhookCut) -> EventSet {
        let mut taken = EventSet::new();
        while let Some(&Run { end, .. }) = self.slice.events.runs().get(self.run) {
            let left = Run { start: self.next, end };
            let fit = room.fits(&self.slice.batch, left);
            if fit == 0 {
                break;
            }
            let part = Run { start: left.start, end: left.start + fit };
            let weight = run_weight(&self.slice.batch, part);
            taken.push_run(part.start, part.end);
            cut.events += part.len();
            cut.body_bytes += weight;
            room.events -= part.len();
            room.bytes = room.bytes.saturating_sub(weight);
            room.first = false;
            self.next = part.end;
            if part.end < end {
                break;
            }
            self.run += 1;
            self.next = self.slice.events.runs().get(self.run).map_or(0, |run| run.start);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slice::Ticket;
    use crate::testing::batch_of_sizes;
    use proptest::prelude::*;

    fn policy(max_events: u32, max_bytes: u32) -> BatchPolicy {
        BatchPolicy { max_events, max_bytes, max_wait_ms: 50 }
    }

    fn slice(sizes: &[usize], events: &EventSet, ticket: u64) -> Slice {
        Slice { batch: Arc::new(batch_of_sizes(sizes)), events: events.clone(), ticket: Ticket(ticket) }
    }

    /// Sizes of a batch's envelopes, and which of them were matched.
    fn slices() -> impl Strategy<Value = Vec<(Vec<usize>, Vec<bool>)>> {
        prop::collection::vec(
            prop::collection::vec((2usize..60, any::<bool>()), 1..20)
                .prop_map(|pairs| pairs.into_iter().unzip()),
            0..8,
        )
    }

    proptest! {
        #[test]
        fn cuts_hold_every_event_once_in_order_and_within_the_policy(
            given in slices(), max_events in 1u32..12, max_bytes in 2u32..200
        ) {
            let policy = policy(max_events, max_bytes);
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (ticket, (sizes, matched)) in given.iter().enumerate() {
                let events: EventSet = (0..sizes.len() as u16).filter(|i| matched[usize::from(*i)]).collect();
                expected.extend(events.iter().map(|i| (ticket as u64, i)));
                outbox.push(slice(sizes, &events, ticket as u64), 0);
            }
            prop_assert_eq!(outbox.events(), expected.len());
            let mut got = Vec::new();
            while let Some(cut) = outbox.cut(&policy, false) {
                let mut body = 2;
                let mut count = 0;
                for slice in &cut.slices {
                    for index in slice.events.iter() {
                        body += slice.batch.envelope(index).len() + usize::from(count > 0);
                        count += 1;
                        got.push((slice.ticket.0, index));
                    }
                }
                prop_assert_eq!((cut.events, cut.body_bytes), (count, body));
                prop_assert!(count <= max_events as usize);
                prop_assert!(body <= max_bytes as usize || count == 1, "{} bytes in {} events", body, count);
            }
            prop_assert_eq!(got, expected);
            prop_assert_eq!((outbox.events(), outbox.bytes(), outbox.oldest_ms()), (0, 0, None));
        }

        #[test]
        fn a_webhook_is_ready_when_full_or_when_its_first_event_waited(
            sizes in prop::collection::vec(2usize..60, 1..20), max_events in 1u32..25, max_bytes in 2u32..600
        ) {
            let policy = policy(max_events, max_bytes);
            let mut outbox = Outbox::default();
            outbox.push(slice(&sizes, &EventSet::range(0, sizes.len() as u16), 0), 1000);
            let body = sizes.iter().sum::<usize>() + sizes.len() + 1;
            let full = sizes.len() >= max_events as usize || body >= max_bytes as usize;
            prop_assert_eq!(outbox.ready_at_ms(&policy), Some(if full { 0 } else { 1050 }));
        }
    }

    #[test]
    fn held_events_are_taken_out_of_the_uncut_events() {
        let mut batch = batch_of_sizes(&[10; 6]);
        for (index, event) in batch.events.iter_mut().enumerate() {
            event.ordering = index as u64 % 3;
        }
        let (batch, mut outbox) = (Arc::new(batch), Outbox::default());
        outbox.push(Slice { batch, events: EventSet::range(0, 6), ticket: Ticket(4) }, 9);
        assert_eq!(outbox.cut(&policy(2, 1000), true).unwrap().events, 2);
        let diverted = outbox.divert(|_, key| key == 2);
        assert_eq!(
            diverted.iter().map(|slice| slice.events.iter().collect()).collect::<Vec<Vec<_>>>(),
            [[2, 5]]
        );
        assert_eq!((outbox.events(), outbox.oldest_ms(), outbox.bytes()), (2, Some(9), 22));
        let cut = outbox.cut(&policy(9, 1000), true).unwrap();
        assert_eq!(cut.slices[0].events.iter().collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_webhook_that_may_be_parked_has_no_more_batches_than_a_row_holds() {
        let mut outbox = Outbox::default();
        let batch = Arc::new(batch_of_sizes(&[10]));
        for n in 0..3000 {
            let (batch, ticket) = (Arc::clone(&batch), Ticket(n));
            outbox.push(Slice { batch, events: EventSet::range(0, 1), ticket }, 0);
        }
        let policy = policy(10_000, 10_000_000);
        let counts: Vec<_> =
            std::iter::from_fn(|| outbox.cut(&policy, true)).map(|cut| cut.slices.len()).collect();
        assert_eq!(counts, [REFS_MAX, 3000 - REFS_MAX]);
    }

    #[test]
    fn a_larger_event_goes_alone() {
        let mut outbox = Outbox::default();
        outbox.push(slice(&[10, 500, 10], &EventSet::range(0, 3), 0), 0);
        let counts: Vec<_> = std::iter::from_fn(|| outbox.cut(&policy(100, 100), false))
            .map(|cut| (cut.events, cut.body_bytes))
            .collect();
        assert_eq!(counts, [(1, 12), (1, 502), (1, 12)]);
    }
}
