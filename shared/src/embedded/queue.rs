//! The work queue on one machine: deliveries in the state store by subscription
//! and due time, with a row a subscription in memory. A subscription that is
//! blocked costs nothing, however much it has waiting.

use super::keys;
use super::kv::{Change, Kv, KvView};
use crate::model::{Delivery, DeliveryId, SubscriptionId};
use crate::ports::PortError;
use crate::ports::work_queue::{Backlog, TakeRequest, WorkQueue};
use async_trait::async_trait;
use foldhash::{HashMap, HashSet};
use parking_lot::Mutex;
use std::sync::Arc;

/// What is known in memory of a subscription's deliveries.
#[derive(Debug, Default)]
struct Row {
    backlog: Backlog,
    /// No delivery that is not taken is due before this; `u64::MAX` for none at all.
    earliest_due_ms: u64,
    /// No waiting event's id is older; it only rises when the row empties.
    oldest_ms: u64,
    taken: HashSet<DeliveryId>,
}

type Rows = HashMap<SubscriptionId, Row>;

/// The embedded work queue.
pub struct EmbeddedQueue {
    kv: Arc<Kv>,
    rows: Arc<Mutex<Rows>>,
}

impl EmbeddedQueue {
    /// Counts what the state store holds. Blocks.
    pub(crate) fn open(kv: Arc<Kv>) -> Result<Self, PortError> {
        let mut rows = Rows::default();
        kv.view().scan(&[keys::QUEUED], &[], |_, value| {
            let delivery: Delivery = keys::decode("load the work queue", value)?;
            add(&mut rows, &delivery);
            Ok(true)
        })?;
        Ok(Self { kv, rows: Arc::new(Mutex::new(rows)) })
    }

    /// The id time of the oldest waiting event: older segments are not needed by the queue.
    pub(crate) fn oldest_ms(&self) -> u64 {
        self.rows.lock().values().map(|row| row.oldest_ms).min().unwrap_or(u64::MAX)
    }
}

fn add(rows: &mut Rows, delivery: &Delivery) {
    let row = rows.entry(delivery.subscription).or_insert_with(|| Row {
        earliest_due_ms: u64::MAX,
        oldest_ms: u64::MAX,
        ..Row::default()
    });
    row.backlog.deliveries += 1;
    row.backlog.events += delivery.event_count() as u64;
    row.earliest_due_ms = row.earliest_due_ms.min(delivery.due_ms);
    row.oldest_ms = row.oldest_ms.min(delivery.oldest_ms());
    row.taken.remove(&delivery.id);
}

fn subtract(rows: &mut Rows, delivery: &Delivery) {
    let Some(row) = rows.get_mut(&delivery.subscription) else { return };
    row.backlog.deliveries = row.backlog.deliveries.saturating_sub(1);
    row.backlog.events = row.backlog.events.saturating_sub(delivery.event_count() as u64);
    row.taken.remove(&delivery.id);
    if row.backlog.deliveries == 0 {
        rows.remove(&delivery.subscription);
    }
}

/// Removes a stored delivery, if it is there.
fn remove(
    view: &KvView,
    subscription: SubscriptionId,
    id: DeliveryId,
    changes: &mut Vec<Change>,
) -> Result<Option<Delivery>, PortError> {
    let due_key = keys::due(subscription, id);
    let Some(due) = view.get(&due_key)? else { return Ok(None) };
    let key = keys::queued(subscription, keys::decode("read a due time", &due)?, id);
    let stored = view.get(&key)?.map(|value| keys::decode("read a delivery", &value)).transpose()?;
    changes.push((due_key, None));
    changes.push((key, None));
    Ok(stored)
}

/// Takes what is due of one subscription; leaves in the row when to look again.
fn take_of(
    view: &KvView,
    subscription: SubscriptionId,
    row: &mut Row,
    now_ms: u64,
    max: usize,
) -> Result<Vec<Delivery>, PortError> {
    let mut taken = Vec::new();
    row.earliest_due_ms = u64::MAX;
    let prefix = keys::queued_of(subscription);
    view.scan(&prefix, &[], |key, value| {
        let id = keys::id_at(key, prefix.len() + 8).map(DeliveryId::from_bytes);
        if id.is_some_and(|id| row.taken.contains(&id)) {
            return Ok(true);
        }
        let delivery: Delivery = keys::decode("take a delivery", value)?;
        if delivery.due_ms > now_ms || taken.len() >= max {
            row.earliest_due_ms = delivery.due_ms;
            return Ok(false);
        }
        row.taken.insert(delivery.id);
        taken.push(delivery);
        Ok(true)
    })?;
    Ok(taken)
}

#[async_trait]
impl WorkQueue for EmbeddedQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError> {
        let rows = self.rows.clone();
        let compute = move |view: &KvView| {
            let mut changes = Vec::with_capacity(deliveries.len() * 2);
            for delivery in &deliveries {
                let replaced = remove(view, delivery.subscription, delivery.id, &mut changes)?;
                changes.push((
                    keys::due(delivery.subscription, delivery.id),
                    Some(keys::encode(&delivery.due_ms)),
                ));
                changes.push((
                    keys::queued(delivery.subscription, delivery.due_ms, delivery.id),
                    Some(keys::encode(delivery)),
                ));
                let mut rows = rows.lock();
                if let Some(replaced) = replaced {
                    subtract(&mut rows, &replaced);
                }
                add(&mut rows, delivery);
            }
            Ok(changes)
        };
        self.kv.update(compute).await
    }

    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError> {
        let mut taken = Vec::new();
        let mut rows = self.rows.lock();
        for (subscription, row) in rows.iter_mut() {
            if taken.len() >= request.max {
                break;
            }
            if row.earliest_due_ms > request.now_ms || request.blocked.contains(subscription) {
                continue;
            }
            let max = request.max_per_subscription.min(request.max - taken.len());
            taken.extend(take_of(self.kv.view(), *subscription, row, request.now_ms, max)?);
        }
        Ok(taken)
    }

    fn next_due_ms(&self, blocked: &std::collections::HashSet<SubscriptionId>) -> Option<u64> {
        let rows = self.rows.lock();
        let open = rows.iter().filter(|(subscription, _)| !blocked.contains(subscription));
        open.map(|(_, row)| row.earliest_due_ms).min().filter(|due| *due != u64::MAX)
    }

    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError> {
        let rows = self.rows.clone();
        let compute = move |view: &KvView| {
            let mut changes = Vec::with_capacity(ids.len() * 2);
            for (subscription, id) in ids {
                if let Some(removed) = remove(view, subscription, id, &mut changes)? {
                    subtract(&mut rows.lock(), &removed);
                }
            }
            Ok(changes)
        };
        self.kv.update(compute).await
    }

    fn backlog(&self, subscription: SubscriptionId) -> Backlog {
        self.rows.lock().get(&subscription).map(|row| row.backlog).unwrap_or_default()
    }

    fn total(&self) -> Backlog {
        let rows = self.rows.lock();
        rows.values().fold(Backlog::default(), |total, row| Backlog {
            deliveries: total.deliveries + row.backlog.deliveries,
            events: total.events + row.backlog.events,
        })
    }
}
