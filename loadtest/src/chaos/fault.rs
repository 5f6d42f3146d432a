//! The kinds of faults, and the record of one that happened.

use serde::{Deserialize, Serialize};

/// A kind of fault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// `kill -9`, then a new start on the same data.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Pause,
    /// No room on the data's disk.
    FullDisk,
    /// Receivers answer late.
    SlowReceiver,
    /// Receivers reset connections or break off answers.
    CutReceiver,
    /// Receivers answer 503.
    FailingReceiver,
    /// Receivers never answer.
    HangingReceiver,
}

/// A fault that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioFault {
    /// When, from the start of the traffic, in seconds.
    pub at_s: f64,
    /// Its kind.
    pub what: FaultKind,
    /// How long it lasted, recovery included, in seconds.
    pub lasted_s: f64,
}
