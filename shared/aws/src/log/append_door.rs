//! Refusing appends for a while after the stream failed.

use parking_lot::Mutex;
use sluice_ports::FailureClass;
use sluice_ports::log::AppendError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long appends are refused after the stream did not answer.
const SHUT: Duration = Duration::from_millis(500);
/// How long appends are refused after the stream denied a request: an operator must act.
const SHUT_DENIED: Duration = Duration::from_secs(5);

/// Closed for a while after each failure of the stream.
#[derive(Debug, Default)]
pub(super) struct AppendDoor {
    shut: Mutex<Option<(Instant, Arc<str>)>>,
}

impl AppendDoor {
    /// Closes the door after a request failed with this class.
    pub(super) fn shut(&self, class: FailureClass, detail: &str) {
        let shut = if class == FailureClass::Denied { SHUT_DENIED } else { SHUT };
        *self.shut.lock() = Some((Instant::now() + shut, detail.into()));
    }

    pub(super) fn open(&self) {
        *self.shut.lock() = None;
    }

    /// # Errors
    /// While the door is closed: the reason, and when to try again.
    pub(super) fn accepting(&self) -> Result<(), AppendError> {
        match &*self.shut.lock() {
            Some((until, detail)) if Instant::now() < *until => {
                Err(AppendError::NotTaken { detail: Arc::clone(detail), retry_after: Duration::from_secs(1) })
            }
            _ => Ok(()),
        }
    }
}
