//! Why a replay cannot start or go on.

use thiserror::Error;

use crate::ledger::LedgerError;
use crate::target::TargetError;

/// Why a replay cannot start or go on.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The URL is not one that can be sent to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A thread or timer cannot be started.
    #[error("starting the replay")]
    Start(#[source] std::io::Error),
    /// A thread ended without its result: a defect of this program.
    #[error("a task of the replay failed; its panic is on stderr")]
    Panicked,
    /// A number is out of range.
    #[error("{0}")]
    Config(&'static str),
}
