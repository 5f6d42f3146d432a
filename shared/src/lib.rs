//! What the edge and the processor of Sluice share: the model, the wire and
//! disk formats, the ports and their adapters, configuration and telemetry.

#[cfg(any(feature = "aws", feature = "simulation"))]
pub mod aws;
pub mod clock;
pub mod config;
pub mod directory;
pub mod embedded;
#[doc(hidden)]
pub mod fuzzing;
pub mod history;
pub mod limiter;
pub mod model;
pub mod ports;
pub mod replay;
pub mod sealing;
pub mod secrets;
pub mod selector;
pub mod telemetry;
pub mod trace;
pub mod wire;
