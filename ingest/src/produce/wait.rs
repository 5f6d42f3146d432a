//! Waiting for the outcome of a request's events.

use super::ProduceError;
use super::answer::Runs;
use crate::lanes::{AppendOutcome, PlacedRun};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// Waits for a future that others poll regularly; returns `None` once a poll finds that
/// the time is over. It sets no timer.
pub(super) async fn for_at_most<T>(time: Duration, waits: impl Future<Output = T>) -> Option<T> {
    let (mut waits, mut until) = (pin!(waits), None);
    poll_fn(|context| match waits.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => {
            let now = Instant::now();
            match now >= *until.get_or_insert(now + time) {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        }
    })
    .await
}

/// The places of all events, once they are durable.
pub(super) async fn runs(placed: &[PlacedRun]) -> Result<Runs, ProduceError> {
    let mut runs = Vec::with_capacity(placed.len());
    let (mut not_taken, mut unknown) = (None, None);
    for run in placed {
        match run.outcome().await {
            (Some(batch), AppendOutcome::Durable) => runs.push((batch, run.first, run.count)),
            (_, AppendOutcome::NotTaken { detail, retry_after }) => not_taken = Some((detail, retry_after)),
            (_, AppendOutcome::Unknown { detail }) => unknown = Some(detail),
            (None, AppendOutcome::Durable) => unreachable!("a durable batch was cut, so it has an id"),
        }
    }
    match (unknown, not_taken) {
        (None, None) => Ok(Runs(runs)),
        (None, Some((detail, retry_after))) if runs.is_empty() => {
            Err(ProduceError::NotTaken { detail, retry_after })
        }
        // Some of the events are in the log, or may be.
        (Some(detail), _) | (None, Some((detail, _))) => Err(ProduceError::Unknown { detail }),
    }
}

/// The error of a request whose time is over.
pub(super) fn timed_out() -> ProduceError {
    ProduceError::Unknown { detail: "the log did not answer in time".into() }
}
