//! Where events of a request went, and what became of them.

use parking_lot::Mutex;
use sluice_model::{BatchId, Claim};
use sluice_ports::log::AppendError;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// What became of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It is durable.
    Durable,
    /// Nothing of it is or will be in the log.
    NotTaken { detail: Arc<str>, retry_after: Duration },
    /// It may or may not be in the log.
    Unknown { detail: Arc<str> },
}

impl Outcome {
    pub(super) fn of(appended: Result<(), AppendError>) -> Self {
        match appended {
            Ok(()) => Self::Durable,
            Err(AppendError::NotTaken { detail, retry_after }) => Self::NotTaken { detail, retry_after },
            Err(AppendError::Unknown { detail }) => Self::Unknown { detail },
        }
    }
}

#[derive(Debug, Default)]
struct State {
    id: Option<BatchId>,
    outcome: Option<Outcome>,
    waiting: Vec<Waker>,
    claims: Vec<Claim>,
    cut: bool,
}

/// A batch as those who wait for it see it.
#[derive(Debug, Default)]
pub(super) struct Placement {
    state: Mutex<State>,
}

impl Placement {
    /// The batch got its id and takes no more claims; these are its claims.
    pub(super) fn cut(&self, id: BatchId) -> Vec<Claim> {
        let mut state = self.state.lock();
        state.id = Some(id);
        state.cut = true;
        std::mem::take(&mut state.claims)
    }

    /// Tells everybody who waits.
    pub(super) fn finish(&self, outcome: Outcome) {
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
pub(crate) struct Placed {
    pub(super) placement: Arc<Placement>,
    /// The run's first index in the batch.
    pub first: u16,
    /// How many events it has.
    pub count: u16,
}

impl Placed {
    /// Marks the run as part of a request with an idempotency key.
    pub(super) fn claim(&self, claim: Claim) {
        let mut state = self.placement.state.lock();
        debug_assert!(!state.cut, "claims are made before the batch is cut");
        state.claims.push(Claim { first: self.first, count: self.count, ..claim });
    }

    /// Waits until the batch's outcome is known: the batch's id and the outcome.
    ///
    /// Cancel safe: whoever stops waiting changes nothing.
    pub(crate) async fn outcome(&self) -> (Option<BatchId>, Outcome) {
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
