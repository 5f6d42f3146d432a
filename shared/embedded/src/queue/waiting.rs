//! The waiting deliveries in memory, ordered by due time.

use foldhash::HashMap;
use sluice_model::{Delivery, DeliveryId, SubscriptionId};
use sluice_ports::work_queue::{Backlog, TakeRequest};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;

/// The part of a delivery that memory holds.
#[derive(Debug, Clone, Copy)]
struct WaitingDelivery {
    due_ms: u64,
    oldest_ms: u64,
    events: u32,
    taken: bool,
}

/// The deliveries of one subscription.
#[derive(Debug, Default)]
struct SubscriptionQueue {
    entries: HashMap<DeliveryId, WaitingDelivery>,
    /// The deliveries that are not taken, by due time.
    by_due: BTreeSet<(u64, DeliveryId)>,
    events: u64,
}

/// All deliveries that wait or are taken.
#[derive(Debug, Default)]
pub(super) struct WaitingDeliveries {
    rows: BTreeMap<SubscriptionId, SubscriptionQueue>,
    total: Backlog,
    /// The subscription that was served last, after which the next take begins.
    last: Option<SubscriptionId>,
}

impl SubscriptionQueue {
    fn remove(&mut self, id: DeliveryId) -> Option<WaitingDelivery> {
        let entry = self.entries.remove(&id)?;
        self.by_due.remove(&(entry.due_ms, id));
        self.events -= u64::from(entry.events);
        Some(entry)
    }
}

impl WaitingDeliveries {
    pub(super) fn put(&mut self, delivery: &Delivery) {
        self.done(delivery.subscription, delivery.id);
        let row = self.rows.entry(delivery.subscription).or_default();
        let (due_ms, events) = (delivery.due_ms, delivery.event_count() as u32);
        let entry = WaitingDelivery { due_ms, oldest_ms: delivery.oldest_ms(), events, taken: false };
        row.entries.insert(delivery.id, entry);
        row.by_due.insert((due_ms, delivery.id));
        row.events += u64::from(events);
        self.total.deliveries += 1;
        self.total.events += u64::from(events);
    }

    pub(super) fn done(&mut self, subscription: SubscriptionId, id: DeliveryId) {
        let Some(row) = self.rows.get_mut(&subscription) else { return };
        let Some(entry) = row.remove(id) else { return };
        self.total.deliveries -= 1;
        self.total.events -= u64::from(entry.events);
        if row.entries.is_empty() {
            self.rows.remove(&subscription);
        }
    }

    /// Takes due deliveries from the subscriptions in turn, the longest due of each first.
    pub(super) fn take(&mut self, request: &TakeRequest<'_>) -> Vec<(SubscriptionId, DeliveryId)> {
        let mut taken = Vec::new();
        let last = self.last.unwrap_or(SubscriptionId::from_u128(0));
        let behind_last = self.rows.range((Bound::Excluded(last), Bound::Unbounded));
        let order: Vec<SubscriptionId> = behind_last
            .chain(self.rows.range(..=last))
            .filter(|(subscription, row)| {
                row.by_due.first().is_some_and(|(due_ms, _)| *due_ms <= request.now_ms)
                    && !request.blocked.contains(subscription)
            })
            .map(|(subscription, _)| *subscription)
            .take(request.max)
            .collect();
        for subscription in order {
            let Some(row) = self.rows.get_mut(&subscription) else { continue };
            let max = request.max_per_subscription.min(request.max - taken.len());
            for _ in 0..max {
                let Some((due_ms, id)) = row.by_due.pop_first() else { break };
                if due_ms > request.now_ms {
                    row.by_due.insert((due_ms, id));
                    break;
                }
                if let Some(entry) = row.entries.get_mut(&id) {
                    entry.taken = true;
                }
                taken.push((subscription, id));
            }
            self.last = Some(subscription);
        }
        taken
    }

    /// Returns a taken delivery to the queue.
    pub(super) fn give_back(&mut self, subscription: SubscriptionId, id: DeliveryId) {
        let Some(row) = self.rows.get_mut(&subscription) else { return };
        let Some(entry) = row.entries.get_mut(&id).filter(|entry| entry.taken) else { return };
        entry.taken = false;
        row.by_due.insert((entry.due_ms, id));
    }

    /// Returns a taken delivery to the queue, due at `due_ms`.
    pub(super) fn put_off(&mut self, subscription: SubscriptionId, id: DeliveryId, due_ms: u64) {
        let Some(queue) = self.rows.get_mut(&subscription) else { return };
        if let Some(delivery) = queue.entries.get_mut(&id) {
            delivery.due_ms = due_ms;
        }
        self.give_back(subscription, id);
    }

    pub(super) fn next_due_ms(&self, blocked: &HashSet<SubscriptionId>) -> Option<u64> {
        let open = self.rows.iter().filter(|(subscription, _)| !blocked.contains(subscription));
        open.filter_map(|(_, row)| row.by_due.first()).map(|(due_ms, _)| *due_ms).min()
    }

    pub(super) fn oldest_ms(&self) -> u64 {
        let entries = self.rows.values().flat_map(|row| row.entries.values());
        entries.map(|entry| entry.oldest_ms).min().unwrap_or(u64::MAX)
    }

    pub(super) fn backlog(&self, subscription: SubscriptionId) -> Backlog {
        self.rows.get(&subscription).map_or_else(Backlog::default, |row| Backlog {
            deliveries: row.entries.len() as u64,
            events: row.events,
        })
    }

    pub(super) const fn total(&self) -> Backlog {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::Lane;
    use sluice_ports::sample::{Batches, delivery};

    #[test]
    fn a_delivery_that_is_put_off_is_taken_again_later() {
        let subscription = SubscriptionId::from_u128(1);
        let batch = Batches::new(Lane::new(0).unwrap()).next(3, 10);
        let waits = delivery(&batch, subscription, 3, 100);
        let mut waiting = WaitingDeliveries::default();
        waiting.put(&waits);
        let blocked = HashSet::new();
        let request = |now_ms| TakeRequest { now_ms, max: 5, max_per_subscription: 5, blocked: &blocked };
        assert_eq!(waiting.take(&request(100)), [(subscription, waits.id)]);
        waiting.put_off(subscription, waits.id, 500);
        assert_eq!(waiting.next_due_ms(&blocked), Some(500));
        assert_eq!(waiting.take(&request(499)), []);
        assert_eq!(waiting.take(&request(500)), [(subscription, waits.id)]);
        assert_eq!(waiting.backlog(subscription), Backlog { deliveries: 1, events: 3 });
        waiting.done(subscription, waits.id);
        assert_eq!(waiting.total(), Backlog::default());
    }

    #[test]
    fn fifty_thousand_due_deliveries_of_a_blocked_subscription_cost_a_take_of_others_nothing() {
        let [blocked_one, busy_one, other] = [1, 2, 3].map(SubscriptionId::from_u128);
        let batch = Batches::new(Lane::new(0).unwrap()).next(3, 10);
        let mut waiting = WaitingDeliveries::default();
        (0..50_000).for_each(|_| waiting.put(&delivery(&batch, blocked_one, 1, 1)));
        (0..50_000).for_each(|_| waiting.put(&delivery(&batch, busy_one, 1, 1)));
        (0..3).for_each(|n| waiting.put(&delivery(&batch, other, 1, 50 + n)));
        let blocked = HashSet::from([blocked_one]);
        assert_eq!(waiting.next_due_ms(&HashSet::from([blocked_one, busy_one])), Some(50));
        // Though its deliveries were due later, one take brings all of the other subscription's.
        let taken =
            waiting.take(&TakeRequest { now_ms: 60, max: 100, max_per_subscription: 10, blocked: &blocked });
        let taken_of = |wanted| taken.iter().filter(|(subscription, _)| *subscription == wanted).count();
        assert_eq!([blocked_one, busy_one, other].map(taken_of), [0, 10, 3]);
        assert_eq!(waiting.rows[&blocked_one].by_due.len(), 50_000, "none of them was touched");
    }
}
