//! A schema, checked and compiled.

use super::cost::SchemaCost;
use super::deep_stack::on_deep_stack;
use super::fault::SchemaFault;
use super::limits::SchemaLimits;
use super::misfit::Misfit;
use super::nesting::nests_deeper_than;
use super::payload::SchemaPayload;
use super::walk;
use serde_json::Value;
use sluice_validator::{Finding, SchemaValidator};

/// Up to this many checks, all misfits of a payload are looked for. For a larger payload only
/// the first is told, since all of them are in memory before any is told.
const ALL_MISFITS_CHECKS_MAX: u64 = 100_000;

/// A schema, ready to judge payloads.
#[derive(Debug)]
pub struct EventSchema {
    validator: SchemaValidator,
    cost: SchemaCost,
}

impl EventSchema {
    /// Checks a schema and compiles it. May take some milliseconds.
    ///
    /// # Errors
    /// If the text is not a JSON Schema, uses something unsupported, or exceeds a limit.
    pub fn compile(json: &str, limits: &SchemaLimits) -> Result<Self, SchemaFault> {
        if json.len() > limits.bytes_max {
            return Err(SchemaFault::whole(format!(
                "the schema has {} bytes; the limit is {}",
                json.len(),
                limits.bytes_max
            )));
        }
        check_depth(json, limits.depth_max)?;
        on_deep_stack(|| compile(json, limits))
            .unwrap_or_else(|| Err(SchemaFault::whole("the schema could not be compiled")))
    }

    /// The most checks that a payload needs. A check takes some ten nanoseconds.
    #[must_use]
    pub fn checks(&self, payload: &SchemaPayload) -> u64 {
        self.cost.checks(payload)
    }

    /// Judges a payload. Returns the values that do not fit, at most `misfits_max`.
    #[must_use]
    pub fn misfits(&self, payload: &SchemaPayload, misfits_max: usize) -> Vec<Misfit> {
        let value = &payload.value;
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        if self.cost.checks(payload) > ALL_MISFITS_CHECKS_MAX {
            return self.validator.first_misfit(value).iter().map(told).collect();
        }
        self.validator.misfits(value, misfits_max.max(1)).iter().map(told).collect()
    }
}

fn told(finding: &Finding) -> Misfit {
    Misfit::new(&finding.pointer, &finding.message)
}

fn compile(json: &str, limits: &SchemaLimits) -> Result<EventSchema, SchemaFault> {
    let read = SchemaPayload::read_schema(json);
    let mut schema = read.map_err(|misfit| SchemaFault::at(misfit.pointer, misfit.message))?;
    let graph = walk::walk(&schema, limits)?;
    let cost = SchemaCost::of(&graph, limits.value_checks_max)?;
    // The schema's own name is not needed, and must not be taken for another schema's.
    if let Value::Object(keywords) = &mut schema {
        keywords.remove("$id");
    }
    let compiled = SchemaValidator::compile(&schema, limits.pattern_compiled_bytes_max);
    let validator = compiled.map_err(|finding| SchemaFault::at(finding.pointer, finding.message))?;
    Ok(EventSchema { validator, cost })
}

/// Refuses a schema that nests too deep, before a function recurses into it.
fn check_depth(json: &str, depth_max: usize) -> Result<(), SchemaFault> {
    if nests_deeper_than(json, depth_max) {
        return Err(SchemaFault::whole(format!("the schema nests deeper than {depth_max} levels")));
    }
    Ok(())
}
