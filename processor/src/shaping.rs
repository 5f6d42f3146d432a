//! Putting webhooks into the shape of their subscription, without delaying others.
//!
//! A template may be as much work as its fuel allows, so templates run on threads of their own, a few
//! milliseconds at a time, and customers take turns. A webhook in the plain shape never comes here.

mod kept;

pub use kept::KeptShape;

use crate::attempt::Job;
use crate::store_wait::store_wait;
use crate::target::Target;
use bytes::Bytes;
use foldhash::HashMap;
use parking_lot::Mutex;
use sluice_model::subscription::{DeliveryShape, ShapeId};
use sluice_model::{CustomerId, SubscriptionId};
use sluice_ports::{PortError, Rows};
use sluice_shape::{BodyDraft, ShapeLimits, TransformError};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a webhook's template runs before others have a turn.
const TURN: Duration = Duration::from_millis(5);

/// The most shapes of earlier versions of subscriptions that are kept in memory.
const EARLIER_MAX: usize = 256;

/// Makes bodies in the shapes of subscriptions.
pub struct ShapingDesk {
    limits: ShapeLimits,
    rows: Arc<dyn Rows>,
    on_failure: Box<dyn Fn(&PortError) + Send + Sync>,
    /// Turns of the threads that run templates.
    turns: Semaphore,
    /// Room for transformed bodies, in KiB.
    room: Arc<Semaphore>,
    customers: Mutex<HashMap<CustomerId, Weak<CustomerDesk>>>,
    /// Earlier shapes of subscriptions, to which deliveries are pinned.
    earlier: Mutex<HashMap<(SubscriptionId, ShapeId), Arc<KeptShape>>>,
}

/// One customer's share of the desk.
struct CustomerDesk {
    /// Held by the one webhook of the customer that waits for a turn.
    turn: tokio::sync::Mutex<()>,
    room: Arc<Semaphore>,
}

/// The memory of a transformed body, which is given back when this is dropped.
pub struct BodyRoom {
    desk: Arc<CustomerDesk>,
    own: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

impl std::fmt::Debug for BodyRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyRoom").field("kib", &self.own.num_permits()).finish_non_exhaustive()
    }
}

/// The state of a body after its turn.
enum TurnEnd {
    Made(Vec<u8>),
    NotYet(BodyDraft),
}

impl ShapingDesk {
    /// A desk that reads the shapes of earlier versions from `rows`.
    #[must_use]
    pub fn new(
        limits: ShapeLimits,
        rows: Arc<dyn Rows>,
        on_failure: impl Fn(&PortError) + Send + Sync + 'static,
    ) -> Self {
        Self {
            turns: Semaphore::new(limits.threads),
            room: Arc::new(Semaphore::new(limits.in_flight_bytes_max.div_ceil(1024))),
            limits,
            rows,
            on_failure: Box::new(on_failure),
            customers: Mutex::default(),
            earlier: Mutex::default(),
        }
    }

    /// The shape of a delivery, if this process knows it.
    pub fn known(&self, target: &Target, shape: DeliveryShape) -> Option<Arc<KeptShape>> {
        let DeliveryShape::Pinned(id) = shape else { return None };
        let current = target.shape().filter(|current| current.id() == id);
        current.or_else(|| self.earlier.lock().get(&(target.id(), id)).cloned())
    }

    /// Puts a job's body into the job's shape. The returned room must be held as long as the body.
    /// Cancel safe: nothing is left behind.
    ///
    /// # Errors
    /// If the template fails on an event, or the shape is no longer kept.
    pub async fn shape(&self, job: &mut Job) -> Result<Option<BodyRoom>, TransformError> {
        let kept = match job.shape {
            DeliveryShape::Plain => return Ok(None),
            // A delivery is pinned before it is attempted, so this is a probe, with the
            // subscription's shape.
            DeliveryShape::Unpinned => job.target.shape(),
            DeliveryShape::Pinned(id) => Some(self.kept(&job.target, id).await?),
        };
        let Some(kept) = kept else { return Ok(None) };
        job.first_envelope = Some(first_envelope(&job.chunks));
        if !kept.compiled(self.limits)?.has_template() {
            // One unchanged event: the body without its brackets.
            if job.event_count() != 1 {
                return Err(failed(format!("a body of a single event cannot hold {}", job.event_count())));
            }
            job.chunks = without_brackets(&job.chunks);
            return Ok(None);
        }
        let mut room = self.room(job.target.subscription().customer).await;
        let body = self.transformed(&kept, job.chunks.concat(), &room).await?;
        room.shrink_to(body.len());
        job.chunks = Arc::new([Bytes::from(body)]);
        Ok(Some(room))
    }

    async fn transformed(
        &self,
        kept: &Arc<KeptShape>,
        envelopes: Vec<u8>,
        room: &BodyRoom,
    ) -> Result<Vec<u8>, TransformError> {
        let _customers_turn = room.desk.turn.lock().await;
        let mut draft = kept.compiled(self.limits)?.begin(envelopes)?;
        loop {
            // The semaphore is never closed.
            let _turn = self.turns.acquire().await;
            let (kept, limits) = (Arc::clone(kept), self.limits);
            let turn = tokio::task::spawn_blocking(move || take_turn(&kept, limits, draft)).await;
            match turn.map_err(|_died| failed("the template's thread broke off".to_owned()))?? {
                TurnEnd::Made(body) => return Ok(body),
                TurnEnd::NotYet(begun) => draft = begun,
            }
        }
    }

    /// Waits for room for the largest body, within the customer's share.
    async fn room(&self, customer: CustomerId) -> BodyRoom {
        let desk = self.desk(customer);
        let kib = self.limits.body_bytes_max.div_ceil(1024) as u32;
        let own = Arc::clone(&desk.room).acquire_many_owned(kib).await;
        let all = Arc::clone(&self.room).acquire_many_owned(kib).await;
        BodyRoom {
            desk,
            own: own.expect("the semaphore is never closed"),
            all: all.expect("the semaphore is never closed"),
        }
    }

    fn desk(&self, customer: CustomerId) -> Arc<CustomerDesk> {
        let mut customers = self.customers.lock();
        if let Some(desk) = customers.get(&customer).and_then(Weak::upgrade) {
            return desk;
        }
        customers.retain(|_, desk| desk.strong_count() > 0);
        let share = self.limits.in_flight_bytes_max / 100 * usize::from(self.limits.customer_share_percent);
        let share = share.max(self.limits.body_bytes_max).div_ceil(1024);
        let desk = CustomerDesk { turn: tokio::sync::Mutex::new(()), room: Arc::new(Semaphore::new(share)) };
        let desk = Arc::new(desk);
        customers.insert(customer, Arc::downgrade(&desk));
        desk
    }

    /// The shape with this id: the subscription's own, or an earlier one.
    async fn kept(&self, target: &Target, id: ShapeId) -> Result<Arc<KeptShape>, TransformError> {
        if let Some(known) = self.known(target, DeliveryShape::Pinned(id)) {
            return Ok(known);
        }
        let partition = kept::partition(target.id());
        let mut tries = 0;
        let stored = loop {
            match self.rows.get(&partition, &id.to_bytes()).await {
                Ok(stored) => break stored,
                Err(error) => {
                    (self.on_failure)(&error);
                    tokio::time::sleep(store_wait(&error, tries)).await;
                    tries = tries.saturating_add(1);
                }
            }
        };
        let stored = stored.ok_or_else(|| failed(format!("the shape {id:?} of the delivery is not kept")))?;
        let shape = sluice_shape::read_kept(&stored).map_err(failed)?;
        let kept = Arc::new(KeptShape::new(id, target.id(), shape));
        let mut earlier = self.earlier.lock();
        if earlier.len() >= EARLIER_MAX {
            earlier.clear();
        }
        earlier.insert((target.id(), id), Arc::clone(&kept));
        Ok(kept)
    }
}

impl BodyRoom {
    /// Gives back the room that a body of this length does not need.
    fn shrink_to(&mut self, bytes: usize) {
        let needed = bytes.div_ceil(1024).max(1);
        for permit in [&mut self.own, &mut self.all] {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
        }
    }
}

/// Makes as much of a body as one turn allows.
fn take_turn(kept: &KeptShape, limits: ShapeLimits, mut draft: BodyDraft) -> Result<TurnEnd, TransformError> {
    let (shaped, until) = (kept.compiled(limits)?, Instant::now() + TURN);
    loop {
        match shaped.step(&mut draft)? {
            ControlFlow::Break(body) => return Ok(TurnEnd::Made(body)),
            ControlFlow::Continue(()) if Instant::now() < until => {}
            ControlFlow::Continue(()) => return Ok(TurnEnd::NotYet(draft)),
        }
    }
}

fn failed(message: String) -> TransformError {
    TransformError { pointer: String::new(), line: None, message }
}

/// The first envelope of a plain body, with the rest of its chunk.
fn first_envelope(chunks: &[Bytes]) -> Bytes {
    match chunks {
        [bracket, envelopes, ..] if bracket == "[" => envelopes.clone(),
        [first, ..] => first.clone(),
        [] => Bytes::new(),
    }
}

/// A body without its first and its last byte.
fn without_brackets(chunks: &[Bytes]) -> Arc<[Bytes]> {
    let mut chunks = chunks.to_vec();
    if let Some(first) = chunks.first_mut() {
        *first = first.slice(1.min(first.len())..);
    }
    if let Some(last) = chunks.last_mut() {
        last.truncate(last.len().saturating_sub(1));
    }
    chunks.retain(|chunk| !chunk.is_empty());
    chunks.into()
}

#[cfg(test)]
mod tests;
