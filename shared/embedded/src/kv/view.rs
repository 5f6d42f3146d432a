//! Reading the store's current values.

use super::cache::{Cache, Slice};
use crate::durable_file;
use sluice_ports::PortError;
use std::path::PathBuf;
use std::sync::Arc;

/// The current values, as far as they are durable.
#[derive(Clone)]
pub(crate) struct KvView {
    pub(super) cache: Arc<Cache>,
    /// The file that makes the next start build the cache anew.
    pub(super) rebuild_marker: Arc<PathBuf>,
}

impl KvView {
    fn damaged(&self, attempted: &str, error: &lsm_tree::Error) -> PortError {
        if let Err(error) = durable_file::write(&self.rebuild_marker, b"") {
            tracing::error!(%error, "the state cache could not be marked as damaged");
        }
        PortError::Damaged { attempted: attempted.to_owned(), detail: format!("state cache: {error}") }
    }

    /// The value of a key. Blocks on the disk.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Slice>, PortError> {
        self.cache.get(key).map_err(|error| self.damaged("read a value", &error))
    }

    /// Gives `each` the keys from `from` on that begin with `prefix`, ascending,
    /// with their values, until it returns false. Blocks on the disk.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, PortError>,
    ) -> Result<(), PortError> {
        for entry in self.cache.range(from.max(prefix)) {
            let (key, value) = entry.map_err(|error| self.damaged("scan values", &error))?;
            if !key.starts_with(prefix) || !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }
}
