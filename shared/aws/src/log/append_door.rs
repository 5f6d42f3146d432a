//! Whether the log takes new records now.

use sluice_ports::log::AppendError;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the door stays shut after the stream failed.
const SHUT: Duration = Duration::from_millis(500);

/// Shut for a moment after each failure of the stream.
#[derive(Debug, Default)]
pub(super) struct AppendDoor {
    shut: Mutex<Option<(Instant, Arc<str>)>>,
}

impl AppendDoor {
    pub(super) fn shut(&self, detail: &str) {
        *self.shut.lock() = Some((Instant::now() + SHUT, detail.into()));
    }

    pub(super) fn open(&self) {
        *self.shut.lock() = None;
    }

    /// # Errors
    /// While it is shut: why, and when to come again.
    pub(super) fn accepting(&self) -> Result<(), AppendError> {
        match &*self.shut.lock() {
            Some((until, detail)) if Instant::now() < *until => {
                Err(AppendError::NotTaken { detail: Arc::clone(detail), retry_after: Duration::from_secs(1) })
            }
            _ => Ok(()),
        }
    }
}
