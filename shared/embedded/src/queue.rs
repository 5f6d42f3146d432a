//! The work queue on one machine: deliveries in the state store, and in memory
//! some hundred bytes of each: when it is due, how many events it has and how
//! old they are. So taking what is due never searches the store, and a
//! subscription that is blocked costs nothing, however much it has waiting.

use super::keys;
use super::kv::{Kv, KvView};
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_model::{Delivery, DeliveryId, SubscriptionId};
use sluice_ports::PortError;
use sluice_ports::work_queue::{Backlog, TakeRequest, WorkQueue};
use std::collections::HashSet;
use std::sync::Arc;

mod waiting;

use waiting::Waiting;

type Taken = Vec<(SubscriptionId, DeliveryId)>;

/// The embedded work queue.
pub struct EmbeddedQueue {
    kv: Arc<Kv>,
    waiting: Arc<Mutex<Waiting>>,
}

impl EmbeddedQueue {
    /// Loads what the state store holds. Blocks.
    pub(crate) fn open(kv: Arc<Kv>) -> Result<Self, PortError> {
        let mut waiting = Waiting::default();
        kv.view().scan(&[keys::QUEUED], &[], |_, value| {
            waiting.put(&keys::decode("load the work queue", value)?);
            Ok(true)
        })?;
        Ok(Self { kv, waiting: Arc::new(Mutex::new(waiting)) })
    }

    /// The id time of the oldest waiting event, taken ones included: older
    /// segments are not needed by the queue.
    pub(crate) fn oldest_ms(&self) -> u64 {
        self.waiting.lock().oldest_ms()
    }
}

/// Taken deliveries go back unless they reach who asked for them.
struct GiveBack {
    waiting: Arc<Mutex<Waiting>>,
    taken: Taken,
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if !self.taken.is_empty() {
            let mut waiting = self.waiting.lock();
            self.taken.drain(..).for_each(|(subscription, id)| waiting.give_back(subscription, id));
        }
    }
}

/// Reads taken deliveries. One that cannot be read does not hold up the
/// others: it stays taken until a restart makes the damaged cache anew.
fn read(view: &KvView, taken: &Taken) -> Result<Vec<Delivery>, PortError> {
    let mut deliveries = Vec::with_capacity(taken.len());
    let mut failed = None;
    for (subscription, id) in taken {
        let value = view.get(&keys::queued(*subscription, *id));
        match value.and_then(|value| value.map(|v| keys::decode("take a delivery", &v)).transpose()) {
            Ok(delivery) => deliveries.extend(delivery),
            Err(error) => {
                tracing::error!(%subscription, delivery = %id, %error, "a waiting delivery cannot be read");
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if deliveries.is_empty() => Err(error),
        _ => Ok(deliveries),
    }
}

#[async_trait]
impl WorkQueue for EmbeddedQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError> {
        let waiting = self.waiting.clone();
        let stage = move |staged: &mut super::kv::Staged<'_>| {
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
        let (view, back) =
            (self.kv.view().clone(), GiveBack { waiting: self.waiting.clone(), taken: taken.clone() });
        // Cancel safe: the deliveries go back if nobody waits for them any more.
        let read = tokio::task::spawn_blocking(move || (read(&view, &taken), back)).await;
        let (read, mut back) =
            read.map_err(|error| PortError::unavailable("take deliveries that are due", error))?;
        back.taken.clear();
        read
    }

    fn next_due_ms(&self, blocked: &HashSet<SubscriptionId>) -> Option<u64> {
        self.waiting.lock().next_due_ms(blocked)
    }

    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError> {
        let waiting = self.waiting.clone();
        let stage = move |staged: &mut super::kv::Staged<'_>| {
            for (subscription, id) in &ids {
                staged.remove(keys::queued(*subscription, *id));
            }
            Ok(ids)
        };
        let done = move |ids: &Taken| {
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
