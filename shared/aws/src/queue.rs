//! The work queue on SQS, and the queue that dead letters are carried to.
//!
//! A delivery is a message: sent again, with a new delay, each time it is put;
//! the message it came by is deleted afterwards, so a crash between the two
//! delivers twice and never not at all. SQS delays a message by fifteen
//! minutes at the most: a longer wait is several messages, one after the other.
//! The message group is the subscription, so that SQS is fair over them.
//!
//! What the queue cannot tell (what waits of a subscription) is told as far as
//! this process knows: see `book`.

mod book;
mod carrier;
mod message;
mod requests;

pub use carrier::DeadLetterCarrier;

use super::clients::Clients;
use super::config::AwsConfig;
use async_trait::async_trait;
use book::{Book, Met};
use message::{Body, DeadLetterRef};
use parking_lot::Mutex;
use requests::{Queue, RECEIVED_MAX, Received};
use sluice_model::clock;
use sluice_model::{
    DeadLetter, DeadLetterId, DeadLetterReason, Delivery, DeliveryId, LastAttempt, SubscriptionId,
};
use sluice_ports::event_store::{DeadLetterQuery, NewFact};
use sluice_ports::work_queue::{Backlog, TakeRequest, WorkQueue};
use sluice_ports::{EventStore, PortError};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// Receive requests of one take.
const RECEIVES_MAX: usize = 4;
/// The longest that a take waits for something to come, in seconds.
const WAIT_S_MAX: u64 = 2;
/// How long a delivery stays away whose subscription is blocked, in seconds.
const BLOCKED_S: i32 = 3;
/// How far before its time a delivery is given out rather than sent on.
const EARLY_MS: u64 = 50;

/// The work queue on SQS.
pub struct SqsQueue {
    inner: Arc<Inner>,
    keeping: OnceLock<()>,
}

struct Inner {
    queue: Queue,
    book: Mutex<Book>,
    events: Arc<dyn EventStore>,
    visibility_s: i32,
    /// How long a take waits for something to come: well within an attempt's
    /// time, or what comes at its end would be given out to nobody.
    wait_s: i32,
    delay_s_max: u32,
    receives_max: u32,
}

impl SqsQueue {
    /// The configured queue. `events` tells whether a dead letter that was
    /// moved back is still one.
    ///
    /// # Errors
    /// If there is no such queue.
    pub async fn open(
        clients: &Clients,
        config: &AwsConfig,
        events: Arc<dyn EventStore>,
    ) -> Result<Self, PortError> {
        let queue = Queue::open(clients.sqs.clone(), &config.queue).await?;
        let book = Mutex::new(Book::new(u64::from(config.visibility_s.unsigned_abs()) * 1000));
        let inner = Arc::new(Inner {
            queue,
            book,
            events,
            visibility_s: config.visibility_s,
            wait_s: (config.attempt_timeout_ms / 2000).min(WAIT_S_MAX) as i32,
            delay_s_max: config.delay_s_max,
            receives_max: config.receives_max,
        });
        Ok(Self { inner, keeping: OnceLock::new() })
    }

    /// Starts the task that keeps what is taken invisible to others, once.
    fn keep_taken(&self) {
        self.keeping.get_or_init(|| {
            let inner = Arc::downgrade(&self.inner);
            let every = Duration::from_secs(u64::from(self.inner.visibility_s.unsigned_abs())) / 3;
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(every).await;
                    let Some(inner) = inner.upgrade() else { return };
                    let receipts = inner.book.lock().receipts();
                    // One that is not kept comes again: a legal duplicate.
                    if let Err(error) = inner.queue.set_visibility(&receipts, inner.visibility_s).await {
                        tracing::warn!(%error, "deliveries under way may be given out again");
                    }
                }
            });
        });
    }
}

impl Inner {
    /// Receives, and sorts out what may be given out.
    async fn take(&self, request: &OwnedRequest) -> Result<Vec<Delivery>, PortError> {
        let receives = request.max.div_ceil(RECEIVED_MAX).clamp(1, RECEIVES_MAX);
        // Only one waits: the others take what is there.
        let received = (0..receives).map(|turn| {
            let wait = if turn == 0 { self.wait_s } else { 0 };
            self.queue.receive(request.max.min(RECEIVED_MAX), wait, self.visibility_s)
        });
        let received = futures_util::future::join_all(received).await;
        let (mut taken, mut failed) = (Vec::new(), None);
        let mut counts = HashMap::new();
        let (mut gone, mut later) = (Vec::new(), Vec::new());
        for page in received {
            match page {
                Ok(page) => {
                    for received in page {
                        self.sort_out(received, request, &mut counts, &mut taken, &mut gone, &mut later)
                            .await?;
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        self.queue.delete(&gone).await?;
        self.queue.set_visibility(&later, BLOCKED_S).await?;
        match failed {
            Some(error) if taken.is_empty() => Err(error),
            _ => Ok(taken),
        }
    }

    async fn sort_out(
        &self,
        received: Received,
        request: &OwnedRequest,
        counts: &mut HashMap<SubscriptionId, usize>,
        taken: &mut Vec<Delivery>,
        gone: &mut Vec<String>,
        later: &mut Vec<String>,
    ) -> Result<(), PortError> {
        let delivery = match message::read(&received.body) {
            Ok(Body::Delivery(delivery)) => delivery,
            Ok(Body::DeadLetter(letter)) => {
                self.revive(&letter).await?;
                gone.push(received.receipt);
                return Ok(());
            }
            Err(error) => {
                // It goes to the queue of dead letters by the queue's own policy.
                tracing::error!(%error, "a message of the work queue cannot be read");
                later.push(received.receipt);
                return Ok(());
            }
        };
        let now_ms = clock::now_ms();
        if delivery.due_ms > now_ms + EARLY_MS {
            self.queue.send(&[self.outgoing(&delivery, now_ms)]).await?;
            gone.push(received.receipt);
            return Ok(());
        }
        let count = counts.entry(delivery.subscription).or_default();
        if request.blocked.contains(&delivery.subscription)
            || *count >= request.max_per_subscription
            || taken.len() >= request.max
        {
            return self.postpone(delivery, received, later, gone).await;
        }
        let met = self.book.lock().received(&delivery, received.receipt.clone(), now_ms);
        match met {
            Met::New if received.receives >= self.receives_max => {
                self.book.lock().give_back(std::slice::from_ref(&delivery));
                self.give_up(delivery).await?;
                gone.push(received.receipt);
            }
            Met::New => {
                *count += 1;
                taken.push(delivery);
            }
            Met::Taken => {}
            Met::Stale => gone.push(received.receipt),
        }
        Ok(())
    }

    /// A delivery that must wait though it is due comes back a little later.
    /// Waiting is no failure: before it could count as one by the queue's own
    /// policy, it is sent anew.
    async fn postpone(
        &self,
        delivery: Delivery,
        received: Received,
        later: &mut Vec<String>,
        gone: &mut Vec<String>,
    ) -> Result<(), PortError> {
        if received.receives < self.receives_max / 2 {
            later.push(received.receipt);
            return Ok(());
        }
        let now_ms = clock::now_ms();
        let wait_ms = BLOCKED_S.unsigned_abs() * 1000;
        let anew = Delivery { due_ms: now_ms + u64::from(wait_ms), ..delivery };
        self.queue.send(&[self.outgoing(&anew, now_ms)]).await?;
        gone.push(received.receipt);
        Ok(())
    }

    /// Whoever took it did not come to an end with it: a dead letter that has
    /// its row, before the queue's own policy would move it away without one.
    async fn give_up(&self, delivery: Delivery) -> Result<(), PortError> {
        tracing::error!(delivery = %delivery.id, receives = self.receives_max, "nobody ends this delivery");
        let facts = NewFact::given_up(&delivery).collect();
        // Its own id: given up twice, it is one dead letter.
        let id = DeadLetterId::from_u128(delivery.id.as_u128());
        let letter = DeadLetter { id, reason: DeadLetterReason::Poison, delivery };
        self.events.put_dead_letters(vec![letter]).await?;
        self.events.add_facts(facts).await
    }

    fn outgoing(&self, delivery: &Delivery, now_ms: u64) -> message::Outgoing {
        message::outgoing(delivery, now_ms, self.delay_s_max)
    }

    /// A dead letter that was moved back is delivered if it still is one.
    async fn revive(&self, of: &DeadLetterRef) -> Result<(), PortError> {
        let before = DeadLetterId::from_u128(of.id.as_u128().saturating_sub(1));
        let query = DeadLetterQuery { after: Some(before), limit: 1, ..DeadLetterQuery::default() };
        let found = self.events.dead_letters(of.customer_id, query).await?.pop();
        let Some(letter) = found.filter(|letter| letter.id == of.id) else { return Ok(()) };
        let now_ms = clock::now_ms();
        let delivery = Delivery {
            // Its own for ever: moved back twice, it is one delivery.
            id: DeliveryId::from_u128(letter.id.as_u128()),
            attempts: 0,
            first_attempt_ms: 0,
            last: LastAttempt::default(),
            due_ms: now_ms,
            ..letter.delivery
        };
        self.queue.send(&[self.outgoing(&delivery, now_ms)]).await?;
        self.events.delete_dead_letters(of.customer_id, vec![letter.id]).await.map(|_one| ())
    }
}

/// A [`TakeRequest`] that a task can own.
struct OwnedRequest {
    max: usize,
    max_per_subscription: usize,
    blocked: HashSet<SubscriptionId>,
}

#[async_trait]
impl WorkQueue for SqsQueue {
    async fn put(&self, deliveries: Vec<Delivery>) -> Result<(), PortError> {
        let now_ms = clock::now_ms();
        let messages: Vec<_> =
            deliveries.iter().map(|delivery| self.inner.outgoing(delivery, now_ms)).collect();
        self.inner.queue.send(&messages).await?;
        let replaced = {
            let mut book = self.inner.book.lock();
            deliveries.iter().filter_map(|delivery| book.put(delivery, now_ms)).collect::<Vec<_>>()
        };
        // What is not deleted now comes again and is known to be stale.
        if let Err(error) = self.inner.queue.delete(&replaced).await {
            tracing::warn!(%error, "messages of deliveries that were put again are still there");
        }
        Ok(())
    }

    async fn take(&self, request: TakeRequest<'_>) -> Result<Vec<Delivery>, PortError> {
        if request.max == 0 {
            return Ok(Vec::new());
        }
        self.keep_taken();
        let owned = OwnedRequest {
            max: request.max,
            max_per_subscription: request.max_per_subscription,
            blocked: request.blocked.clone(),
        };
        let (reply, answer) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        // In a task of its own: what was received goes back if nobody waits for it any more.
        tokio::spawn(async move {
            let taken = inner.take(&owned).await;
            if let Err(Ok(taken)) = reply.send(taken) {
                let receipts = inner.book.lock().give_back(&taken);
                if let Err(error) = inner.queue.set_visibility(&receipts, 0).await {
                    tracing::warn!(%error, "deliveries that nobody waits for come back late");
                }
            }
        });
        answer.await.unwrap_or_else(|_died| Err(PortError::unavailable("take deliveries", "the task died")))
    }

    /// The queue does not tell: now is a good time to ask.
    fn next_due_ms(&self, _blocked: &HashSet<SubscriptionId>) -> Option<u64> {
        Some(0)
    }

    async fn done(&self, ids: Vec<(SubscriptionId, DeliveryId)>) -> Result<(), PortError> {
        let receipts: Vec<String> = {
            let book = self.inner.book.lock();
            ids.iter().filter_map(|(_, id)| book.receipt(*id)).collect()
        };
        self.inner.queue.delete(&receipts).await?;
        let mut book = self.inner.book.lock();
        ids.iter().for_each(|(_, id)| book.done(*id));
        Ok(())
    }

    fn backlog(&self, subscription: SubscriptionId) -> Backlog {
        self.inner.book.lock().backlog(subscription, clock::now_ms())
    }

    fn total(&self) -> Backlog {
        self.inner.book.lock().total(clock::now_ms())
    }
}
