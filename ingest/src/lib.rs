//! The edge of Sluice: HTTP in, durable batches out.

mod decode;
mod lanes;
mod produce;
