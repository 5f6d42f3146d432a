//! The deliveries of the queue that are being attempted.

use crate::attempt::{Attempted, Job, Start};
use crate::context::Context;
use crate::endpoint::Permit;
use crate::stored_body::{LoadError, load};
use crate::target::Target;
use foldhash::HashMap;
use sluice_model::Delivery;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};

/// The result of a delivery's task.
pub(super) enum WorkResult {
    /// An attempt was made.
    Attempted(Attempted),
    /// Its events could not be read back.
    NotLoaded(LoadError),
}

/// A delivery that is being attempted.
pub(super) struct QueuedAttempt {
    pub(super) delivery: Delivery,
    pub(super) target: Arc<Target>,
    /// The most bytes of its body.
    pub(super) bytes: usize,
    began_ms: u64,
    stop: Option<oneshot::Sender<()>>,
}

/// All deliveries of the queue that are being attempted.
pub(super) struct QueueAttempts {
    context: Arc<Context>,
    under_way: HashMap<Id, QueuedAttempt>,
    bytes: usize,
    tasks: JoinSet<WorkResult>,
}

impl QueueAttempts {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, under_way: HashMap::default(), bytes: 0, tasks: JoinSet::new() }
    }

    /// The most bytes of the bodies of all attempts.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Starts an attempt whose body has at most `bytes` bytes.
    pub(super) fn start(
        &mut self,
        delivery: Delivery,
        target: Arc<Target>,
        permit: Permit,
        bytes: usize,
        now_ms: u64,
    ) {
        let (stop, stopped) = oneshot::channel();
        let work = work(Arc::clone(&self.context), delivery.clone(), Arc::clone(&target), permit, stopped);
        let task = self.tasks.spawn(work).id();
        self.bytes += bytes;
        let attempt = QueuedAttempt { delivery, target, bytes, began_ms: now_ms, stop: Some(stop) };
        self.under_way.insert(task, attempt);
    }

    /// Waits for the end of an attempt's task; `None` if there is no task. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Result<(Id, WorkResult), JoinError>> {
        self.tasks.join_next_with_id().await
    }

    /// The end of an attempt's task, if one has ended.
    pub(super) fn try_next(&mut self) -> Option<Result<(Id, WorkResult), JoinError>> {
        self.tasks.try_join_next_with_id()
    }

    /// The attempt whose task ended, and its result.
    pub(super) fn land(
        &mut self,
        ended: Result<(Id, WorkResult), JoinError>,
        now_ms: u64,
    ) -> Option<(QueuedAttempt, WorkResult)> {
        let (task, result) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "a delivery's task ended without a result");
            let lost = Attempted::lost(now_ms, "the attempt broke off".into());
            (error.id(), WorkResult::Attempted(lost))
        });
        let attempt = self.under_way.remove(&task)?;
        self.bytes -= attempt.bytes;
        Some((attempt, result))
    }

    /// Makes room: stops the oldest attempt, if it is older than the age cap.
    pub(super) fn stop_slowest(&mut self, now_ms: u64) {
        let running = self.under_way.values_mut().filter(|attempt| attempt.stop.is_some());
        let age_cap_ms = self.context.config.shard.age_cap_ms;
        let oldest = running.min_by_key(|attempt| attempt.began_ms);
        if let Some(oldest) = oldest.filter(|attempt| attempt.began_ms + age_cap_ms <= now_ms)
            && let Some(stop) = oldest.stop.take()
        {
            // Has no effect on an attempt that has just ended.
            stop.send(()).ok();
        }
    }

    /// Breaks off all attempts. The queue still holds their deliveries.
    pub(super) fn abandon(&mut self) {
        self.under_way.clear();
        self.tasks.abort_all();
    }
}

/// Loads a delivery's events and attempts it.
async fn work(
    context: Arc<Context>,
    delivery: Delivery,
    target: Arc<Target>,
    permit: Permit,
    stopped: oneshot::Receiver<()>,
) -> WorkResult {
    let chunks = match load(&context, &delivery).await {
        Ok(chunks) => chunks,
        Err(error) => return WorkResult::NotLoaded(error),
    };
    let job = Job::new(&delivery, target, chunks);
    let attempted = context.courier.attempt(job, Start::Now(permit), stopped).await;
    let withdrawn = || Attempted::lost(context.clock().now_ms(), "withdrawn".into());
    WorkResult::Attempted(attempted.unwrap_or_else(withdrawn))
}
