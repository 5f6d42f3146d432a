//! The waits for a store that does not answer.

use crate::context::Context;
use sluice_ports::PortError;
use std::time::Duration;

/// How long to wait after the `tries`th failure of a store in a row.
#[must_use]
pub(crate) fn store_wait(error: &PortError, tries: u32) -> Duration {
    const MAX: Duration = Duration::from_secs(5);
    let wait = crate::backoff::exponential(Duration::from_millis(50), tries, MAX, crate::clock::random());
    match error {
        PortError::Unavailable { retry_after, .. } => wait.max((*retry_after).min(MAX)),
        PortError::Refused { .. } | PortError::Damaged { .. } | PortError::Closed { .. } => wait,
    }
}

/// Repeats a call of a store until it answers, with a growing wait.
///
/// # Errors
/// If the store is closed, or the same call would fail for ever.
pub(crate) async fn until_answered<T, F>(context: &Context, ask: impl Fn() -> F) -> Result<T, PortError>
where
    F: Future<Output = Result<T, PortError>>,
{
    let mut tries = 0;
    loop {
        match ask().await {
            Err(error @ PortError::Unavailable { .. }) => {
                context.store_failed(&error);
                tokio::time::sleep(store_wait(&error, tries)).await;
                tries = tries.saturating_add(1);
            }
            answered => return answered,
        }
    }
}
