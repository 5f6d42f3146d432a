//! Tests of the embedded engine as a whole.

mod contract;
mod harness;
mod recovery;
