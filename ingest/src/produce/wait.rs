//! Waiting until it is known what became of a request's events.

use super::ProduceError;
use super::answer::Runs;
use crate::lanes::{AppendOutcome, PlacedRun};

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
