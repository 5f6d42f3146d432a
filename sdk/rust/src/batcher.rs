//! A bounded queue that sends single events in batches, and reports the result of each.
//!
//! One batch is sent at a time, so events keep their order. A batch is repeated with the
//! same bytes and the same `Idempotency-Key` until it is accepted, refused, or out of
//! retries. A thread of the batcher's own sends, so the caller's runtime may end.

mod worker;

use crate::batch_limits::BatcherOptions;
use crate::core::{Core, json_bytes};
use crate::error::SdkError;
use crate::types::Event;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use worker::{Entry, QueueState, Shared, Worker};

/// A batcher, made by `Client::batcher`; threads and tasks may share it.
///
/// Dropping it closes it, and waits up to `exit_timeout` for queued events. A forked
/// child starts with an empty queue and a thread of its own: only the parent sends the
/// events that the parent queued.
#[derive(Debug)]
pub struct Batcher {
    core: Arc<Core>,
    options: Arc<BatcherOptions>,
    worker: Mutex<Worker>,
}

/// The result of a queued event: the event's id once it is durable.
///
/// It fails with [`SdkError::EventRejected`], [`SdkError::Api`], [`SdkError::Network`] or
/// [`SdkError::BatcherClosed`]. Dropping it does not take the event back.
#[derive(Debug)]
pub struct Queued(oneshot::Receiver<Result<String, SdkError>>);

impl Future for Queued {
    type Output = Result<String, SdkError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let closed = |_| Err(SdkError::BatcherClosed { maybe_accepted: true });
        Pin::new(&mut self.0).poll(context).map(|result| result.unwrap_or_else(closed))
    }
}

impl Queued {
    /// Waits for the result on a thread that runs no tasks.
    ///
    /// # Errors
    /// The errors of awaiting it.
    pub fn wait(self) -> Result<String, SdkError> {
        self.0.blocking_recv().unwrap_or(Err(SdkError::BatcherClosed { maybe_accepted: true }))
    }
}

impl Batcher {
    pub(crate) fn new(core: Arc<Core>, options: BatcherOptions) -> Result<Self, SdkError> {
        options.check()?;
        Ok(Self { core, options: Arc::new(options), worker: Mutex::new(Worker::idle()) })
    }

    /// Queues an event, once there is room.
    ///
    /// # Errors
    /// If the event is too large or no JSON, or the batcher is closed.
    pub async fn send(&self, event: &Event) -> Result<Queued, SdkError> {
        let body = self.encode(event)?;
        loop {
            let shared = self.shared()?;
            // Enabled before the queue is looked at, so that no room is missed between the two.
            let mut room = std::pin::pin!(shared.room.notified());
            room.as_mut().enable();
            if let Some(queued) = self.queue_if_room(&shared, &body)? {
                return Ok(queued);
            }
            room.await;
        }
    }

    /// Queues an event, or fails with [`SdkError::BatcherFull`].
    ///
    /// # Errors
    /// If there is no room, the event is too large or no JSON, or the batcher is closed.
    pub fn try_send(&self, event: &Event) -> Result<Queued, SdkError> {
        let body = self.encode(event)?;
        let shared = self.shared()?;
        self.queue_if_room(&shared, &body)?.ok_or_else(|| {
            let state = shared.lock();
            SdkError::BatcherFull { events: state.events, bytes: state.bytes }
        })
    }

    /// Sends the queued events without lingering; returns once all of them have a result.
    ///
    /// # Errors
    /// If the thread that sends cannot be started.
    pub async fn flush(&self) -> Result<(), SdkError> {
        let shared = self.shared()?;
        shared.lock().flushing += 1;
        shared.work.notify_one();
        shared.until(|state| state.events == 0).await;
        shared.lock().flushing -= 1;
        Ok(())
    }

    /// Accepts no more events and flushes; events without a result after `timeout` fail
    /// with [`SdkError::BatcherClosed`].
    ///
    /// # Errors
    /// If the thread that sends cannot be started.
    pub async fn close(&self, timeout: Duration) -> Result<(), SdkError> {
        let shared = self.shared()?;
        shared.close();
        if tokio::time::timeout(timeout, shared.until(|state| state.events == 0)).await.is_err() {
            shared.abandon();
        }
        Ok(())
    }

    fn encode(&self, event: &Event) -> Result<Vec<u8>, SdkError> {
        let body = json_bytes(event)?;
        let max = self.options.event_bytes_max;
        if body.len() > max { Err(SdkError::EventTooLarge { bytes: body.len(), max }) } else { Ok(body) }
    }

    fn queue_if_room(&self, shared: &Shared, body: &[u8]) -> Result<Option<Queued>, SdkError> {
        let mut state = shared.lock();
        if state.is_closing {
            return Err(SdkError::BatcherClosed { maybe_accepted: false });
        }
        if !self.options.fits(state.events, state.bytes, body.len()) {
            return Ok(None);
        }
        let (done, result) = oneshot::channel();
        state.push(Entry { body: body.to_vec(), done });
        // The thread is woken by the first event of a batch and by the last, not by each.
        if state.waiting() == 1 || state.batch_is_full(&self.options) {
            shared.work.notify_one();
        }
        Ok(Some(Queued(result)))
    }

    /// The queue of this process; the thread that sends is started with it.
    fn shared(&self) -> Result<Arc<Shared>, SdkError> {
        let mut worker = self.lock();
        worker.shared(&self.core, &self.options)
    }

    fn lock(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        let timeout = self.options.exit_timeout;
        self.lock().finish(timeout);
    }
}

impl QueueState {
    /// Whether waiting longer cannot make the next batch larger.
    fn batch_is_full(&self, options: &BatcherOptions) -> bool {
        self.waiting() >= options.batch_events_max
            || self.waiting_bytes + self.waiting() + 1 >= options.batch_bytes_max
            || !options.fits(self.events, self.bytes, 1)
    }
}
