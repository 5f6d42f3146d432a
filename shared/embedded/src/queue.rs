//! The work queue on one machine. Deliveries are in the state store. Memory holds some
//! hundred bytes of each: its due time, its number of events and their age. So the store
//! is never searched for due deliveries, and the backlog of a blocked subscription costs
//! nothing.

use super::disk_reads::DiskReads;
use super::keys;
use super::kv::{Kv, KvView, StagedChanges};
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_model::{Delivery, DeliveryId, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::work_queue::{Backlog, TakeRequest, WorkQueue};
use std::collections::HashSet;
use std::sync::Arc;

mod waiting;

use waiting::WaitingDeliveries;

/// How long a delivery that could not be read waits before the next attempt, in milliseconds.
const UNREADABLE_AGAIN_MS: u64 = 5000;

type TakenIds = Vec<(SubscriptionId, DeliveryId)>;

/// The embedded work queue.
pub struct EmbeddedQueue {
    kv: Arc<Kv>,
    reads: DiskReads,
    waiting: Arc<Mutex<WaitingDeliveries>>,
}

impl EmbeddedQueue {
    /// Loads the waiting deliveries from the state store. Blocks.
    pub(crate) fn open(kv: Arc<Kv>) -> Result<Self, PortError> {
        let mut waiting = WaitingDeliveries::default();
        kv.view().scan(&[keys::QUEUED], &[], |_, value| {
            waiting.put(&keys::decode("load the work queue", value)?);
            Ok(true)
        })?;
        Ok(Self { kv, reads: DiskReads::new(), waiting: Arc::new(Mutex::new(waiting)) })
    }

    /// The id time of the oldest event of any delivery, taken or not. The queue
    /// does not need older segments.
    pub(crate) fn oldest_ms(&self) -> u64 {
        self.waiting.lock().oldest_ms()
    }

    /// When the oldest event of any delivery was accepted, in milliseconds since
    /// the Unix epoch, if any delivery waits.
    #[must_use]
    pub fn oldest_event_ms(&self) -> Option<u64> {
        Some(self.oldest_ms()).filter(|oldest_ms| *oldest_ms != u64::MAX)
    }
}

/// Taken deliveries, which go back to the queue unless they reach the caller.
struct GiveBack {
    waiting: Arc<Mutex<WaitingDeliveries>>,
    taken: TakenIds,
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if !self.taken.is_empty() {
            let mut waiting = self.waiting.lock();
            self.taken.drain(..).for_each(|(subscription, id)| waiting.give_back(subscription, id));
        }
    }
}

/// Taken deliveries as they were read.
struct ReadDeliveries {
    deliveries: Vec<Delivery>,
    unreadable: TakenIds,
    /// Why the last unreadable delivery could not be read.
    error: Option<PortError>,
}

/// Reads taken deliveries. An unreadable delivery does not delay the others.
fn read(view: &KvView, taken: &TakenIds) -> ReadDeliveries {
    let (mut deliveries, mut unreadable, mut failed) = (Vec::with_capacity(taken.len()), Vec::new(), None);
    for (subscription, id) in taken {
        let value = view.get(&keys::queued(*subscription, *id));
        match value.and_then(|value| value.map(|v| keys::decode("take a delivery", &v)).transpose()) {
            Ok(delivery) => deliveries.extend(delivery),
            Err(error) => {
                tracing::error!(%subscription, delivery = %id, %error, "a waiting delivery cannot be read");
                unreadable.push((*subscription, *id));
                failed = Some(error);
            }
        }
    }
    ReadDeliveries { deliveries, unreadable, error: failed }
}

#[async_trait]
impl WorkQueue for EmbeddedQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError> {
        let waiting = self.waiting.clone();
        let stage = move |staged: &mut StagedChanges<'_>| {
            for delivery in &deliveries {
                staged.put(keys::queued(delivery.subscription, delivery.id), keys::encode(delivery));
            }
            Ok(deliveries)
        };
        let put = move |deliveries: &Vec<Delivery>| {
            let mut waiting = waiting.lock();
            deliveries.iter().for_each(|delivery| waiting.put(delivery));
        };
        self.kv.update_then(stage, put).await.map(|_deliveries| ())
    }

    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError> {
        let taken = self.waiting.lock().take(&request);
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let back = GiveBack { waiting: self.waiting.clone(), taken: taken.clone() };
        let view = self.kv.view().clone();
        // Cancel safe: the deliveries go back if the caller no longer waits.
        let read = move || Ok((read(&view, &taken), back));
        let (read, mut back) = self.reads.run("take deliveries that are due", read).await?;
        back.taken.clear();
        let again_ms = request.now_ms + UNREADABLE_AGAIN_MS;
        let mut waiting = self.waiting.lock();
        read.unreadable.iter().for_each(|(subscription, id)| waiting.put_off(*subscription, *id, again_ms));
        match read.error {
            Some(error) if read.deliveries.is_empty() => Err(error),
            _ => Ok(read.deliveries),
        }
    }

    fn next_due_ms(&self, blocked: &HashSet<SubscriptionId>) -> Option<u64> {
        self.waiting.lock().next_due_ms(blocked)
    }

    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError> {
        let waiting = self.waiting.clone();
        let stage = move |staged: &mut StagedChanges<'_>| {
            for (subscription, id) in &ids {
                staged.remove(keys::queued(*subscription, *id));
            }
            Ok(ids)
        };
        let done = move |ids: &TakenIds| {
            let mut waiting = waiting.lock();
            ids.iter().for_each(|(subscription, id)| waiting.done(*subscription, *id));
        };
        self.kv.update_then(stage, done).await.map(|_ids| ())
    }

    fn backlog(&self, subscription: SubscriptionId) -> Backlog {
        self.waiting.lock().backlog(subscription)
    }

    fn total(&self) -> Backlog {
        self.waiting.lock().total()
    }
}
