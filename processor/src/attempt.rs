//! One attempt: sign, wait for the permit, POST, record. Each attempt is a task, so that the
//! next webhook is signed while the previous one is sent.

use crate::client::{Prepared, Reply, Wire};
use crate::clock::Clock;
use crate::endpoint::Permit;
use crate::metrics::Metrics;
use crate::outcome::{self, Fault};
use crate::shaping::{BodyRoom, ShapingDesk};
use crate::signing::SigningDesk;
use crate::target::Target;
use bytes::Bytes;
use sluice_model::subscription::DeliveryShape;
use sluice_model::trace::{self, Span, SpanKind};
use sluice_model::{AttemptRecord, Delivery, DeliveryId, EventRef};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The tools that all attempts share.
pub struct Courier {
    /// Sends the webhook.
    pub wire: Arc<dyn Wire>,
    /// Tells the time.
    pub clock: Clock,
    /// Counts the POSTs.
    pub metrics: Metrics,
    /// Puts the webhook's body into its shape.
    pub shaping: ShapingDesk,
    /// Signs the webhook.
    pub signing: SigningDesk,
}

/// A webhook to send.
#[derive(Debug, Clone)]
pub struct Job {
    /// `webhook-id`.
    pub delivery: DeliveryId,
    /// The number of the attempt, from 1.
    pub number: u32,
    /// The subscription that it goes to.
    pub target: Arc<Target>,
    /// The events that it carries.
    pub events: Arc<[EventRef]>,
    /// The webhook's body: plain, until it is put into its shape.
    pub chunks: Arc<[Bytes]>,
    /// The shape of the webhook's body.
    pub shape: DeliveryShape,
    /// The first event's envelope, if the body no longer shows it.
    pub first_envelope: Option<Bytes>,
}

impl Job {
    /// The next attempt of a delivery, with these bytes as the body.
    #[must_use]
    pub fn new(delivery: &Delivery, target: Arc<Target>, chunks: Arc<[Bytes]>) -> Self {
        Self {
            delivery: delivery.id,
            number: delivery.attempts + 1,
            target,
            events: delivery.events.as_slice().into(),
            chunks,
            shape: delivery.shape,
            first_envelope: None,
        }
    }

    /// How many events it carries.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.events.iter().map(|events| events.events.len()).sum()
    }
}

/// When a job is sent.
#[derive(Debug)]
pub enum Start {
    /// As soon as it is signed.
    Now(Permit),
    /// When the permit comes; never, if the permit's sender is dropped.
    When(oneshot::Receiver<Permit>),
}

/// An attempt that ended, whether or not the webhook could be sent.
#[derive(Debug)]
pub struct Attempted {
    /// The endpoint's reply, or the reason why there is none.
    pub reply: Reply,
    /// When the POST began, in milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// When the POST ended, in milliseconds since the Unix epoch.
    pub ended_ms: u64,
}

impl Attempted {
    /// An attempt whose task broke off for a reason that is not the endpoint's.
    #[must_use]
    pub fn lost(now_ms: u64, error: String) -> Self {
        Self { reply: Reply::fault(Fault::Broken, error), began_ms: now_ms, ended_ms: now_ms }
    }

    /// How long the POST took.
    #[must_use]
    pub const fn latency_ms(&self) -> u64 {
        self.ended_ms.saturating_sub(self.began_ms)
    }

    /// Notes the attempt in its delivery.
    pub fn count_in(&self, delivery: &mut Delivery) {
        delivery.attempts += 1;
        if delivery.first_attempt_ms == 0 {
            delivery.first_attempt_ms = self.began_ms;
        }
        delivery.last.status = self.reply.status();
        delivery.last.error.clone_from(&self.reply.error);
        delivery.last.at_ms = self.ended_ms;
    }
}

impl Courier {
    /// Makes the attempt. Returns `None` if it was withdrawn before it began.
    ///
    /// A message on `stop` ends the POST as a timeout does: the endpoint may or may not have
    /// taken the webhook. Dropping the future does the same, but leaves no record.
    pub async fn attempt(&self, job: Job, start: Start, stop: oneshot::Receiver<()>) -> Option<Attempted> {
        let events = job.event_count();
        let (delivery, number, target) = (job.delivery, job.number, Arc::clone(&job.target));
        let carried = Arc::clone(&job.events);
        // Boxed to keep the future of most webhooks, which are plain, small.
        let (prepared, _room) = match job.shape {
            DeliveryShape::Plain => (self.sign(&job).await, None),
            DeliveryShape::Pinned(_) | DeliveryShape::Unpinned => Box::pin(self.shape_and_sign(job)).await,
        };
        let permit = match start {
            Start::Now(permit) => permit,
            Start::When(granted) => granted.await.ok()?,
        };
        let began_ms = self.clock.now_ms();
        let trace = prepared.as_ref().ok().and_then(|webhook| webhook.trace);
        let reply = match prepared {
            Ok(webhook) => {
                // Cancel safe: a timeout drops the POST, too.
                tokio::select! {
                    reply = self.wire.post(&target, webhook) => reply,
                    () = told(stop) => Reply::fault(Fault::Timeout, "stopped: too slow for the memory it held"),
                }
            }
            Err(unsent) => unsent,
        };
        let ended_ms = self.clock.now_ms();
        let attempted = Attempted { reply, began_ms, ended_ms };
        let record = AttemptRecord {
            delivery,
            at_ms: began_ms,
            status: attempted.reply.status(),
            latency_ms: attempted.latency_ms(),
            attempt: number,
            events,
            error: attempted.reply.error.clone(),
            excerpt: attempted.reply.excerpt.clone(),
            carried,
        };
        if let Some((own, parent)) = trace {
            let (kind, status) = (SpanKind::Webhook, attempted.reply.status());
            trace::tell(Span { kind, own, parent, began_ms, ended_ms, status, events: events as u64 });
        }
        let health = outcome::health(attempted.reply.result, ended_ms);
        if permit.record(ended_ms, health, record) {
            self.metrics.breaker_opens.increment(1);
        }
        self.metrics.post(attempted.reply.result, attempted.latency_ms());
        Some(attempted)
    }
}

impl Courier {
    async fn sign(&self, job: &Job) -> Result<Prepared, Reply> {
        // Receivers compare the time in the signature with their own.
        let signed = self.signing.sign(job, sluice_model::clock::now_ms()).await;
        signed.map_err(|error| Reply::fault(Fault::Unsendable, error.to_string()))
    }

    /// Puts a webhook into its shape and signs it; returns the reply if that fails. The room
    /// must be held as long as the webhook.
    pub async fn shape_and_sign(&self, mut job: Job) -> (Result<Prepared, Reply>, Option<BodyRoom>) {
        match self.shaping.shape(&mut job).await {
            Ok(room) => (self.sign(&job).await, room),
            Err(error) => (Err(Reply::fault(Fault::Transform, error.to_string())), None),
        }
    }
}

/// Ends when the message comes, and never if its sender is dropped.
async fn told(stop: oneshot::Receiver<()>) {
    if stop.await.is_err() {
        std::future::pending::<()>().await;
    }
}
