//! Work for a customer that may take long: judging events by a selector, and counting
//! what a replay would deliver. It runs on threads of its own, so that requests do not
//! wait behind it, one trial at a time for a customer, and for a limited time.

use crate::error::ApiError;
use parking_lot::Mutex;
use sluice_model::CustomerId;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Lets trials in.
#[derive(Debug)]
pub(crate) struct Trials {
    turns: Semaphore,
    time_max: Duration,
    busy: Mutex<HashSet<CustomerId>>,
}

/// A trial that was let in, until this is dropped.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    trials: &'a Trials,
    customer: CustomerId,
    deadline: Instant,
    _turn: SemaphorePermit<'a>,
}

impl Trials {
    /// At most `trials_max` trials at a time, each for at most `time_max`.
    pub(crate) fn new(trials_max: usize, time_max: Duration) -> Self {
        Self { turns: Semaphore::new(trials_max), time_max, busy: Mutex::default() }
    }

    /// Lets a customer's trial in.
    pub(crate) fn enter(&self, customer: CustomerId) -> Result<Trial<'_>, ApiError> {
        let Ok(turn) = self.turns.try_acquire() else {
            return Err(ApiError::overloaded("too many tests and dry runs are under way"));
        };
        if !self.busy.lock().insert(customer) {
            return Err(ApiError::overloaded("a test or dry run of this customer is under way"));
        }
        let deadline = Instant::now() + self.time_max;
        Ok(Trial { trials: self, customer, deadline, _turn: turn })
    }
}

impl Trial<'_> {
    /// When the trial must end; an answer made then says that it is not complete.
    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.trials.busy.lock().remove(&self.customer);
    }
}

/// Runs work on a thread that may block.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_stopping| ApiError::overloaded("the server is stopping"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_one_trial_at_a_time_and_all_together_a_few() {
        let trials = Trials::new(2, Duration::from_secs(1));
        let [one, two, three] = [1, 2, 3].map(CustomerId::from_u128);
        let first = trials.enter(one).unwrap();
        assert_eq!(trials.enter(one).unwrap_err().code(), "OVERLOADED");
        let second = trials.enter(two).unwrap();
        assert_eq!(trials.enter(three).unwrap_err().code(), "OVERLOADED");
        drop((first, second));
        assert!(trials.enter(one).is_ok() && trials.busy.lock().is_empty());
    }
}
