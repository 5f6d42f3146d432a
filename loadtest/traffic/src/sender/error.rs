//! Why a run cannot start or go on.

use thiserror::Error;

use crate::event::{EventShapeError, TemplateError};
use crate::ledger::LedgerError;
use crate::target::TargetError;

use super::raw::RawError;

/// Why a run cannot start or go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The URL is not one that can be sent to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A template cannot be used.
    #[error("template number {0} (from 1)")]
    Template(usize, #[source] TemplateError),
    /// The body of a plain request is malformed.
    #[error("the body")]
    Body(#[source] TemplateError),
    /// The events cannot be built.
    #[error(transparent)]
    Event(#[from] EventShapeError),
    /// A setting is out of range.
    #[error("{0}")]
    Config(&'static str),
    /// A key cannot stand in a header.
    #[error("key number {0} (from 1) has characters that cannot stand in a header")]
    Key(usize),
    /// A header cannot be sent.
    #[error("the header {0:?} cannot be sent")]
    Header(String),
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The file of single results cannot be written.
    #[error(transparent)]
    Raw(#[from] RawError),
    /// A thread or its runtime cannot be started.
    #[error("starting a sender thread")]
    Thread(#[source] std::io::Error),
    /// A sender thread ended without its result: a defect of this program.
    #[error("a sender thread failed; its panic is on stderr")]
    Panicked,
}
