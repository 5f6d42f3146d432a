//! The batches that the events of a request joined, and the outcomes of those batches.

use parking_lot::Mutex;
use sluice_model::{BatchId, Claim};
use sluice_ports::log::AppendError;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// The outcome of a batch.
#[derive(Debug, Clone)]
pub(crate) enum AppendOutcome {
    /// It is durable.
    Durable,
    /// The log does not have it and never will.
    NotTaken { detail: Arc<str>, retry_after: Duration },
    /// The log may or may not have it.
    Unknown { detail: Arc<str> },
}

impl From<Result<(), AppendError>> for AppendOutcome {
    fn from(appended: Result<(), AppendError>) -> Self {
        match appended {
            Ok(()) => Self::Durable,
            Err(AppendError::NotTaken { detail, retry_after }) => Self::NotTaken { detail, retry_after },
            Err(AppendError::Unknown { detail }) => Self::Unknown { detail },
        }
    }
}

#[derive(Debug, Default)]
struct PlacementState {
    id: Option<BatchId>,
    outcome: Option<AppendOutcome>,
    waiting: Vec<Waker>,
    claims: Vec<Claim>,
    cut: bool,
}

/// A batch as the requests that wait for it see it.
#[derive(Debug, Default)]
pub(super) struct Placement {
    state: Mutex<PlacementState>,
}

impl Placement {
    /// Notes the id that the batch got and returns its claims. It takes no more events.
    pub(super) fn cut(&self, id: BatchId) -> Vec<Claim> {
        let mut state = self.state.lock();
        state.id = Some(id);
        state.cut = true;
        std::mem::take(&mut state.claims)
    }

    /// Wakes every request that waits for the batch, though nothing is known yet.
    pub(super) fn wake(&self) {
        self.state.lock().waiting.iter().for_each(Waker::wake_by_ref);
    }

    /// Wakes every request that waits for the batch.
    pub(super) fn finish(&self, outcome: AppendOutcome) {
        let waiting = {
            let mut state = self.state.lock();
            state.outcome = Some(outcome);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// A run of a request's events in one batch.
#[derive(Debug, Clone)]
pub(crate) struct PlacedRun {
    pub(super) placement: Arc<Placement>,
    /// The run's first index in the batch.
    pub first: u16,
    /// How many events it has.
    pub count: u16,
}

impl PlacedRun {
    /// Marks events of its batch as those of an idempotency key.
    pub(super) fn claim(&self, claim: Claim) {
        let mut state = self.placement.state.lock();
        debug_assert!(!state.cut, "claims are made before the batch is cut");
        state.claims.push(claim);
    }

    /// Waits for the batch's outcome; returns it with the batch's id. Polled again
    /// within [`LOOK_EVERY`](super::LOOK_EVERY), so that its caller can give up in time.
    ///
    /// Cancel safe: to stop waiting changes nothing.
    pub(crate) async fn outcome(&self) -> (Option<BatchId>, AppendOutcome) {
        poll_fn(|context| {
            let mut state = self.placement.state.lock();
            match &state.outcome {
                Some(outcome) => Poll::Ready((state.id, outcome.clone())),
                None => {
                    let waker = context.waker();
                    if !state.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
                        state.waiting.push(waker.clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }
}
