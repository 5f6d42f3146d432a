//! The fuzz target of schemas.

use crate::{EventSchema, SchemaLimits, SchemaPayload};
use sluice_model::fuzzing::Target;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[("event_schema", event_schema)];

/// Payloads that need more checks are not judged, since the ingest role refuses them.
const CHECKS_MAX: u64 = 100_000;

/// Judges a payload by a schema: the schema is the first line, the payload the rest.
pub fn event_schema(bytes: &[u8]) {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (schema, payload) = bytes.split_at(line);
    let (Ok(schema), Ok(payload)) = (std::str::from_utf8(schema), std::str::from_utf8(payload)) else {
        return;
    };
    let payload = SchemaPayload::read(payload);
    let Ok(schema) = EventSchema::compile(schema, &SchemaLimits::default()) else { return };
    let Ok(payload) = payload else { return };
    if schema.checks(&payload) > CHECKS_MAX {
        return;
    }
    let all = schema.misfits(&payload, 10);
    let first = schema.misfits(&payload, 1);
    assert_eq!(first.is_empty(), all.is_empty(), "how many are asked for changes the verdict");
    assert!(all.iter().all(|misfit| misfit.pointer.is_empty() || misfit.pointer.starts_with('/')));
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::fuzzing::rounds;

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        rounds(TARGETS, concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"), 500);
    }
}
