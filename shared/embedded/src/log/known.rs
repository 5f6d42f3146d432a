//! Telling the records of known versions from those that a newer Sluice wrote. A newer
//! record is whole, and passing it would lose its events. So the log does not open if
//! it holds one, and reading stops at one that is met later.

use sluice_model::wire::record::{RecordDirectory, RecordError};
use sluice_ports::PortError;
use std::io;

/// A record that a newer Sluice wrote.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {found}; start the newer version again, or restore the backup from before the upgrade")]
struct NewerRecord {
    place: String,
    found: RecordError,
}

/// Parses the directory of a record; `place` names it.
///
/// # Errors
/// If a newer Sluice wrote the record.
pub(crate) fn parse_known(
    record: &[u8],
    place: impl FnOnce() -> String,
) -> io::Result<Result<RecordDirectory, RecordError>> {
    match RecordDirectory::parse(record) {
        Err(found) if found.is_newer() => Err(newer(place(), found)),
        parsed => Ok(parsed),
    }
}

/// The error of a reader that met such a record.
pub(crate) fn newer(place: String, found: RecordError) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, NewerRecord { place, found })
}

/// The port's error for a failure of one of the log's files.
pub(crate) fn log_error(attempted: impl Into<String>, error: io::Error) -> PortError {
    if error.get_ref().is_some_and(|cause| cause.is::<NewerRecord>()) {
        PortError::newer(attempted, error)
    } else {
        PortError::unavailable(attempted, error)
    }
}
