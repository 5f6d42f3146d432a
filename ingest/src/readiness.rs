//! Whether requests should be sent to this process.

use sluice_catalogue::directory::{DIRECTORY_AGE_MAX, Directory};
use sluice_ports::{Log, LostDependency};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Lists the dependencies that are lost now.
pub type LostDependencies = Box<dyn Fn() -> Vec<LostDependency> + Send + Sync>;

/// Knows whether requests should be sent to this process.
pub(crate) struct Readiness {
    pub drain: CancellationToken,
    pub directory: Arc<Directory>,
    pub log: Arc<dyn Log>,
    pub lost: LostDependencies,
}

impl Readiness {
    /// The reason why no requests should be sent here, if there is one. `lost`
    /// are the dependencies that are lost now.
    pub(crate) fn check(&self, lost: &[LostDependency]) -> Result<(), &'static str> {
        if self.drain.is_cancelled() {
            return Err("draining");
        }
        if self.directory.age() > DIRECTORY_AGE_MAX {
            return Err("the catalogue cannot be read");
        }
        self.log.accepting().map_err(|_| "the log accepts no events")?;
        if lost.iter().any(LostDependency::stops_ingest) {
            return Err("a dependency is lost");
        }
        Ok(())
    }

    /// Whether requests should be sent here.
    pub(crate) fn is_ready(&self) -> bool {
        self.check(&(self.lost)()).is_ok()
    }
}
