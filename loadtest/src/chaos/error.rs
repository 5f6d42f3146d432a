//! Why a scenario cannot be run to its end.

use std::path::PathBuf;

use thiserror::Error;

use crate::fetch::FetchError;
use crate::ledger::LedgerError;
use crate::receiver::ReceiverError;
use crate::replay::ReplayError;
use crate::sender::RunError;

/// Why a scenario could not be run to its end.
#[derive(Debug, Error)]
pub enum ChaosError {
    /// The server's binary cannot be started.
    #[error("starting {}", .0.display())]
    Server(PathBuf, #[source] std::io::Error),
    /// The server is not ready in time.
    #[error("the server did not become ready; the end of its log:\n{0}")]
    NotReady(String),
    /// No free address.
    #[error("finding a free address")]
    Address(#[source] std::io::Error),
    /// The server cannot be killed or stopped.
    #[error("signalling the server")]
    Signal(#[source] std::io::Error),
    /// The disk cannot be filled or cleared.
    #[error("filling the disk")]
    Disk(#[source] std::io::Error),
    /// A customer or subscription could not be made.
    #[error("{url} answered {status}: {said}")]
    Refused {
        /// The URL that was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// The body.
        said: String,
    },
    /// The server cannot be asked.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A receiver failed.
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
    /// A sender failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A replay failed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A recording cannot be played to its end.
    #[error("playing the recording: {0}")]
    Recording(String),
    /// A ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The result cannot be put together: a defect of this program.
    #[error("putting the result together")]
    Result(#[source] serde_json::Error),
    /// A task ended without its result: a defect of this program.
    #[error("a task failed; its panic is on stderr")]
    Panicked,
}
