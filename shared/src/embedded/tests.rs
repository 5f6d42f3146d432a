//! Tests of the embedded engine as a whole.
