//! Reads from the disk, off the threads of the runtime.

use sluice_ports::PortError;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How many reads of one port may be at the disk at a time; more reads wait.
const READS_MAX: usize = 64;

/// The disk reads of one port.
#[derive(Clone)]
pub(crate) struct DiskReads(Arc<Semaphore>);

impl DiskReads {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(READS_MAX)))
    }

    /// Runs `read` on a thread that may block. Cancel safe: a read whose caller is gone still
    /// ends, and counts as running until then.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        attempted: &'static str,
        read: impl FnOnce() -> Result<R, PortError> + Send + 'static,
    ) -> Result<R, PortError> {
        let permit = self.0.clone().acquire_owned().await.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let result = read();
            drop(permit);
            result
        });
        done.await.unwrap_or_else(|error| Err(PortError::unavailable(attempted, error)))
    }
}
