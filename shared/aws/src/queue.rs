//! The work queue on SQS, and the queue that dead letters are carried to.
//!
//! A delivery is a message, which is sent again with a new delay each time the delivery
//! is put. Then the message by which the delivery was taken is deleted, so a crash
//! between the two delivers twice, never not at all. SQS delays a message by at most
//! fifteen minutes, so a longer wait is several messages, one after the other. The
//! message group is the subscription, so that SQS is fair over subscriptions.
//!
//! SQS does not tell how large a subscription's backlog is, so a process tells the part
//! that it knows: see `book`.

mod book;
mod carrier;
mod depth;
mod message;
mod postponed;
mod requests;
mod send;
mod settings;
mod split;
mod taking;
mod undeleted;
mod verdict;

pub use carrier::DeadLetterCarrier;
pub use depth::QueueDepths;
pub(super) use requests::Queue;
pub(super) use settings::{MESSAGE_BYTES_MAX, QueueSettings, RedriveTarget};

use super::clients::Clients;
use super::config::AwsConfig;
use super::store_metrics::{self as metrics, RefusedKind};
use async_trait::async_trait;
use book::{Book, content};
use message::{DeadLetterRef, Outgoing};
use parking_lot::Mutex;
use postponed::Postponed;
use sluice_model::clock::SteadyClock;
use sluice_model::subscription::DeliveryShape;
use sluice_model::{
    DeadLetter, DeadLetterId, DeadLetterReason, Delivery, DeliveryId, LastAttempt, SubscriptionId,
};
use sluice_ports::event_store::{DeadLetterQuery, NewFact};
use sluice_ports::work_queue::{Backlog, TakeRequest, WorkQueue};
use sluice_ports::{EventStore, PortError};
use split::{Smaller, part_id, smaller};
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use undeleted::Undeleted;
use verdict::WantedDeliveries;

/// The longest wait of a take for a message, in seconds.
const WAIT_S_MAX: u64 = 2;

/// The work queue on SQS.
pub struct SqsQueue {
    inner: Arc<QueueState>,
    keeping: OnceLock<()>,
}

/// The state that the queue's callers and its own tasks share.
struct QueueState {
    queue: Queue,
    /// Tells what is due. It never goes back: deliveries would wait as much longer.
    clock: SteadyClock,
    book: Mutex<Book>,
    postponed: Mutex<Postponed>,
    undeleted: Mutex<Undeleted>,
    /// Taken deliveries that became dead letters and are not counted yet.
    given_up: Mutex<Vec<Delivery>>,
    events: Arc<dyn EventStore>,
    visibility_s: i32,
    /// How long a take waits for a message: well within an attempt's time, so that a message
    /// that comes last still reaches the caller.
    wait_s: i32,
    delay_s_max: u32,
    receives_max: u32,
}

impl SqsQueue {
    /// The configured queue. `events` tells whether a dead letter that was moved back still
    /// exists, and keeps deliveries that no message can hold.
    ///
    /// # Errors
    /// If there is no such queue.
    pub async fn open(
        clients: &Clients,
        config: &AwsConfig,
        events: Arc<dyn EventStore>,
    ) -> Result<Self, PortError> {
        let started = Instant::now();
        let inner = QueueState {
            clock: SteadyClock::new(move || started.elapsed()),
            queue: Queue::open(clients.sqs.clone(), &config.queue).await?,
            book: Mutex::new(Book::new(u64::from(config.visibility_s.unsigned_abs()) * 1000)),
            postponed: Mutex::new(Postponed::new(config.postpone_s_max.into())),
            undeleted: Mutex::default(),
            given_up: Mutex::default(),
            events,
            visibility_s: config.visibility_s,
            wait_s: (config.attempt_timeout_ms / 2000).min(WAIT_S_MAX) as i32,
            delay_s_max: config.delay_s_max,
            receives_max: config.receives_max,
        };
        Ok(Self { inner: Arc::new(inner), keeping: OnceLock::new() })
    }

    /// Starts, once, the task that keeps taken deliveries invisible to others and deletes
    /// messages that could not be deleted before.
    fn keep_taken(&self) {
        self.keeping.get_or_init(|| {
            let inner = Arc::downgrade(&self.inner);
            let every = Duration::from_secs(u64::from(self.inner.visibility_s.unsigned_abs())) / 3;
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(every).await;
                    let Some(inner) = inner.upgrade() else { return };
                    let receipts = inner.book.lock().receipts();
                    // If this fails, a delivery comes again: a legal duplicate.
                    inner.set_visibility(receipts, inner.visibility_s).await;
                    let undeleted = inner.undeleted.lock().take();
                    inner.delete(undeleted).await;
                }
            });
        });
    }
}

/// What to do with a message of the same content that is already in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoredMessages {
    /// Keep it and do not send another.
    Kept,
    /// Send another; the caller deletes the old one.
    Replaced,
}

impl QueueState {
    fn outgoing(&self, delivery: &Delivery) -> Outgoing {
        message::outgoing(delivery, self.clock.now_ms(), self.delay_s_max)
    }

    /// Puts deliveries. The book notes those that a failed call stored, so the same call made
    /// again sends only the rest.
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError> {
        self.put_over(deliveries, StoredMessages::Kept).await
    }

    async fn put_over(&self, deliveries: Vec<Delivery>, stored: StoredMessages) -> Result<(), PortError> {
        let (mut round, mut ended, mut replaced) = (deliveries, Vec::new(), Vec::new());
        let put = loop {
            match self.put_round(round, stored, &mut ended, &mut replaced).await {
                Ok(smaller) if smaller.is_empty() => break Ok(()),
                Ok(smaller) => round = smaller,
                Err(error) => break Err(error),
            }
        };
        if put.is_ok() {
            // Other deliveries replaced these.
            let mut book = self.book.lock();
            for id in ended {
                replaced.extend(book.receipt(id));
                book.done(id, false);
            }
        }
        self.delete(replaced).await;
        put
    }

    /// Sends deliveries. Returns the smaller deliveries that replace too large ones. `ended`
    /// gets the deliveries that were replaced, `replaced` the receipts of messages that newer
    /// ones replace.
    async fn put_round(
        &self,
        round: Vec<Delivery>,
        stored: StoredMessages,
        ended: &mut Vec<DeliveryId>,
        replaced: &mut Vec<String>,
    ) -> Result<Vec<Delivery>, PortError> {
        let bytes_max = self.queue.settings.message_bytes_max.unwrap_or(MESSAGE_BYTES_MAX);
        let (mut smaller, mut sent, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        for delivery in round {
            let message = self.outgoing(&delivery);
            if message.body.len() > bytes_max {
                let reason = format!("{} bytes are more than a message may have", message.body.len());
                smaller.extend(self.make_smaller(delivery, &reason, ended).await?);
            } else if stored == StoredMessages::Replaced
                || !self.book.lock().holds(delivery.id, content(&message.body))
            {
                sent.push(delivery);
                messages.push(message);
            }
        }
        let report = self.queue.send(&messages).await;
        {
            let (mut book, now_ms) = (self.book.lock(), self.clock.now_ms());
            let stored = report.stored.iter().map(|place| (&sent[*place], content(&messages[*place].body)));
            replaced.extend(stored.filter_map(|(delivery, content)| book.put(delivery, content, now_ms)));
        }
        for (place, reason) in report.refused {
            smaller.extend(self.make_smaller(sent[place].clone(), &reason, ended).await?);
        }
        report.error.map_or(Ok(smaller), Err)
    }

    /// Replaces a delivery that the queue will never take as it is.
    async fn make_smaller(
        &self,
        delivery: Delivery,
        reason: &str,
        ended: &mut Vec<DeliveryId>,
    ) -> Result<Vec<Delivery>, PortError> {
        match smaller(&delivery) {
            Smaller::WithoutWords(delivery) => Ok(vec![*delivery]),
            Smaller::Halves(halves) => {
                metrics::delivery_split();
                ended.push(delivery.id);
                Ok((*halves).into())
            }
            Smaller::Nothing => {
                tracing::error!(delivery = %delivery.id, reason, "the queue refuses a delivery of one event");
                ended.push(delivery.id);
                self.give_up(delivery).await?;
                metrics::refused(RefusedKind::Delivery);
                Ok(Vec::new())
            }
        }
    }

    /// Makes a dead letter of a delivery, with its item, before the queue's own policy would
    /// move its message away without an item.
    async fn give_up(&self, delivery: Delivery) -> Result<(), PortError> {
        let facts = NewFact::given_up(&delivery).collect();
        // The dead letter has the delivery's id, so giving up twice makes one dead letter.
        let id = DeadLetterId::from_u128(delivery.id.as_u128());
        let letter = DeadLetter { id, reason: DeadLetterReason::Poison, delivery };
        self.events.put_dead_letters(vec![letter]).await?;
        self.events.add_facts(facts).await
    }

    /// Sends a delivery on, towards the time when it is due. Its received message is deleted
    /// afterwards, so another is sent even if the content is the same.
    async fn send_on(&self, delivery: Delivery) -> Result<(), PortError> {
        self.put_over(vec![delivery], StoredMessages::Replaced).await
    }

    /// Delivers a dead letter that was moved back, if it still exists.
    async fn revive(&self, moved: &DeadLetterRef) -> Result<(), PortError> {
        let before = DeadLetterId::from_u128(moved.id.as_u128().saturating_sub(1));
        let query = DeadLetterQuery { after: Some(before), limit: 1, ..DeadLetterQuery::default() };
        let found = self.events.dead_letters(moved.customer_id, query).await?.pop();
        let Some(letter) = found.filter(|letter| letter.id == moved.id) else { return Ok(()) };
        let delivery = Delivery {
            // The id follows from the dead letter's, so moving it back twice makes one delivery.
            // It is another, since the letter may have that of a delivery which ended here.
            id: part_id(DeliveryId::from_u128(letter.id.as_u128()), b'r'),
            attempts: 0,
            first_attempt_ms: 0,
            last: LastAttempt::default(),
            due_ms: self.clock.now_ms(),
            // As in a redrive, the subscription's current settings apply.
            shape: DeliveryShape::Unpinned,
            ..letter.delivery
        };
        self.put(vec![delivery]).await?;
        self.events.delete_dead_letters(moved.customer_id, vec![letter.id]).await.map(|_count| ())
    }
}

#[async_trait]
impl WorkQueue for SqsQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError> {
        self.inner.put(deliveries).await
    }

    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError> {
        if request.max == 0 {
            return Ok(Vec::new());
        }
        self.keep_taken();
        let wanted = WantedDeliveries {
            max: request.max,
            max_per_subscription: request.max_per_subscription,
            blocked: request.blocked.clone(),
        };
        let (reply, answer) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        // The task finishes even if this future is dropped. Deliveries that no caller receives
        // go back to the queue when they are dropped.
        tokio::spawn(async move { reply.send(inner.take(&wanted).await).ok() });
        match answer.await {
            Ok(taken) => Ok(taken?.take_over()),
            Err(_died) => Err(PortError::unavailable("take deliveries", "the task died")),
        }
    }

    fn take_given_up(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.inner.given_up.lock())
    }

    /// SQS does not tell when the next delivery is due.
    fn next_due_ms(&self, _blocked: &HashSet<SubscriptionId>) -> Option<u64> {
        Some(0)
    }

    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError> {
        let receipts: Vec<String> = {
            let book = self.inner.book.lock();
            ids.iter().filter_map(|(_, id)| book.receipt(*id)).collect()
        };
        let is_deleted = self.inner.delete(receipts).await;
        let mut book = self.inner.book.lock();
        ids.iter().for_each(|(_, id)| book.done(*id, is_deleted));
        Ok(())
    }

    fn backlog(&self, subscription: SubscriptionId) -> Backlog {
        self.inner.book.lock().backlog(subscription, self.inner.clock.now_ms())
    }

    fn total(&self) -> Backlog {
        self.inner.book.lock().total(self.inner.clock.now_ms())
    }
}
