//! Schemas of event types: JSON Schema 2020-12 over the payloads of events.
//!
//! The crate `jsonschema` judges (`sluice_validator`). Before it gets a schema, [`walk`] refuses
//! references that lead out of the schema or in a circle, and [`cost`] computes how much work
//! a value can be at each depth of a payload. So the work of an event is known before it is
//! done ([`EventSchema::checks`]), whatever the schema is.

mod compiled;
mod cost;
mod deep_stack;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod limits;
mod misfit;
mod nesting;
mod pattern;
mod payload;
mod walk;

pub use compiled::EventSchema;
pub use fault::SchemaFault;
pub use limits::SchemaLimits;
pub use misfit::Misfit;
pub use nesting::nests_deeper_than;
pub use payload::SchemaPayload;

/// The most levels of a payload: the ingest role's decoder refuses deeper ones, and the work of
/// a schema is bounded up to here. It is the limit of the matcher's parser.
pub const PAYLOAD_DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests;
