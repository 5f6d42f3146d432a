//! Tests of the embedded engine as a whole.

mod contract;
pub(crate) mod harness;
mod newer;
mod recovery;
mod retention;
