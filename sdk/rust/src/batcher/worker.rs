//! The thread that sends the batches of a batcher.

use crate::batch_limits::{BatcherOptions, cut};
use crate::core::{Core, next_wait};
use crate::error::SdkError;
use crate::request::WholeAnswer;
use crate::retry::RetryLimits;
use crate::types::{AcceptedMany, EventResult};
use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// A queued event.
#[derive(Debug)]
pub(super) struct Entry {
    pub body: Vec<u8>,
    pub done: oneshot::Sender<Result<String, SdkError>>,
}

/// The events that wait or are being sent.
#[derive(Debug, Default)]
pub(super) struct QueueState {
    queue: VecDeque<Entry>,
    /// The number of events that wait or are being sent.
    pub events: usize,
    pub bytes: usize,
    pub waiting_bytes: usize,
    pub flushing: usize,
    pub is_closing: bool,
    is_stopped: bool,
}

impl QueueState {
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.events += 1;
        self.bytes += entry.body.len();
        self.waiting_bytes += entry.body.len();
        self.queue.push_back(entry);
    }

    fn cut(&mut self, options: &BatcherOptions) -> Vec<Entry> {
        let sizes = self.queue.iter().map(|entry| entry.body.len());
        let count = cut(sizes, options.batch_events_max, options.batch_bytes_max);
        let batch: Vec<Entry> = self.queue.drain(..count).collect();
        self.waiting_bytes -= bytes_of(&batch);
        batch
    }
}

fn bytes_of(batch: &[Entry]) -> usize {
    batch.iter().map(|entry| entry.body.len()).sum()
}

/// The queue, between those who send and the thread.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<QueueState>,
    /// Wakes the thread.
    pub work: Notify,
    /// Wakes callers that wait for room or for the end.
    pub room: Notify,
    /// Ends the thread's wait between two attempts.
    stop: Notify,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once the condition `wanted` holds.
    pub(super) async fn until(&self, wanted: impl Fn(&QueueState) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.room.notified());
            changed.as_mut().enable();
            if wanted(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.work.notify_one();
        self.room.notify_waiters();
    }

    /// Fails the events that cannot be sent any more.
    pub(super) fn abandon(&self) {
        let abandoned = {
            let mut state = self.lock();
            state.is_stopped = true;
            state.waiting_bytes = 0;
            std::mem::take(&mut state.queue)
        };
        self.stop.notify_one();
        self.release(abandoned.len(), abandoned.iter().map(|entry| entry.body.len()).sum());
        fail(abandoned, &SdkError::BatcherClosed { maybe_accepted: false });
    }

    fn release(&self, events: usize, bytes: usize) {
        let mut state = self.lock();
        state.events -= events;
        state.bytes -= bytes;
        drop(state);
        self.room.notify_waiters();
    }

    /// The next batch, once it is full, has lingered, or is flushed; empty at the end.
    async fn next_batch(&self, options: &BatcherOptions) -> Vec<Entry> {
        loop {
            {
                let state = self.lock();
                if !state.queue.is_empty() {
                    break;
                }
                if state.is_closing {
                    return Vec::new();
                }
            }
            self.work.notified().await;
        }
        let deadline = Instant::now() + options.linger;
        loop {
            {
                let state = self.lock();
                if state.flushing > 0 || state.is_closing || state.batch_is_full(options) {
                    break;
                }
            }
            if tokio::time::timeout_at(deadline, self.work.notified()).await.is_err() {
                break;
            }
        }
        self.lock().cut(options)
    }
}

/// The thread of one process, if it was started.
#[derive(Debug)]
pub(super) struct Worker {
    process: u32,
    running: Option<(Arc<Shared>, mpsc::Receiver<()>)>,
}

impl Worker {
    pub(super) fn idle() -> Self {
        Self { process: std::process::id(), running: None }
    }

    /// The queue of this process.
    pub(super) fn shared(
        &mut self,
        core: &Core,
        options: &Arc<BatcherOptions>,
    ) -> Result<Arc<Shared>, SdkError> {
        self.forget_parent();
        if let Some((shared, _)) = &self.running {
            return Ok(Arc::clone(shared));
        }
        let shared = Arc::new(Shared::default());
        // Connections belong to the runtime in which they were made.
        let batches =
            Batches { core: core.renewed()?, options: Arc::clone(options), shared: Arc::clone(&shared) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| SdkError::Setting(format!("no runtime for the batcher: {error}")))?;
        let (alive, over) = mpsc::channel();
        let thread = std::thread::Builder::new().name("sluice-batcher".into());
        thread
            .spawn(move || {
                runtime.block_on(batches.run());
                drop(alive); // the receiver sees that the thread has ended
            })
            .map_err(|error| SdkError::Setting(format!("no thread for the batcher: {error}")))?;
        self.running = Some((Arc::clone(&shared), over));
        Ok(shared)
    }

    /// Closes the queue, and waits for the thread.
    pub(super) fn finish(&mut self, timeout: Duration) {
        self.forget_parent();
        if let Some((shared, over)) = self.running.take() {
            shared.close();
            if over.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
                shared.abandon();
            }
        }
    }

    /// In a forked child the thread of the parent does not exist, and its queue is the parent's.
    fn forget_parent(&mut self) {
        let process = std::process::id();
        if self.process != process {
            self.process = process;
            // Dropping would wake tasks of the parent that are not here.
            std::mem::forget(self.running.take());
        }
    }
}

/// The thread's work.
struct Batches {
    core: Core,
    options: Arc<BatcherOptions>,
    shared: Arc<Shared>,
}

impl Batches {
    async fn run(self) {
        loop {
            let batch = self.shared.next_batch(&self.options).await;
            if batch.is_empty() {
                return;
            }
            let (events, bytes) = (batch.len(), bytes_of(&batch));
            self.deliver(batch).await;
            self.shared.release(events, bytes);
        }
    }

    async fn deliver(&self, batch: Vec<Entry>) {
        let mut left = vec![batch];
        while let Some(mut batch) = left.pop() {
            let answer = match self.post(&batch).await {
                Ok(answer) => answer.value::<AcceptedMany>().map(|many| many.events),
                Err(error) => Err(error),
            };
            match answer {
                Ok(results) => settle(batch, &results),
                Err(SdkError::Api(refused)) if refused.status == 413 && batch.len() > 1 => {
                    // The server's limit is lower than this batch; nothing of it was taken.
                    let second = batch.split_off(batch.len() / 2);
                    left.push(second);
                    left.push(batch);
                }
                Err(SdkError::Api(refused)) if refused.code == "ALL_REJECTED" => {
                    match serde_json::from_value::<Vec<EventResult>>(refused.details["events"].clone()) {
                        Ok(results) => settle(batch, &results),
                        Err(_) => fail(batch, &SdkError::Api(refused)),
                    }
                }
                Err(error) => fail(batch, &error),
            }
        }
    }

    async fn post(&self, batch: &[Entry]) -> Result<WholeAnswer, SdkError> {
        let mut body = Vec::with_capacity(bytes_of(batch) + batch.len() + 1);
        for (index, entry) in batch.iter().enumerate() {
            body.push(if index == 0 { b'[' } else { b',' });
            body.extend_from_slice(&entry.body);
        }
        body.push(b']');
        let request = self.core.produce_request(body, None)?;
        let limits = RetryLimits::default().with_retries(self.options.max_retries);
        let mut failures = 0;
        loop {
            let error = match self.core.attempt(&request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            let Some(wait) = next_wait(&limits, &request, failures, &error) else { return Err(error) };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // The batch is given up, and its events get this error.
                () = self.shared.stop.notified() => return Err(SdkError::BatcherClosed { maybe_accepted: true }),
            }
            if self.shared.lock().is_stopped {
                return Err(SdkError::BatcherClosed { maybe_accepted: true });
            }
        }
    }
}

/// Delivers each event's result. A caller that dropped the other end does not want it.
fn settle(batch: Vec<Entry>, results: &[EventResult]) {
    let mut by_index = vec![None; batch.len()];
    for result in results {
        if let Some(place) = usize::try_from(result.index).ok().and_then(|index| by_index.get_mut(index)) {
            *place = Some(result);
        }
    }
    for (entry, result) in batch.into_iter().zip(by_index) {
        let untold = || SdkError::Answer("it does not tell what became of the event".into());
        let outcome = match result {
            Some(EventResult { error: Some(error), .. }) => {
                Err(SdkError::EventRejected { code: error.code.clone(), message: error.message.clone() })
            }
            Some(EventResult { event_id: Some(id), .. }) => Ok(id.clone()),
            _ => Err(untold()),
        };
        entry.done.send(outcome).ok();
    }
}

fn fail(batch: impl IntoIterator<Item = Entry>, error: &SdkError) {
    for entry in batch {
        entry.done.send(Err(error.clone())).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::CoreSettings;
    use crate::request::RequestTarget;

    #[test]
    fn a_forked_child_starts_anew_and_leaves_the_parents_queue_alone() {
        let target = RequestTarget::new("http://127.0.0.1:1", "k", 1024).unwrap();
        let wait = Duration::from_secs(1);
        let core = Core::new(
            target,
            CoreSettings { timeout: wait, connect_timeout: wait, retry: RetryLimits::default() },
        )
        .unwrap();
        let options = Arc::new(BatcherOptions { linger: Duration::from_secs(600), ..Default::default() });
        let mut worker = Worker::idle();
        let parent = worker.shared(&core, &options).unwrap();
        let (done, mut result) = oneshot::channel();
        parent.lock().push(Entry { body: b"1".to_vec(), done });
        assert!(Arc::ptr_eq(&parent, &worker.shared(&core, &options).unwrap()));

        // In a child only the process id differs.
        worker.process += 1;
        let child = worker.shared(&core, &options).unwrap();
        assert!(!Arc::ptr_eq(&parent, &child));
        assert_eq!((child.lock().events, parent.lock().events), (0, 1));
        worker.finish(Duration::from_secs(60));
        assert_eq!(parent.lock().events, 1);
        assert!(result.try_recv().is_err(), "the parent's event has no result yet");
        parent.abandon();
        assert!(matches!(result.try_recv(), Ok(Err(SdkError::BatcherClosed { maybe_accepted: false }))));
    }
}
