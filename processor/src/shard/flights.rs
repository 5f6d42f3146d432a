//! The webhooks of a shard that are under way: their tasks, and the durable places that hold
//! their events.

use crate::attempt::{Attempted, Job, Start};
use crate::body;
use crate::client::Reply;
use crate::context::{Context, DetachedRoom};
use crate::endpoint::Permit;
use crate::matcher::Listener;
use crate::outbox::WebhookCut;
use crate::outcome::Fault;
use crate::settlement::HeldBy;
use crate::slice::{Slice, TicketShare};
use crate::stored_body;
use bytes::Bytes;
use foldhash::HashMap;
use sluice_model::subscription::DeliveryShape;
use sluice_model::{CustomerId, Delivery, Lane};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};

/// The end of a webhook's task; `None` if the webhook was withdrawn before it was sent.
pub(super) type EndedTask = Result<(Id, Option<Attempted>), JoinError>;

/// A webhook under way.
pub(super) struct Flight {
    pub(super) listener: Arc<Listener>,
    pub(super) delivery: Delivery,
    /// Since when its first event has waited.
    pub(super) since_ms: u64,
    pub(super) body_bytes: usize,
    /// The bytes of its body that were copied out of batches.
    copied_bytes: usize,
    pub(super) phase: FlightPhase,
    pub(super) keeper: FlightKeeper,
    stop: Option<oneshot::Sender<()>>,
}

/// The progress of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlightPhase {
    /// It is signed (or being signed) and waits for its permit.
    Staged,
    /// Its attempt is under way.
    Sent,
}

/// The durable place that holds the events of a webhook under way.
pub(super) enum FlightKeeper {
    /// The log: these entries are not settled. The slices are kept only for an ordered
    /// subscription, whose events may have to be parked.
    Log {
        /// The log entries, each with the number of its events in this webhook.
        tickets: Vec<TicketShare>,
        /// The events with their ordering keys.
        slices: Vec<Slice>,
    },
    /// The work queue: the webhook was too slow to keep holding the log.
    Queue(DetachedRoom),
    /// The parked list of a lane; with the webhook's room, if the webhook left the log for being
    /// slow.
    Parked(Lane, Option<DetachedRoom>),
}

impl FlightKeeper {
    /// The same place, in the terms of a settlement.
    pub(super) const fn held_by(&self) -> HeldBy {
        match self {
            Self::Log { .. } => HeldBy::Log,
            Self::Queue(_) => HeldBy::Queue,
            Self::Parked(..) => HeldBy::ParkedList,
        }
    }
}

impl Flight {
    /// Stops the attempt as if it had timed out. Has no effect on an attempt that has just ended.
    pub(super) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
    }
}

/// A webhook to launch.
struct Launch {
    listener: Arc<Listener>,
    delivery: Delivery,
    since_ms: u64,
    body_bytes: usize,
    copied_bytes: usize,
    body: LaunchBody,
    start: Start,
    keeper: FlightKeeper,
    now_ms: u64,
}

/// The source of a webhook's body.
enum LaunchBody {
    /// From batches in memory.
    Ready(Arc<[Bytes]>),
    /// From the event store, which the webhook's task reads.
    Stored(Delivery),
}

/// All webhooks of a shard under way.
pub(super) struct Flights {
    context: Arc<Context>,
    under_way: HashMap<Id, Flight>,
    /// The bytes that were copied out of batches, of all flights and by customer.
    copied_bytes: usize,
    copied_by_customer: HashMap<CustomerId, usize>,
    tasks: JoinSet<Option<Attempted>>,
}

impl Flights {
    /// Without flights yet.
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            under_way: HashMap::default(),
            copied_bytes: 0,
            copied_by_customer: HashMap::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Launches a first attempt of events that were cut from an outbox.
    pub(super) fn launch_cut(
        &mut self,
        listener: &Arc<Listener>,
        cut: WebhookCut,
        start: Start,
        now_ms: u64,
    ) -> Id {
        let slices = || cut.slices.iter().map(|slice| (&*slice.batch, &slice.events));
        let chunks = body::chunks(slices());
        // A body that gets a shape is copied as a whole.
        let copied_bytes = match listener.target.delivery_shape() {
            DeliveryShape::Plain => body::copied_bytes(slices()),
            DeliveryShape::Pinned(_) | DeliveryShape::Unpinned => cut.body_bytes,
        };
        let (since_ms, body_bytes) = (cut.since_ms, cut.body_bytes);
        let subscription = listener.target.subscription();
        let delivery = listener.target.delivery(cut.event_refs(), now_ms);
        let tickets = cut.tickets();
        let slices = if subscription.ordered { cut.slices } else { Vec::new() };
        self.launch(Launch {
            listener: Arc::clone(listener),
            delivery,
            since_ms,
            body_bytes,
            copied_bytes,
            body: LaunchBody::Ready(chunks),
            start,
            keeper: FlightKeeper::Log { tickets, slices },
            now_ms,
        })
    }

    /// Launches an attempt of a delivery that is parked in a lane.
    pub(super) fn launch_parked(
        &mut self,
        listener: &Arc<Listener>,
        delivery: Delivery,
        lane: Lane,
        permit: Permit,
        now_ms: u64,
    ) -> Id {
        self.launch(Launch {
            listener: Arc::clone(listener),
            body: LaunchBody::Stored(delivery.clone()),
            delivery,
            since_ms: now_ms,
            body_bytes: 0,
            copied_bytes: 0,
            start: Start::Now(permit),
            keeper: FlightKeeper::Parked(lane, None),
            now_ms,
        })
    }

    /// Starts a flight; the only place that does.
    fn launch(&mut self, launch: Launch) -> Id {
        let Launch { listener, delivery, since_ms, body_bytes, copied_bytes, body, start, keeper, now_ms } =
            launch;
        let phase = match &start {
            Start::Now(_) => FlightPhase::Sent,
            Start::When(_) => FlightPhase::Staged,
        };
        let (stop, stopped) = oneshot::channel();
        let (context, target) = (Arc::clone(&self.context), Arc::clone(&listener.target));
        if let Start::Now(permit) = &start {
            permit.sends(delivery.event_count(), now_ms);
        }
        let job = Job::new(&delivery, target, Arc::default());
        let task = self.tasks.spawn(async move {
            let chunks = match body {
                LaunchBody::Ready(chunks) => chunks,
                LaunchBody::Stored(delivery) => match stored_body::load_or_lose(&context, &delivery).await {
                    Ok(chunks) => chunks,
                    Err(why) => return Some(unsendable(why, context.clock().now_ms())),
                },
            };
            context.courier.attempt(Job { chunks, ..job }, start, stopped).await
        });
        self.copied_bytes += copied_bytes;
        *self.copied_by_customer.entry(delivery.customer).or_default() += copied_bytes;
        let flight = Flight {
            listener,
            delivery,
            since_ms,
            body_bytes,
            copied_bytes,
            phase,
            keeper,
            stop: Some(stop),
        };
        self.under_way.insert(task.id(), flight);
        task.id()
    }

    /// Waits for the end of a webhook's task; `None` if there is no task. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<EndedTask> {
        self.tasks.join_next_with_id().await
    }

    /// The end of a webhook's task, if one has ended.
    pub(super) fn try_next(&mut self) -> Option<EndedTask> {
        self.tasks.try_join_next_with_id()
    }

    /// The flight whose task ended, and its attempt; `None` if the webhook was withdrawn, since
    /// `withdraw` returned its flight.
    pub(super) fn land(&mut self, ended: EndedTask, now_ms: u64) -> Option<(Flight, Attempted)> {
        let (task, attempted) = match ended {
            Ok((task, attempted)) => (task, attempted?),
            Err(error) => {
                tracing::error!(%error, "a webhook's task ended without a result");
                (error.id(), Attempted::lost(now_ms, "the attempt broke off".into()))
            }
        };
        Some((self.remove(task)?, attempted))
    }

    /// Takes out a webhook that was not sent yet. Its task ends because it can no longer get a permit.
    pub(super) fn withdraw(&mut self, task: Id) -> Option<Flight> {
        self.remove(task)
    }

    /// Whether another webhook of a customer may be launched: the memory of bodies is bounded, and each
    /// customer has a share of it.
    pub(super) fn has_room(&self, customer: CustomerId) -> bool {
        let config = &self.context.config.shard;
        let share_max = config.copied_bytes_max / 100 * usize::from(config.customer_share_percent);
        let share = self.copied_by_customer.get(&customer).copied().unwrap_or(0);
        self.copied_bytes < config.copied_bytes_max && share < share_max.max(1)
    }

    fn remove(&mut self, task: Id) -> Option<Flight> {
        let flight = self.under_way.remove(&task)?;
        self.copied_bytes -= flight.copied_bytes;
        if let Some(share) = self.copied_by_customer.get_mut(&flight.delivery.customer) {
            *share -= flight.copied_bytes;
            if *share == 0 {
                self.copied_by_customer.remove(&flight.delivery.customer);
            }
        }
        Some(flight)
    }

    /// A flight that is under way.
    pub(super) fn get_mut(&mut self, task: Id) -> Option<&mut Flight> {
        self.under_way.get_mut(&task)
    }

    /// All flights that are under way.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flight> {
        self.under_way.values_mut()
    }

    /// Whether none is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Breaks off all flights. The durable places still hold their events.
    pub(super) fn abandon(&mut self) {
        self.under_way.clear();
        self.copied_by_customer.clear();
        self.copied_bytes = 0;
        self.tasks.abort_all();
    }
}

/// The result if the body of a webhook is lost, so that no attempt was made.
fn unsendable(why: String, now_ms: u64) -> Attempted {
    Attempted { reply: Reply::fault(Fault::Unsendable, why), began_ms: now_ms, ended_ms: now_ms }
}
